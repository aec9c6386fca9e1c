"""Server-sent events of a task: written as they come, no faster than the client reads, to the end of the task.

What a client had it says in `Last-Event-ID`, and is given what came behind it. A comment now and then shows both ends
that the other one is still there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from dragoman.core.fault import Fault
from dragoman.ingress.http.documents import to_json
from dragoman.ingress.http.feed import Event
from dragoman.ingress.http.leaving import told_when_gone
from dragoman.ingress.http.tasks import is_over

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import Message, Receive, Scope, Send

    from dragoman.ingress.http.board import Board

HEARTBEAT_S = 15.0
"""How long nothing may be written: proxies cut what is silent for half a minute or more."""
HEARTBEAT = b":\n\n"
MEDIA_TYPE = "text/event-stream"
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no", "x-content-type-options": "nosniff"}


def written(events: Sequence[Event]) -> bytes:
    """Events as a stream has them; JSON is one line."""
    return b"".join(
        b"id: %d\nevent: %b\ndata: %b\n\n" % (seq, kind.encode(), to_json(data)) for seq, kind, data in events
    )


class EventStream(Response):
    """The events of one task, for one client, from behind what it had `after`.

    `refused` makes the answer where there is no such task.
    """

    def __init__(
        self,
        board: Board,
        id: str,  # noqa: A002 - the public word
        after: int,
        refused: Callable[[Fault], Response],
    ) -> None:
        super().__init__(headers=HEADERS, media_type=MEDIA_TYPE)
        del self.headers["content-length"]
        self._board = board
        self._id = id
        self._after = after
        self._refused = refused
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write them until the task is over, or the client has gone."""
        try:
            if scope["http_version"] == "1.0":
                answer = Response(written(await self._now()), headers=HEADERS, media_type=MEDIA_TYPE)
                await answer(scope, receive, send)
                return
            if scope["method"] == "HEAD":
                await self._board.look(self._id)
                await self._begin(send)
            else:
                await self._follow(receive, send)
        except Fault as fault:
            if not self._begun:
                await self._refused(fault)(scope, receive, send)
                return
            document = bytes(self._refused(fault).body)
            await send(_part(b"event: fault\ndata: " + document + b"\n\n"))
        await send(_part(b"", more=False))

    async def _now(self) -> list[Event]:
        """What there is: without chunks a client can be told no more before the end, and comes back for the rest."""
        shown = (await self._board.look(self._id)).task
        lines = await self._board.tasks.logs(self._id, after=self._after)
        told = [Event(line["seq"], "log", line) for line in lines]
        task = {name: value for name, value in shown.items() if name != "history"}
        if is_over(task):
            return [*told, Event(max(self._after, task["seq"]), "state", task)]
        return [Event(self._after, "state", task), *told]

    async def _follow(self, receive: Receive, send: Send) -> None:
        with self._board.watch(self._id, self._after) as watcher, told_when_gone(receive, watcher.stop):
            while (events := await watcher.next(HEARTBEAT_S)) is not None:
                if not self._begun and events:
                    await self._begin(send)
                if self._begun:
                    await send(_part(written(events) if events else HEARTBEAT))
        if not self._begun:
            await self._begin(send)

    async def _begin(self, send: Send) -> None:
        self._begun = True
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})


def _part(data: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}
