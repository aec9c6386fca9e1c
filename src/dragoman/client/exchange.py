"""One call over HTTP without its I/O: the request to send, and what the bytes that come back mean.

Both faces, blocking and async, drive this: they only send and read. A call's answer is the whole body, in MessagePack
where the values allow (bytes travel as they are), a stream's is server-sent events, the one form in which a fault in
the middle has a place of its own.
"""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import quote

from dragoman.client.events import Event, EventReader, TooLarge
from dragoman.client.failure import PROBLEM_BYTES_MAX, media_type, read_failure, read_fault
from dragoman.client.lines import TYPE as LINES_TYPE
from dragoman.client.lines import query_of
from dragoman.client.marks import NONE
from dragoman.client.outflow import take_stream
from dragoman.client.value import draft, encode_input, packed, tables
from dragoman.contract import codec
from dragoman.contract.table import MEDIA_TYPE, has_pyarrow, is_table_schema, is_table_value, tables_of
from dragoman.core.call import Codec
from dragoman.core.deadline import NEVER, at
from dragoman.core.draft import whole
from dragoman.core.fault import DataLoss, DeadlineExceeded, Fault, OutOfRange, Started, Unavailable
from dragoman.core.units import format_duration

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterator, Mapping

    from dragoman.client.listing import Listed
    from dragoman.client.marks import Marks
    from dragoman.contract.function import Contract

CONNECT_S_MAX = 10.0
"""How long the other side may take to accept a connection."""

GRACE_S = 0.25
"""The host answers at the deadline, and knows more than a clock on this side: so much longer it may be heard."""

SLACK_S = 5.0
"""The same where the deadline is the function's own, and nobody waits for the exact moment."""

ANSWER_S_UNKNOWN = 300.0
"""How long to wait for a function of which the host does not tell how long it may take."""

TIMEOUT_S_MAX = 30 * 24 * 3600.0
"""The longest timeout that a function may have."""

TYPES = {Codec.JSON: "application/json", Codec.MSGPACK: "application/msgpack", Codec.BYTES: "application/octet-stream"}
TYPES[Codec.ARROW] = MEDIA_TYPE
CODECS = {media: body_codec for body_codec, media in TYPES.items()}
EVENTS = "text/event-stream"
HTTP_OK = 200
HTTP_ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class Request:
    """What to send: path behind the host's address, headers, body, or the items that are to be its lines.

    Where it `upgrades` the items are messages of a WebSocket, and so are those of the reply.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    items: Iterator[Any] | AsyncIterable[Any] | None = None
    upgrades: bool = False


def call_request(
    function: str, value: Any, listed: Listed | None, timeout_s: float | None, *, streamed: bool
) -> Request:
    """The request for a call. Raises `InvalidArgument` for an input that cannot be sent."""
    contract = None if listed is None else listed.contract
    rest, items = take_stream(value, "" if contract is None else contract.input_stream)
    if items is not None:
        return _feeding(function, cast("dict[str, Any]", rest), items, listed, timeout_s)
    body, body_codec = _body(value, contract)
    if streamed or (contract is not None and contract.streaming):
        accept = EVENTS
    elif contract is None:
        # The one form that tells a single value from a list of items where nothing is known of the function.
        accept = TYPES[Codec.JSON]
    elif is_table_schema(contract.output) and (has_pyarrow() or tables().kind_given(value) is not None):
        accept = TYPES[Codec.ARROW]
    elif contract.raw_output and not is_table_schema(contract.output):
        accept = TYPES[Codec.BYTES]
    else:
        accept = TYPES[Codec.JSON if body_codec is Codec.JSON else Codec.MSGPACK]
    headers = {"content-type": TYPES[body_codec], "accept": accept}
    if timeout_s is not None:
        headers["dragoman-timeout"] = f"{math.ceil(min(timeout_s, TIMEOUT_S_MAX) * 1000)}ms"
    return Request("POST", f"/v1/call/{quote(function, safe='')}", headers, body)


def _feeding(
    function: str,
    rest: dict[str, Any],
    items: Iterator[Any] | AsyncIterable[Any],
    listed: Listed | None,
    timeout_s: float | None,
) -> Request:
    """The request for a call whose input follows as lines."""
    both = listed is not None and listed.contract.streaming
    request = call_request(function, {}, listed, timeout_s, streamed=False)
    headers = {**request.headers, "content-type": LINES_TYPE}
    query = query_of(rest)
    path = f"{request.path}?{query}" if query else request.path
    request = replace(request, path=path, headers=headers, body=b"", items=items)
    if not both:
        return request
    kept = {name: value for name, value in headers.items() if name not in ("content-type", "accept")}
    return replace(request, method="GET", headers=kept, upgrades=True)


def _body(value: Any, contract: Contract | None) -> tuple[bytes, Codec]:
    """Bytes as the whole input, or as the one parameter of a function that takes raw bytes, travel as they are."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(cast("bytes", value)), Codec.BYTES
    if contract is None:
        return encode_input(value)
    if contract.raw_input:
        name, alone = "", value
        if isinstance(value, dict) and len(value) == 1:  # pyright: ignore[reportUnknownArgumentType] - any dict
            ((name, alone),) = cast("dict[str, Any]", value).items()
        if type(alone) is bytes and name in contract.input.get("properties", {}):
            return alone, Codec.BYTES
        if is_table_value(alone) and (not name or name in contract.input.get("properties", {})):
            return bytes(whole(draft(alone))), Codec.ARROW
    return encode_input(packed(value, tables_of(contract.input)))


def marked(request: Request, marks: Marks) -> Request:
    """The same request, with what its caller says of the call."""
    return request if marks is NONE else replace(request, headers={**request.headers, **marks.headers()})


def function_request(function: str) -> Request:
    """The request for one function's contract."""
    return Request("GET", f"/v1/functions/{quote(function, safe='')}", {"accept": "application/json"})


FUNCTIONS_REQUEST = Request("GET", "/v1/functions", {"accept": "application/json"})


def checked_timeout(timeout_s: float | None) -> float | None:
    """A caller's timeout; None for none. Raises `ValueError` where it is no number of seconds."""
    if timeout_s is None or timeout_s == NEVER:
        return None
    if math.isnan(timeout_s):
        message = "a timeout is a number of seconds, and this is none (NaN)"
        raise ValueError(message)
    return timeout_s


class Patience:
    """How long one exchange may take, by the caller's timeout or else the function's own."""

    def __init__(self, function: str, timeout_s: float | None, now: float) -> None:
        """`now` is the monotonic clock's. Raises `DeadlineExceeded` where no time is left to begin with."""
        self.function = function
        self.timeout_s = timeout_s
        self.deadline = at(now, timeout_s)
        self._until = self.deadline + GRACE_S if timeout_s is not None else now + ANSWER_S_UNKNOWN
        if timeout_s is not None and timeout_s <= 0:
            raise self.exceeded(Started.NO)

    def learn(self, listed: Listed | None, now: float) -> None:
        """Take the function's own timeout where the caller has set none."""
        if self.timeout_s is None and listed is not None:
            self._until = NEVER if listed.timeout_s is None else now + listed.timeout_s + SLACK_S

    def trust_host(self) -> None:
        """Without a time of the caller's, wait for as long as the connection stands: the host keeps the function's."""
        if self.timeout_s is None:
            self._until = NEVER

    def left_s(self, now: float) -> float | None:
        """Seconds to wait for what comes next, None for ever. Raises `DeadlineExceeded` when they are over."""
        if self._until == NEVER:
            return None
        if now >= self._until:
            raise self.exceeded(Started.UNKNOWN)
        return self._until - now

    def remaining_s(self, now: float) -> float | None:
        """What is left of the caller's timeout, to tell the host. Raises `DeadlineExceeded` when nothing is."""
        if self.timeout_s is None:
            return None
        if now >= self.deadline:
            raise self.exceeded(Started.NO)
        return self.deadline - now

    def exceeded(self, started: Started) -> DeadlineExceeded:
        """The fault of a call that was not answered in time."""
        span = "the time it may take" if self.timeout_s is None else format_duration(max(self.timeout_s, 0))
        return DeadlineExceeded(
            f"{self.function or 'the host'} did not answer within {span}", started=started, function=self.function
        )


class Beginning(Protocol):
    """What takes the head of a response."""

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """The head has come. Raises the fault of an answer that cannot be read."""
        ...


class Incoming:
    """The response to one request, fed as it comes in."""

    def __init__(self, function: str, listed: Listed | None, reply_bytes_max: int, given: Any = None) -> None:
        """`given` is the input: a table comes back as one of the same kind."""
        self.values: list[Any] = []
        self.streamed = False
        self._function = function
        contract = None if listed is None else listed.contract
        gives_bytes = contract is not None and contract.raw_output and not is_table_schema(contract.output)
        self._raw_items = contract is not None and contract.streaming and gives_bytes
        self._given = given
        self.bytes_max = self._bytes_max = reply_bytes_max
        self._bytes = 0
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._body = bytearray()
        self._events: EventReader | None = None
        self._ended = False

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """The head has come. Raises the fault of an answer that cannot be read."""
        self._status, self._headers = status, headers
        if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise self._told(read_failure(status, headers, b"a compressed body, which was not asked for"))
        if status == HTTP_OK and media_type(headers) == EVENTS:
            self.streamed = True
            self._events = EventReader(self._bytes_max)

    def feed(self, chunk: bytes) -> list[Any]:
        """More of the body: the items of a stream that are whole now. Raises a fault that comes in its middle."""
        if self._events is None:
            self._bytes += len(chunk)
            if self._failed:
                self._body += chunk[: max(PROBLEM_BYTES_MAX - len(self._body), 0)]
            elif self._bytes > self._bytes_max:
                raise self._too_large()
            else:
                self._body += chunk
            return []
        try:
            events = self._events.feed(chunk)
        except TooLarge:
            raise self._too_large() from None
        return [value for event in events for value in self._item(event)]

    def item(self, body: bytes, codec: Codec = Codec.JSON) -> Any:
        """One item of a stream that came as a message of its own."""
        value = self._decode(body, codec)
        return self._raw(value) if self._raw_items and codec is Codec.JSON else value

    def gather(self, chunk: bytes) -> None:
        """More of the body, its items kept in `values`. Raises like `feed`, and `OutOfRange` past the bound."""
        if self._events is not None:
            self._bytes += len(chunk)
            if self._bytes > self._bytes_max:
                raise self._too_large()
        self.values += self.feed(chunk)

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self._status

    def body(self) -> bytes:
        """The whole body of an answer that is no call's. Raises the fault that it is."""
        if self._status not in (HTTP_OK, HTTP_ACCEPTED):
            raise self._told(read_failure(self._status, self._headers, bytes(self._body)))
        return bytes(self._body)

    def finish(self) -> None:
        """The body has ended. Raises `Unavailable` for a stream that was cut, and the fault that a failed call is."""
        if self._events is not None and not self._ended:
            raise self.cut("it ended without its end mark")
        if self._failed:
            raise self._told(read_failure(self._status, self._headers, bytes(self._body)))

    def value(self) -> Any:
        """The result, of a body that has ended: one value, or the list of a stream's. Raises the call's fault."""
        self.finish()
        if self._events is not None:
            return self.values
        kind = CODECS[media_type(self._headers)]
        if kind is Codec.ARROW:
            return self._table()
        body = bytes(self._body)
        return body if kind is Codec.BYTES else self._decode(body, kind)

    def _table(self) -> Any:
        try:
            return tables().read_reply(memoryview(self._body), self._given)
        except ValueError as error:
            raise self._told(DataLoss(f"the reply cannot be read: {error}", started=Started.YES)) from None

    def cut(self, why: str) -> Unavailable:
        """The fault of a reply that broke off."""
        return self._told(
            Unavailable(f"the reply of {self._function or 'the host'} broke off: {why}", started=Started.UNKNOWN)
        )

    @property
    def _failed(self) -> bool:
        return self._status != HTTP_OK or (self._events is None and media_type(self._headers) not in CODECS)

    def _item(self, event: Event) -> list[Any]:
        if event.name == "fault":
            raise self._told(read_fault(event.data))
        if event.name == "end":
            self._ended = True
        if event.name != "message" or self._ended:
            return []
        value = self._decode(event.data, Codec.JSON)
        return [self._raw(value) if self._raw_items else value]

    def _raw(self, value: Any) -> Any:
        """Bytes, which JSON carries as base64."""
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise self._told(DataLoss("an item is not base64, as raw bytes are in a stream")) from None

    def _decode(self, body: bytes, kind: Codec) -> Any:
        try:
            return codec.decode(body, kind)
        except ValueError as error:
            raise self._told(DataLoss(f"the reply cannot be read: {error}", started=Started.YES)) from None

    def _too_large(self) -> Fault:
        limit = f"{self._bytes_max} bytes"
        hint = "iterate over it with stream, or connect with a larger reply_bytes_max"
        return self._told(OutOfRange(f"the reply is larger than {limit}; {hint}", started=Started.YES))

    def _told(self, fault: Any) -> Any:
        fault.function = fault.function or self._function
        fault.call_id = fault.call_id or self._headers.get("dragoman-call-id", "")[:256]
        return fault
