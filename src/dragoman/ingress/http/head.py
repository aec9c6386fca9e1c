"""The head of a request for a call: its method, target and headers, read once into what they ask for.

A client sends the same head again and again, so a `Head` never changes once it is made, and may serve any number of
requests. What most heads do not have costs them nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from dragoman.core.fault import Fault, InvalidArgument, PermissionDenied, Unimplemented
from dragoman.core.units import duration
from dragoman.ingress.http.doors import CALL_PREFIX
from dragoman.ingress.http.later import WISHES, Wishes
from dragoman.ingress.http.marks import IDEMPOTENCY_KEY, MARKS, read_key, read_priority
from dragoman.ingress.http.negotiation import Plan, plan

if TYPE_CHECKING:
    from dragoman.core.call import Priority
    from dragoman.ingress.http.doors import Door, Doors
    from dragoman.ingress.http.later import Later

TARGET_BYTES_MAX = 8 * 1024
"""A longer request target is answered with 414: longer than any query that a browser would send."""
POST, GET, HEAD, OPTIONS = b"POST", b"GET", b"HEAD", b"OPTIONS"
NAME_CHARS_MAX = 256
"""As much of a path is repeated in a problem."""
NO_CONTENT = 204


class Refusal(Exception):  # noqa: N818 - it carries a fault to the answer; it is not an error of ours
    """A request that cannot become a call: the fault, and its HTTP status where the code's own does not say it."""

    def __init__(self, fault: Fault, status: int = 0, *, reason: str, allow: bytes = b"") -> None:
        """`reason` is the word that it is counted by, `allow` the value of an `Allow` header."""
        super().__init__(fault.detail)
        self.fault = fault
        self.status = status
        self.reason = reason
        self.allow = allow


class Head:
    """What one head asks for. `refusal` says why it cannot have it; `door` and `plan` are set where it can.

    `body_bytes` is -1 where the length is not known beforehand, `timeout_s` the function's own or what the caller asks
    for if that is less. `caller` is who calls where a header says so, else empty. `fresh` asks for an answer that was
    not kept, `if_none_match` says which answers the client has. `marked` says that there is a `priority`, or an
    `idempotency_key`. `later` is there where the call is to be stored as a task.
    """

    __slots__ = (
        "accept",
        "body_bytes",
        "caller",
        "chunked",
        "content_type",
        "door",
        "fresh",
        "idempotency_key",
        "if_none_match",
        "keep_alive",
        "later",
        "marked",
        "method",
        "path",
        "personal",
        "plan",
        "priority",
        "query",
        "refusal",
        "timeout_s",
        "traceparent",
        "tracestate",
        "wants_continue",
        "wishes",
    )

    def __init__(self, method: bytes, path: bytes, *, keep_alive: bool, chunked: bool = True) -> None:
        """`chunked` says whether the reply may come in chunks: not before HTTP/1.1."""
        self.method = method
        self.path = path
        self.keep_alive = keep_alive
        self.chunked = chunked
        self.query = b""
        self.caller = ""
        self.content_type = self.accept = self.traceparent = self.tracestate = b""
        self.timeout_s = math.inf
        self.body_bytes = 0
        self.if_none_match = b""
        self.fresh = False
        self.marked = False
        self.priority: Priority | None = None
        self.idempotency_key = ""
        self.wants_continue = False
        self.personal = False
        self.wishes: Wishes | None = None
        self.later: Later | None = None
        self.door: Door | None = None
        self.plan: Plan | None = None
        self.refusal: Refusal | None = None

    @property
    def feeds(self) -> bool:
        """Whether the body is the input stream of the call, which then begins before it has come."""
        return self.plan is not None and self.plan.feeds and self.method == POST

    @property
    def reusable(self) -> bool:
        """Whether it may be remembered: it leads to a call, and holds neither secrets nor what differs every time."""
        return (
            self.refusal is None
            and self.method == POST
            and self.keep_alive
            and self.body_bytes >= 0
            and not self.feeds
            and not (self.wants_continue or self.personal or self.traceparent or self.tracestate)
            and not self.idempotency_key
        )

    def read(self, headers: list[tuple[bytes, bytes]], doors: Doors, body_bytes_max: int) -> None:
        """Take what matters from the headers, and find the door. Sets `refusal` where something is wrong."""
        try:
            for name, value in headers:
                if name not in UNINTERESTING:
                    self._read_one(name, value)
            if self.wishes is not None:
                self._read_wishes(self.wishes)
            self._find_door(doors)
            if self.body_bytes > body_bytes_max and not self.feeds:
                raise too_large(body_bytes_max)
        except Refusal as refusal:
            self.refusal = refusal

    def _read_one(self, name: bytes, value: bytes) -> None:
        match name:
            case b"content-length":
                self.body_bytes = int(value)
            case b"transfer-encoding":
                self.body_bytes = -1
            case b"content-type":
                if self.content_type not in (b"", value):
                    raise differing("Content-Type")
                self.content_type = value
            case b"accept":
                self.accept = self.accept + b"," + value if self.accept else value
            case b"dragoman-timeout":
                self.timeout_s = min(self.timeout_s, timeout_s(value))
            case b"traceparent":
                # Two of them are no trace at all (Trace Context §3.2): an impossible value says so.
                self.traceparent = b"-" if self.traceparent else value
            case b"tracestate":
                self.tracestate = self.tracestate + b"," + value if self.tracestate else value
            case _:
                self._read_rare(name, value)

    def _read_rare(self, name: bytes, value: bytes) -> None:
        if name == b"expect":
            self.wants_continue = value.lower() == b"100-continue"
        elif name in PERSONAL:
            self.personal = True
        elif name in MARKS:
            self._read_mark(name, value)
        elif name in WISHES:
            self._take_wish(name, value)
        elif name == b"cache-control":
            self.fresh = self.fresh or wants_anew(value)
        elif name == b"if-none-match":
            self.if_none_match = self.if_none_match + b"," + value if self.if_none_match else value
        elif name == b"sec-websocket-key":
            raise Refusal(InvalidArgument("a WebSocket is opened by GET with Upgrade: websocket"), reason="websocket")
        elif name == b"sec-fetch-site" and value == b"cross-site":
            raise Refusal(PermissionDenied("a page of another site may not call functions here"), reason="foreign")
        elif name == b"content-encoding" and value.lower() not in (b"", b"identity"):
            fault = InvalidArgument("a compressed body is not read here; send it plain")
            raise Refusal(fault, 415, reason="media_type")

    def _read_mark(self, name: bytes, value: bytes) -> None:
        self.marked = True
        key, priority = self.idempotency_key, self.priority
        try:
            if name == IDEMPOTENCY_KEY:
                self.idempotency_key = read_key(value)
            else:
                self.priority = read_priority(value)
        except ValueError as error:
            raise Refusal(InvalidArgument(str(error)), reason="headers") from None
        if key not in ("", self.idempotency_key):
            raise differing("Idempotency-Key")
        if priority not in (None, self.priority):
            raise differing("Dragoman-Priority")

    def _take_wish(self, name: bytes, value: bytes) -> None:
        self.wishes = self.wishes or Wishes()
        try:
            self.wishes.take(name, value)
        except ValueError as error:
            raise Refusal(InvalidArgument(str(error)), reason="headers") from None

    def _read_wishes(self, wishes: Wishes) -> None:
        try:
            self.later = wishes.later(self.timeout_s)
        except ValueError as error:
            raise Refusal(InvalidArgument(str(error)), reason="headers") from None

    def _find_door(self, doors: Doors) -> None:
        if self.path == b"*":
            fault = Unimplemented("only OPTIONS may be asked about everything")
            raise Refusal(fault, NO_CONTENT, reason="method", allow=b"GET, HEAD, POST, OPTIONS")
        door = doors.by_path.get(self.path) or self._search(doors)
        self.door = door
        self.timeout_s = min(self.timeout_s, door.target.timeout_s)
        if self.method != POST and (self.method != GET or not door.target.idempotent):
            raise self._wrong_method(door)
        self.plan = chosen = plan(self.content_type, self.accept, door.shape)
        wrong = chosen.problem
        if self.later is not None and self.feeds:
            wrong = (415, "a task's input is stored whole: send application/json or application/msgpack")
        if wrong is not None:
            status, detail = wrong
            raise Refusal(InvalidArgument(detail, function=door.target.name), status, reason="media_type")

    def _search(self, doors: Doors) -> Door:
        if len(self.path) > TARGET_BYTES_MAX:
            detail = f"the request target has {len(self.path)} bytes; at most {TARGET_BYTES_MAX} are read"
            raise Refusal(InvalidArgument(detail), 414, reason="target")
        self.path, _, self.query = self.path.partition(b"?")
        path = unquote_to_bytes(self.path)
        door = doors.by_path.get(path)
        if door is None:
            name = path.removeprefix(CALL_PREFIX).decode("utf-8", "replace")
            raise Refusal(doors.missing(name[:NAME_CHARS_MAX]), reason="not_found")
        return door

    def _wrong_method(self, door: Door) -> Refusal:
        target = door.target
        allow = b"GET, POST, OPTIONS" if target.idempotent else b"POST, OPTIONS"
        shown = self.method.decode("latin-1")
        why = "" if self.method != GET else " because it is not marked idempotent"
        fault = Unimplemented(f"{target.name} cannot be called with {shown}{why}; use POST", function=target.name)
        status = NO_CONTENT if self.method == OPTIONS else 405
        return Refusal(fault, status, reason="method", allow=allow)


PERSONAL = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"x-api-key"})
"""Headers that hold secrets: a head with one of them is not kept in memory for longer than its request."""

UNINTERESTING = frozenset(
    {
        b"host",
        b"user-agent",
        b"connection",
        b"accept-encoding",
        b"accept-language",
        b"origin",
        b"referer",
        b"pragma",
        b"x-forwarded-for",
        b"x-request-id",
    }
)
"""Headers that most clients send and nothing here reads."""


ANEW = frozenset({b"no-cache", b"no-store", b"max-age=0"})
"""Directives of a request that want an answer computed for it (RFC 9111 §5.2.1)."""


def wants_anew(cache_control: bytes) -> bool:
    """Whether a `Cache-Control` wants no answer that was kept."""
    return not ANEW.isdisjoint(directive.strip().lower() for directive in cache_control.split(b","))


def wants_websocket(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a request asks to go on as a WebSocket."""
    return any(name == b"upgrade" and value.strip().lower() == b"websocket" for name, value in headers)


def timeout_s(value: bytes) -> float:
    """Seconds in a `Dragoman-Timeout`. Raises `Refusal`."""
    try:
        seconds = duration(value.decode("ascii"))
    except ValueError as error:
        raise Refusal(InvalidArgument(f"Dragoman-Timeout: {error}"), reason="headers") from None
    if not 0 < seconds < math.inf:
        detail = 'Dragoman-Timeout: expected more than 0, such as "500ms"'
        raise Refusal(InvalidArgument(detail), reason="headers")
    return seconds


def differing(header: str) -> Refusal:
    """The refusal of a header that comes twice and says two things: nobody can tell which of them is meant."""
    return Refusal(InvalidArgument(f"there are two {header} headers that differ"), reason="headers")


def too_large(limit: int) -> Refusal:
    """The refusal of a body past the limit."""
    return Refusal(InvalidArgument(f"the body is larger than the {limit} bytes that are read here"), 413, reason="body")


def origin_form(target: bytes) -> bytes:
    """The path and query of a request target in absolute form (RFC 9112 §3.2.2); any other is returned as it is."""
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return target
    slash = rest.find(b"/")
    return rest[slash:] if slash >= 0 else b"/"
