"""A service that might be written in anything: it converts money."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RATES = {"EUR": 1.0, "USD": 1.25, "JPY": 160.0}


class Rates(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self.answer(200, {"ok": True})
        elif self.path.removeprefix("/rates/") in RATES:
            self.answer(200, {"rate": RATES[self.path.removeprefix("/rates/")]})
        else:
            self.answer(404, {"detail": "no such currency"}, "application/problem+json")

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(200, {"amount": asked["amount"] * RATES[asked["to"]]})

    def answer(self, status: int, value: object, media: str = "application/json") -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it overrides
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Rates).serve_forever()
