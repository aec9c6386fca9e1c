"""Reading what wrk says."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.load import Load, drive, parse
from bench.workload import ADD

GOOD = """Running 1s test @ http://127.0.0.1:1/v1/call/functions.add
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.30ms  210.00us   5.00ms   80.00%
    Req/Sec    49.30k     1.00k   51.00k    70.00%
  Latency Distribution
     50%  950.00us
     75%    1.50ms
     90%    1.70ms
     99%    1.02s
  98677 requests in 2.00s, 14.00MB read
Requests/sec:  49296.01
Transfer/sec:      7.00MB
"""


def test_latencies_become_microseconds() -> None:
    assert parse(GOOD) == Load(calls=98677, rate_s=49296.01, p50_us=950.0, p99_us=1_020_000.0)


@pytest.mark.parametrize(
    "complaint",
    ["  Non-2xx or 3xx responses: 12\n", "  Socket errors: connect 0, read 3, write 0, timeout 0\n"],
)
def test_a_failed_request_voids_the_run(complaint: str) -> None:
    with pytest.raises(RuntimeError, match=complaint.strip().partition(":")[0]):
        parse(GOOD + complaint)


@pytest.mark.needs("wrk")
def test_what_is_varied_is_another_number_each_time() -> None:
    bodies: list[bytes] = []

    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the name that http.server gives it

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            loads = [drive(url, ADD, 2, 1, b"1.5") for _ in range(2)]
        finally:
            server.shutdown()
    assert all(load.calls for load in loads)
    assert len(set(bodies)) == len(bodies) >= sum(load.calls for load in loads)
    assert all(sorted(json.loads(body)) == ["a", "b"] for body in bodies)


def test_something_else_is_refused() -> None:
    with pytest.raises(RuntimeError, match="unexpected"):
        parse("unable to connect to 127.0.0.1:1 Connection refused\n")
