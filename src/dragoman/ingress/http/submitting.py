"""A call that is stored as a task, and its answer: the task's document, or its result where it came in time (RFC 7240).

`202` means stored. A client that leaves is not waited for any more; what it has submitted stays.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from dragoman.core.fault import Fault, Overloaded
from dragoman.ingress.http import answer
from dragoman.ingress.http.board import written
from dragoman.ingress.http.head import HEAD
from dragoman.ingress.http.results import CONTENT_TYPES, Unacceptable, laid_out
from dragoman.ingress.http.tasks import TASKS_PREFIX, is_over

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.call import Call, Reply
    from dragoman.ingress.http.board import Board
    from dragoman.ingress.http.head import Head
    from dragoman.ingress.http.lane import CallLane
    from dragoman.ingress.http.later import Later
    from dragoman.ingress.http.tasks import Document

ACCEPTED = (
    b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\nlocation: %b%b\r\n"
    b"retry-after: %d\r\ndragoman-call-id: %b%08x\r\n\r\n%b"
)
PREFIX = TASKS_PREFIX.encode()


class SubmittedCall:
    """One such call, until its answer can be written."""

    def __init__(self, lane: CallLane, board: Board, head: Head, later: Later, call: Call) -> None:
        self._lane = lane
        self._board = board
        self._head = head
        self._later = later
        self._call = call
        self._stored = self._left = False
        self._closes: Callable[[], bool] = bool
        self._task: asyncio.Task[None] | None = None

    def start(self, done: Callable[[bytes], object], closes: Callable[[], bool]) -> None:
        """Store it, then give the whole response; `closes` says then whether it is the last one of its connection."""
        self._closes = closes
        self._task = asyncio.get_running_loop().create_task(self._run(done))

    def leave(self) -> None:
        """The client is gone. What is on its way into the store is not called back: it may be there already."""
        self._left = True
        if self._stored and self._task is not None:
            self._task.cancel()

    async def _run(self, done: Callable[[bytes], object]) -> None:
        response = b""
        try:
            response = await self._answer()
        except Fault as fault:
            response = self._failed(fault)
        except asyncio.CancelledError:
            pass  # the client has gone
        except Exception as error:  # noqa: BLE001 - whatever goes wrong inside, the caller gets an answer
            response = self._failed(Fault.internal(f"the host failed to store the task: {error!r}"))
        done(response)

    async def _answer(self) -> bytes:
        later = self._later
        task, _ = await self._board.tasks.submit(self._call, later.terms)
        self._stored = True
        if later.wait_s and not self._left:
            # Whatever cannot be told of it now: it is stored, and then that is the answer.
            with contextlib.suppress(Fault):
                task = await self._waited(task)
                if is_over(task):
                    return await self._ended(task)
        return self._accepted(task)

    async def _waited(self, task: Document) -> Document:
        """The task when it is over, or time is up."""
        if is_over(task):
            return task
        left_s = self._later.wait_s - (self._lane.now() - self._call.arrived_at)
        await self._board.until_over(task["id"], left_s)
        return (await self._board.look(task["id"])).task

    async def _ended(self, task: Document) -> bytes:
        """The answer as if the call had been run at once. Raises the `Fault` for which that cannot be told."""
        lines = b"content-location: %b%b/result\r\npreference-applied: wait=%d\r\n" % (
            PREFIX,
            task["id"].encode(),
            self._later.wait_s,
        )
        try:
            reply = await self._board.tasks.result(task["id"])
        except Fault as fault:
            if fault.retry_after_s is not None:
                raise  # the store's trouble, and not the task's end
            return self._failed(fault, lines)
        return self._accepted(task) if reply is None else self._replied(reply, lines)

    def _accepted(self, task: Document) -> bytes:
        lane, body = self._lane, written(task)
        applied = b"preference-applied: %b\r\n" % self._later.applied if self._later.applied else b""
        return ACCEPTED % (
            lane.wall.date(lane.now()) + applied + self._end(),
            len(body),
            PREFIX,
            task["id"].encode(),
            self._board.pace_s(task),
            lane.prefix,
            self._call.id,
            body,
        )

    def _replied(self, reply: Reply, lines: bytes) -> bytes:
        lane, call = self._lane, self._call
        try:
            content_type, body = laid_out(reply, self._head.accept)
        except Unacceptable:
            content_type, body = CONTENT_TYPES[reply.codec], bytes(reply.body)
        now = lane.now()
        total_ms = (now - call.arrived_at) * 1e3
        lines += lane.wall.date(now) + self._end()
        return answer.OK % (content_type, lines, len(body), lane.prefix, call.id, 0.0, 0.0, total_ms) + body

    def _failed(self, fault: Fault, lines: bytes = b"") -> bytes:
        lane, head, call = self._lane, self._head, self._call
        lines += self._end()
        if type(fault) is Overloaded and head.method != HEAD:
            return lane.overloaded(fault, head, call, lane.now(), lines)
        lane.failed(call, fault)
        return lane.problem(fault, head, call, lines)

    def _end(self) -> bytes:
        return answer.CLOSE if self._closes() else b""
