"""A server that answers as it is told: what proxies, crashing hosts and strangers send."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

CLOSE = "connection: close"

HELD = b"<held>"
"""In place of an answer: the connection is kept open, and nothing is said."""


def response(status: int, content_type: str, body: bytes, *headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} X", f"content-type: {content_type}", f"content-length: {len(body)}", CLOSE, *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(content_type: str, *chunks: bytes, whole: bool = True) -> bytes:
    """An answer in chunks, with or without its end."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n{CLOSE}\r\n\r\n".encode()
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + body + (b"0\r\n\r\n" if whole else b"")


class Script:
    """The answers, one a connection, and the requests that came."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.url = ""
        self.holding = threading.Event()
        """Set when an answer is held."""
        self.closed = threading.Event()
        """Set when a client has hung up, or its answer was sent."""


@contextmanager
def scripted(*answers: bytes) -> Generator[Script]:
    """Serve one answer a connection, then close it; the last one goes on for ever."""
    script = Script(answers)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        script.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=_serve, args=(listener, script, over))
        thread.start()
        try:
            yield script
        finally:
            over.set()
            with socket.create_connection(listener.getsockname()[:2]):
                thread.join(10)


def _serve(listener: socket.socket, script: Script, over: threading.Event) -> None:
    while True:
        connection, _ = listener.accept()
        with connection:
            if over.is_set():
                return
            connection.settimeout(10)
            script.requests.append(_request(connection))
            answer = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            _answer(connection, answer, script)


def _answer(connection: socket.socket, answer: bytes, script: Script) -> None:
    try:
        connection.sendall(answer.replace(HELD, b""))
        if answer.endswith(HELD):
            script.holding.set()
            while connection.recv(4096):
                pass
    except OSError:
        pass  # the client has hung up, which is as good as having heard it
    script.closed.set()


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
