"""One HTTP request of the call path, from its headers to a `Call`.

Headers are looked at once, when the last has come. What most requests do not have costs them nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from dragoman.contract import codec
from dragoman.contract.query import parse as parse_query
from dragoman.core.call import Call, Codec
from dragoman.core.fault import Fault, InvalidArgument, PermissionDenied, Unimplemented
from dragoman.core.units import duration
from dragoman.ingress.http.doors import CALL_PREFIX, Door
from dragoman.ingress.http.negotiation import Plan, plan

if TYPE_CHECKING:
    from dragoman.ingress.http.doors import Doors, Tracer

TARGET_BYTES_MAX = 8 * 1024
"""A longer request target is answered with 414: longer than any query that a browser would send."""
POST, GET = b"POST", b"GET"


class Refusal(Exception):  # noqa: N818 - it carries a fault to the answer; it is not an error of ours
    """A request that cannot become a call: the fault, and its HTTP status where the code's own does not say it."""

    def __init__(self, fault: Fault, status: int = 0, allow: bytes = b"") -> None:
        super().__init__(fault.detail)
        self.fault = fault
        self.status = status
        self.allow = allow


class Request:
    """A request in progress. `body` grows while it comes in."""

    __slots__ = (
        "accept",
        "arrived_at",
        "body",
        "body_bytes",
        "chunked",
        "content_type",
        "door",
        "keep_alive",
        "method",
        "path",
        "plan",
        "query",
        "refusal",
        "timeout",
        "traceparent",
        "tracestate",
        "wants_continue",
    )

    def __init__(self, path: bytes, method: bytes, arrived_at: float, *, keep_alive: bool) -> None:
        self.path = path
        self.method = method
        self.arrived_at = arrived_at
        self.keep_alive = keep_alive
        self.chunked = True
        self.body: bytes | list[bytes] = b""
        self.body_bytes = 0
        self.door: Door | None = None
        self.plan: Plan | None = None
        self.query = b""
        self.content_type = self.accept = self.timeout = self.traceparent = self.tracestate = b""
        self.wants_continue = False
        self.refusal: Refusal | None = None

    def read_headers(self, headers: list[tuple[bytes, bytes]], body_bytes_max: int) -> None:
        """Take what matters from the headers. Raises `Refusal` for a body that is declared too large."""
        for name, value in headers:
            if name in UNINTERESTING:
                continue
            if name == b"content-length":
                if int(value) > body_bytes_max:
                    raise too_large(body_bytes_max)
            elif name == b"content-type":
                self.content_type = value
            elif name == b"accept":
                self.accept = value if not self.accept else self.accept + b"," + value
            else:
                self._read_rare(name, value)

    def _read_rare(self, name: bytes, value: bytes) -> None:
        if name == b"dragoman-timeout":
            self.timeout = value
        elif name == b"traceparent":
            # Two of them are no trace at all (Trace Context §3.2): an impossible value says so.
            self.traceparent = value if not self.traceparent else b"-"
        elif name == b"tracestate":
            self.tracestate = value if not self.tracestate else self.tracestate + b"," + value
        elif name == b"expect":
            self.wants_continue = value.lower() == b"100-continue"
        elif name == b"sec-fetch-site" and value == b"cross-site":
            detail = "a page of another site may not call functions here"
            raise Refusal(PermissionDenied(detail))
        elif name == b"content-encoding" and value.lower() not in (b"", b"identity"):
            raise Refusal(InvalidArgument("a compressed body is not read here; send it plain"), 415)

    def find_door(self, doors: Doors) -> Door:
        """The door that the path names. Raises `Refusal`: no such function, a wrong method, an impossible type."""
        door = doors.by_path.get(self.path)
        if door is None:
            door = self._search(doors)
        self.door = door
        if self.method != POST and (self.method != GET or not door.target.idempotent):
            allow = b"GET, POST" if door.target.idempotent else b"POST"
            shown = self.method.decode("latin-1")
            why = "" if self.method != GET else " because it is not marked idempotent"
            detail = f"{door.target.name} cannot be called with {shown}{why}; use POST"
            raise Refusal(Unimplemented(detail, function=door.target.name), 405, allow)
        chosen = plan(self.content_type, self.accept, door.shape)
        if chosen.problem is not None:
            status, detail = chosen.problem
            raise Refusal(InvalidArgument(detail, function=door.target.name), status)
        self.plan = chosen
        return door

    def _search(self, doors: Doors) -> Door:
        if len(self.path) > TARGET_BYTES_MAX:
            detail = f"the request target has {len(self.path)} bytes; at most {TARGET_BYTES_MAX} are read"
            raise Refusal(InvalidArgument(detail), 414)
        path, _, self.query = self.path.partition(b"?")
        self.path = path
        door = doors.by_path.get(path) or doors.by_path.get(unquote_to_bytes(path))
        if door is None:
            name = unquote_to_bytes(path.removeprefix(CALL_PREFIX)).decode("utf-8", "replace")
            raise Refusal(doors.missing(name[:256]))
        return door

    def to_call(self, call_id: int, tracer: Tracer) -> Call:
        """The call that the request asks for. Raises `Refusal` for a bad header or query."""
        door, chosen = self.door, self.plan
        assert door is not None
        assert chosen is not None
        target = door.target
        deadline = self.arrived_at + target.timeout_s
        if self.timeout:
            deadline = min(deadline, self.arrived_at + self._timeout_s())
        body, body_codec = self._input(door, chosen)
        call = Call(
            target, body, body_codec, chosen.reply_codec, id=call_id, deadline=deadline, arrived_at=self.arrived_at
        )
        if self.traceparent:
            call.trace = tracer.enter(self.traceparent.decode("latin-1"), self.tracestate.decode("latin-1"))
        return call

    def _input(self, door: Door, chosen: Plan) -> tuple[bytes, Codec]:
        if self.method == GET:
            try:
                fields = parse_query(self.query.decode("latin-1"), door.input)
                return codec.encode(fields, Codec.JSON), Codec.JSON
            except Fault as fault:
                raise Refusal(fault) from None
            except ValueError as error:
                raise Refusal(InvalidArgument(f"the query cannot be read: {error}")) from None
        body = b"".join(self.body) if isinstance(self.body, list) else self.body
        return body, chosen.codec

    def _timeout_s(self) -> float:
        try:
            seconds = duration(self.timeout.decode("ascii"))
        except ValueError as error:
            raise Refusal(InvalidArgument(f"Dragoman-Timeout: {error}")) from None
        if not 0 < seconds < math.inf:
            raise Refusal(InvalidArgument('Dragoman-Timeout: expected more than 0, such as "500ms"'))
        return seconds


UNINTERESTING = frozenset(
    {
        b"host",
        b"user-agent",
        b"connection",
        b"accept-encoding",
        b"accept-language",
        b"cookie",
        b"origin",
        b"referer",
        b"cache-control",
        b"pragma",
        b"transfer-encoding",
    }
)
"""Headers that most clients send and nothing here reads."""


def too_large(limit: int) -> Refusal:
    """The refusal of a body past the limit."""
    return Refusal(InvalidArgument(f"the body is larger than the {limit} bytes that are read here"), 413)
