"""An HTTP service as functions: a call becomes a request, and its response the reply or the fault."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from dragoman.client.failure import PROBLEM_BYTES_MAX, media_type
from dragoman.client.hop import Hop, HopError, Outgoing, read_all
from dragoman.core.call import Reply
from dragoman.core.deadline import NEVER
from dragoman.core.fault import DataLoss, FailedPrecondition, Started, StartFailed, Unavailable, Unimplemented
from dragoman.upstream.document import DOCUMENT_BYTES_MAX
from dragoman.upstream.failure import read_failure
from dragoman.upstream.intake import kind_of
from dragoman.upstream.openapi import origin_of, read
from dragoman.upstream.operation import Body, Operation, SpecError
from dragoman.upstream.pieces import pieces, too_large
from dragoman.upstream.reply import ItemStream, WholeStream, array_items, gathered, whole
from dragoman.upstream.request import outgoing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.client.hop import Answer
    from dragoman.contract.function import Contract
    from dragoman.core.call import Call
    from dragoman.upstream.setting import Setting

REDIRECTS_MAX = 3
"""A slash at the end, a new version of a path: more in a row is a circle."""
REDIRECTS_SAME = frozenset({307, 308})
"""Redirects that repeat the request as it was."""
REDIRECTS_GET = frozenset({301, 302, 303, 307, 308})
SHOWN_CHARS_MAX = 200
HEALTH_BYTES_MAX = 64 * 1024
ENCODED = frozenset({"", "identity"})


class HttpUpstream:
    """One service. Point it at an address before anything else."""

    def __init__(self, setting: Setting) -> None:
        self.in_flight = 0
        self._setting = setting
        self._base = setting.options.url.rstrip("/") if setting.options.document else setting.options.url
        self._document = setting.options.document
        self._operations: tuple[Operation, ...] = ()
        fixed = {name.lower(): value for name, value in setting.options.headers.items()}
        self._headers = {"user-agent": "dragoman", "accept-encoding": "identity", **fixed}
        self._fixed = fixed
        secure = not self._base.startswith("http://") or str(self._document).startswith("https://")
        self._hop = Hop(self._base or str(self._document), setting.concurrency, secure=secure)

    def point(self, port: int) -> None:
        """Take the port that `{port}` stands for from now on."""
        options = self._setting.options
        self._base = options.url.replace("{port}", str(port)).rstrip("/" if options.document else "")
        if isinstance(options.document, str):
            self._document = options.document.replace("{port}", str(port))

    async def learn(self) -> tuple[Contract, ...]:
        """Read what it offers. Raises `StartFailed`."""
        setting = self._setting
        if setting.options.alone:
            assert setting.contract is not None
            body = Body("application/json", "json", required=True)
            self._operations = (Operation(setting.contract, "POST", "", body=body),)
            return (setting.contract,)
        try:
            origin = self._document if isinstance(self._document, str) else ""
            content = await self._content()
            found = await asyncio.to_thread(
                read, content, own_servers=not self._base, origin=origin, headers=frozenset(self._fixed)
            )
        except SpecError as error:
            raise StartFailed(f"{setting.name}: {self._document}: {error}") from None
        for where, why in found.left_out:
            setting.note(f"{where} of {self._document} is left out: {why}")
        self._operations = found.operations
        return tuple(operation.contract for operation in found.operations)

    @property
    def place(self) -> str:
        """The address that calls go to: the service's own, or that of the first operation of its document."""
        first = self._operations[0].url if self._operations else ""
        address = self._base or first or str(self._document)
        return "{0.scheme}://{0.netloc}".format(urlsplit(address))

    async def reach(self) -> str:
        """Why it takes no connection; empty where it does."""
        return await reachable(self.place)

    async def healthy(self) -> str:
        """Why it cannot be called yet; empty where it can."""
        health = self._setting.options.health
        if not health.startswith("/"):
            return await reachable(self._base)
        parts = urlsplit(self._base)
        try:
            answer = await self._hop.send(
                Outgoing("GET", f"{parts.scheme}://{parts.netloc}{health}", self._headers), int
            )
            try:
                await read_all(answer, HEALTH_BYTES_MAX)
            finally:
                await answer.close()
        except HopError as error:
            return error.detail
        return "" if answer.status // 100 == 2 else f"{health} answers {answer.status}"  # noqa: PLR2004 - any success

    async def close(self) -> None:
        """Close its connections."""
        await self._hop.close()

    async def __call__(self, call: Call, /) -> Reply:
        """Run one call. Raises its `Fault`."""
        setting = self._setting
        if (fault := setting.refusal()) is not None:
            fault.function = call.target.name
            raise fault
        if call.input is not None:
            detail = f"{call.target.name} takes no input stream: send its whole input"
            raise Unimplemented(detail, started=Started.NO, function=call.target.name)
        operation = self._operations[call.target.index]
        request = outgoing(operation, call)
        url = self._base + request.url if operation.url.startswith("/") or not operation.url else request.url
        self.in_flight += 1
        held = False
        try:
            answer = await self._answer(replace(request, url=url, headers=self._sent(call, request.headers)), call)
            try:
                reply = await self._reply(answer, operation, call)
                held = isinstance(reply.items, ItemStream)
                return reply
            finally:
                if not held:
                    await answer.close()
        except HopError as error:
            kind = Unavailable(error.detail, started=error.started, function=call.target.name)
            raise kind from None
        finally:
            self.in_flight -= not held

    async def _content(self) -> bytes:
        """The OpenAPI document. Raises `StartFailed` and `SpecError`."""
        document, name = self._document, self._setting.name
        if not isinstance(document, str):
            try:
                with document.open("rb") as file:
                    return await asyncio.to_thread(file.read, DOCUMENT_BYTES_MAX + 1)
            except OSError as error:
                raise StartFailed(f"{name}: {document} cannot be read: {error.strerror}") from None
        try:
            answer = await self._hop.send(
                Outgoing("GET", document, {**self._headers, "accept": "application/json"}), int
            )
            try:
                content = await read_all(answer, DOCUMENT_BYTES_MAX)
            finally:
                await answer.close()
        except HopError as error:
            raise StartFailed(f"{name}: {error.detail}") from None
        if answer.status != 200:  # noqa: PLR2004 - the one status of a document
            raise StartFailed(f"{name}: {document} answers {answer.status}, and no document")
        if content is None:
            raise SpecError(f"it is larger than {DOCUMENT_BYTES_MAX // 1024**2}MB")
        return content

    def _sent(self, call: Call, headers: Mapping[str, str]) -> dict[str, str]:
        """All headers of a request: its own, what tells of the call, and on top what the project says."""
        setting = self._setting
        sent = {**headers, "dragoman-call-id": setting.call_id(call), **trace_headers(call)}
        if call.deadline != NEVER:
            left_s = call.deadline - setting.clock.monotonic()
            sent["dragoman-timeout"] = f"{max(math.ceil(left_s * 1000), 1)}ms"
        return sent | self._headers

    async def _answer(self, request: Outgoing, call: Call) -> Answer:
        """Send, and follow redirects that stay on the host. Raises `HopError` and `FailedPrecondition`."""

        def sending() -> None:
            call.dispatched_at = self._setting.clock.monotonic()

        for _ in range(REDIRECTS_MAX + 1):
            answer = await self._hop.send(request, sending)
            followed = REDIRECTS_GET if request.method in ("GET", "HEAD") else REDIRECTS_SAME
            place = answer.headers.get("location", "")
            if answer.status not in REDIRECTS_GET or not place:
                return answer
            await answer.close()
            there = joined(request.url, place)
            if answer.status not in followed or origin_of(there) != origin_of(request.url):
                shown = there[:SHOWN_CHARS_MAX]
                detail = f"the service answers {answer.status} and points to {shown!a}, where calls are not sent"
                raise FailedPrecondition(detail, started=Started.NO, function=call.target.name)
            request = replace(request, url=there)
        detail = f"the service redirects more than {REDIRECTS_MAX} times in a row"
        raise FailedPrecondition(detail, started=Started.NO, function=call.target.name)

    async def _reply(self, answer: Answer, operation: Operation, call: Call) -> Reply:
        """The reply of a response. Raises a `Fault` and `HopError`."""
        name = call.target.name
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - the successes
            body = await read_all(answer, PROBLEM_BYTES_MAX)
            raise read_failure(answer.status, answer.headers, body or b"", name)
        if answer.headers.get("content-encoding", "").strip().lower() not in ENCODED:
            raise DataLoss("the service compressed its reply, unasked", started=Started.YES, function=name)
        media = media_type(answer.headers)
        kind = kind_of(media)
        bytes_max = self._setting.output_bytes_max
        if kind in ("lines", "events") and not call.target.raw_output:
            cut = pieces(kind, name, bytes_max)
            stream = ItemStream(answer, cut, call, self._setting.clock, self._ended)
            if call.target.streaming:
                return Reply(b"", items=stream)
            self.in_flight += 1
            return await gathered(stream, bytes_max, name)
        body = await read_all(answer, bytes_max)
        if body is None:
            raise too_large(name, bytes_max)
        _check_kind(kind, media, operation, call, body)
        kind = kind or ("bytes" if media else "")
        reply = whole(kind, body, answer.headers.get("content-type", ""), call)
        if not call.target.streaming:
            return reply
        return Reply(b"", items=WholeStream(array_items(bytes(reply.body)) if body else []))

    def _ended(self) -> None:
        self.in_flight -= 1


def _check_kind(kind: str, media: str, operation: Operation, call: Call, body: bytes) -> None:
    """Raise `DataLoss` where the description promises JSON and something else comes: a login page, a proxy's."""
    promised = operation.promises
    if body and promised and media and kind not in promised and not call.target.raw_output:
        detail = f"the service answered {media[:80]}, and its description says {' or '.join(promised)}"
        raise DataLoss(detail, started=Started.UNKNOWN, function=call.target.name)


def joined(url: str, place: str) -> str:
    """Where a redirect points to."""
    try:
        return urljoin(url, place)
    except ValueError:
        return place


def trace_headers(call: Call) -> dict[str, str]:
    """W3C Trace Context of a call, for the next hop."""
    trace = call.trace
    if trace is None:
        return {}
    parent = f"00-{trace.trace_id.hex()}-{trace.span_id.hex()}-{trace.flags:02x}"
    return {"traceparent": parent} | ({"tracestate": trace.state} if trace.state else {})


async def reachable(url: str) -> str:
    """Why nothing takes connections at an address; empty where something does."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme in ("https", "grpcs") else 80)
    try:
        _, writer = await asyncio.open_connection(parts.hostname, port)
    except OSError as error:
        return f"{parts.hostname}:{port} takes no connection: {error.strerror or error}"
    writer.close()
    return ""
