"""What a program prints, as the reply of its call: one value, a stream of lines, or bytes; and its stderr, as log."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any, NoReturn, cast

from dragoman.core.call import Codec
from dragoman.core.fault import Started, Unknown
from dragoman.guest.program import too_much
from dragoman.wire.report import dump_log

if TYPE_CHECKING:
    from dragoman.guest.line import Line

LOG_BYTES_MAX = 64 * 1024
"""Of one call's stderr this much is log; what is longer belongs in a file."""

LOG_LINE_BYTES_MAX = 8 * 1024
"""A longer line of stderr is cut into pieces, so that no line has to be held whole."""

TAIL_BYTES_MAX = 2 * 1024
"""The end of stderr that a fault quotes: the last page, where programs say what went wrong."""

SAMPLE_CHARACTERS_MAX = 200


class Log:
    """The stderr of one call: lines as events, and the end of it for a fault."""

    def __init__(self, line: Line, call: int) -> None:
        self._line = line
        self._call = call
        self._partial = b""
        self._tail = b""
        self._room = LOG_BYTES_MAX
        self._dropped = 0

    def log(self, data: bytes) -> None:
        """Take some of stderr."""
        self._tail = (self._tail + data)[-TAIL_BYTES_MAX:]
        taken = data[: self._room]
        self._room -= len(taken)
        self._dropped += len(data) - len(taken)
        if taken:
            *lines, self._partial = (self._partial + taken).split(b"\n")
            for line in lines:
                self._tell(line)
            while len(self._partial) > LOG_LINE_BYTES_MAX:
                self._tell(self._partial[:LOG_LINE_BYTES_MAX])
                self._partial = self._partial[LOG_LINE_BYTES_MAX:]

    def settle(self) -> str:
        """Tell what is left, and how much was dropped; return the end of stderr as text."""
        if self._partial:
            self._tell(self._partial)
        if self._dropped:
            note = f"{self._dropped} bytes of stderr were dropped: of each call's, {LOG_BYTES_MAX} are kept"
            self._send(dump_log(note, "warning", fields={"dropped_bytes": self._dropped}))
        return self._tail.decode("utf-8", "replace").strip()

    def _tell(self, line: bytes) -> None:
        for at in range(0, len(line), LOG_LINE_BYTES_MAX):
            text = line[at : at + LOG_LINE_BYTES_MAX].decode("utf-8", "replace").rstrip("\r")
            self._send(dump_log(text, "warning", "stderr"))

    def _send(self, body: bytes) -> None:
        self._line.put(self._line.connection.event(body, self._call))


class Whole(Log):
    """A reply of one body."""

    def __init__(self, line: Line, call: int, name: str, bytes_max: int) -> None:
        super().__init__(line, call)
        self._name = name
        self._bytes_max = bytes_max
        self._chunks: list[bytes] = []
        self._size = 0

    def take(self, data: bytes) -> None:
        """Take some of stdout. Raises `ResourceExhausted` past the bound."""
        self._size += len(data)
        if self._size > self._bytes_max:
            raise too_much(self._name, self._bytes_max)
        self._chunks.append(data)

    def ready(self) -> bool:
        """Always: the bound is on the whole."""
        return True

    def reply(self, kind: str) -> tuple[Codec, bytes]:
        """The reply's codec and body. Raises `Unknown` where stdout was to be JSON and is not."""
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        if kind == "bytes":
            return Codec.BYTES, body
        if kind == "text":
            return Codec.JSON, json.dumps(body.decode("utf-8", "replace"), ensure_ascii=False).encode()
        body = body.strip()
        if not body:
            detail = f"{self._name} printed nothing on stdout, where one JSON value was expected"
            raise Unknown(detail, started=Started.YES)
        check_json(body, f"what {self._name} printed on stdout")
        return Codec.JSON, body


class Lines(Log):
    """A reply that is a stream: one JSON value a line."""

    def __init__(self, line: Line, call: int, name: str, bytes_max: int) -> None:
        super().__init__(line, call)
        self._name = name
        self._bytes_max = bytes_max
        self._size = 0
        self._number = 0
        self._pieces: list[bytes] = []
        self._waiting: deque[tuple[int, bytes]] = deque()

    def take(self, data: bytes) -> None:
        """Take some of stdout, and send the lines that are complete and that there is credit for."""
        self._size += len(data)
        if self._size > self._bytes_max:
            raise too_much(self._name, self._bytes_max)
        head, newline, rest = data.partition(b"\n")
        self._pieces.append(head)
        if newline:
            self._queue(b"".join(self._pieces))
            *lines, last = rest.split(b"\n")
            for line in lines:
                self._queue(line)
            self._pieces = [last]
        self._send_items()

    def ready(self) -> bool:
        """Whether all complete lines are sent."""
        self._send_items()
        return not self._waiting

    def end(self) -> bool:
        """Take the end of stdout: a last line may lack its newline. False while it waits for credit."""
        if self._pieces:
            self._queue(b"".join(self._pieces))
            self._pieces = []
        return self.ready()

    def _queue(self, line: bytes) -> None:
        self._number += 1
        if item := line.strip():
            self._waiting.append((self._number, item))

    def _send_items(self) -> None:
        connection = self._line.connection
        while self._waiting and connection.credit_of(self._call) > 0:
            number, item = self._waiting.popleft()
            check_json(item, f"line {number} that {self._name} printed on stdout")
            self._line.put(connection.item_header(self._call, Codec.JSON, len(item)), item)


def check_json(data: bytes, what: str) -> None:
    """Raise `Unknown` unless the bytes are one JSON value in UTF-8."""
    try:
        json.loads(data.decode(), parse_constant=_no_constant)
    except RecursionError:
        problem = "is nested too deep"
    except ValueError as error:
        problem = f"is not JSON ({error})"
    else:
        return
    sample = data[: SAMPLE_CHARACTERS_MAX + 1].decode("utf-8", "replace")
    if len(sample) > SAMPLE_CHARACTERS_MAX:
        sample = sample[:SAMPLE_CHARACTERS_MAX] + "…"
    raise Unknown(f"{what} {problem}: {sample}", started=Started.YES) from None


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is no JSON number"
    raise ValueError(message)


def load_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that these bytes are, or None."""
    try:
        value = json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
