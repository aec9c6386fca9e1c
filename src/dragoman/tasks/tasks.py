"""The public face of durable tasks: calls are taken, and documents and replies given.

Whatever asks for it, over HTTP or from a program, needs to know no value of this room. Everything raises `Fault`s
alone. The store is opened when it is first needed.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dragoman.core.call import Priority, Reply
from dragoman.core.draft import whole
from dragoman.core.fault import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Overloaded,
    Started,
    Unavailable,
)
from dragoman.tasks import document
from dragoman.tasks.identity import is_id
from dragoman.tasks.state import State
from dragoman.tasks.store import StoreFailed
from dragoman.tasks.task import BODY_BYTES_MAX, NOTES_MAX, US, Query, Submission, Task
from dragoman.tasks.watching import LOOK_AGAIN_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from dragoman.core.call import Call, Codec
    from dragoman.core.clock import Clock
    from dragoman.core.terms import Terms
    from dragoman.tasks.options import TaskOptions
    from dragoman.tasks.store import Store
    from dragoman.tasks.task import Submitted
    from dragoman.tasks.watching import Watching

CHILDREN_MAX = 10_000
"""Tasks that one task has submitted, of which its cancelling takes care."""
PRINT_BYTES = 16
KEY_CHARS_MAX = 256
"""As long as an `Idempotency-Key` may be."""
BUSY_RETRY_S = 1.0
LIMIT_MAX = 1000
"""Tasks of one page."""
Answer = TypeVar("Answer")
WAITING = frozenset({State.SCHEDULED, State.PENDING, State.RETRYING})


class Functions(Protocol):
    """The functions that can be submitted."""

    async def admit(self, call: Call) -> TaskOptions:
        """Aim a call at its function as it is now, and check its input, which is bytes after that.

        Raises the `Fault` of a function that is not there, or may not be submitted, and `InvalidArgument`.
        """
        ...

    def options(self, function: str) -> TaskOptions:
        """What is settled of the tasks of a function. Raises the `Fault` of one that is not there."""
        ...


class Vault(Protocol):
    """Where the store is. It is opened, and tasks are run, from when it is first needed."""

    @property
    def backlog(self) -> int:
        """How many tasks may wait."""
        ...

    def due(self, at_us: int) -> None:
        """A task has something due at a moment, in microseconds since the epoch."""
        ...

    @property
    def present(self) -> bool:
        """Whether there may be tasks already."""
        ...

    async def open(self) -> Store:
        """The store. Raises `StoreFailed`."""
        ...


class Tasks:
    """The tasks of one host's store."""

    def __init__(
        self,
        vault: Vault,
        functions: Functions,
        watching: Watching,
        clock: Clock,
        next_id: Callable[[], str],
        callback: Callable[[bytes], Awaitable[bytes]],
    ) -> None:
        """`next_id` makes ids of tasks. `callback` is how one is kept, and raises where there can be none."""
        self._vault = vault
        self._functions = functions
        self._watching = watching
        self._clock = clock
        self._next_id = next_id
        self._callback = callback
        self._backlog = Backlog()

    # In

    async def submit(
        self, call: Call, terms: Terms, *, parent: str = "", schedule: str = ""
    ) -> tuple[dict[str, Any], bool]:
        """Store a call as a task; its document, and whether it is a new one (else the call's key was known).

        Once this has returned the task survives the death of anything. `parent` is the task that submits it.

        Raises:
            Fault: `NOT_FOUND` for an unknown function, `INVALID_ARGUMENT` for an input that breaks its contract,
                `RESOURCE_EXHAUSTED` where too many wait, `UNAVAILABLE` where the store cannot take it. Nothing is
                stored then, unless `started` is `unknown`.
        """
        (told,) = await self.submit_all([call], terms, parent=parent, schedule=schedule)
        return told

    async def submit_all(
        self, calls: Sequence[Call], terms: Terms, *, parent: str = "", schedule: str = ""
    ) -> list[tuple[dict[str, Any], bool]]:
        """The same of several calls, stored in one step: all of them, or none where any is wrong. Raises alike."""
        drawn = [await self.draw(call, terms, parent=parent, schedule=schedule) for call in calls]
        if not drawn:
            return []
        store = await self._store()
        await self._backlog.admit(store, self._vault.backlog, drawn[0].function, len(drawn))
        try:
            told = await said(store.submit(drawn))
        finally:
            self._backlog.came(len(drawn))
        if any(each.refused for each in told):
            # What came with it is not to run either.
            await asyncio.gather(*(said(store.cancel(each.id, self._now())) for each in told if each.created))
            name = drawn[0].function
            detail = f"this idempotency key was used for a task of {name} before, with another input: "
            raise FailedPrecondition(f"{detail}send a new key for a new task", started=Started.NO, function=name)
        self._vault.due(min(each.deadline for each in drawn))
        return [await self._stored(each, submission) for each, submission in zip(told, drawn, strict=True)]

    async def _stored(self, told: Submitted, submission: Submission) -> tuple[dict[str, Any], bool]:
        if not told.created:
            return await self.show(told.id, history=False), False
        return document.shown(begun(submission, told.state)), True

    async def draw(self, call: Call, terms: Terms, *, parent: str = "", schedule: str = "") -> Submission:
        """What a call would be stored as: its function known, its input checked, its times worked out.

        Raises `Fault` as `submit` does.
        """
        options = await self._functions.admit(call)
        now = self._now()
        target = call.target
        if len(call.idempotency_key) > KEY_CHARS_MAX:
            raise _wrong(call, f"an idempotency key has at most {KEY_CHARS_MAX} characters")
        body = bytes(whole(call.body))
        if len(body) > BODY_BYTES_MAX:
            raise _wrong(call, f"the input has {len(body)} bytes, and a task's may have {BODY_BYTES_MAX}")
        not_before = now + _us(terms.delay_s)
        deadline = not_before + _us(options.deadline_s)
        if terms.deadline_s > 0:
            deadline = min(deadline, now + _us(terms.deadline_s))
        if deadline <= not_before:
            raise _wrong(
                call, f"a task that may first run in {terms.delay_s:g}s cannot end within {terms.deadline_s:g}s"
            )
        callback = await self._callback(terms.callback) if terms.callback else b""
        own_s = options.timeout_s or target.timeout_s
        return Submission(
            id=self._next_id(),
            function=target.name,
            version=target.version,
            body=body,
            codec=call.codec,
            reply_codec=call.reply_codec,
            caller=call.caller,
            priority=Priority(call.priority),
            key=call.idempotency_key,
            fingerprint=fingerprint(body, call.codec) if call.idempotency_key else b"",
            submitted_at=now,
            not_before=not_before if terms.delay_s > 0 else now,
            deadline=deadline,
            attempt_s=min(own_s, terms.attempt_s) if terms.attempt_s > 0 else own_s,
            attempts_max=min(options.attempts, terms.attempts_max) if terms.attempts_max > 0 else options.attempts,
            trace=document.traceparent(call.trace),
            parent=parent,
            schedule=schedule,
            callback=callback,
        )

    async def make_room(self, function: str) -> None:
        """Count in a task that somebody stores himself. Raises `RESOURCE_EXHAUSTED` where no more may wait."""
        await self._backlog.admit(await self._store(), self._vault.backlog, function)
        self._backlog.came(1)

    # Looking

    async def show(self, id: str, *, history: bool = True) -> dict[str, Any]:  # noqa: A002 - the public word
        """A task, with its attempts so far. Raises `NOT_FOUND`."""
        store, task = await self._find(id)
        return await self._shown(store, task) if history else document.shown(task)

    async def wait(self, id: str, seconds: float) -> dict[str, Any]:  # noqa: A002 - the public word
        """A task, when it is over or so many seconds have passed. Raises `NOT_FOUND`."""
        until = self._clock.monotonic() + seconds
        while True:
            with self._watching.next(id) as watch:
                store, task = await self._find(id)
                left_s = until - self._clock.monotonic()
                if task.state.over or left_s <= 0:
                    return await self._shown(store, task)
                await watch.changed(min(left_s, LOOK_AGAIN_S))

    async def awaited(self, ids: Sequence[str]) -> set[str]:
        """The tasks that these wait for, and those that those wait for, and so on."""
        return await said((await self._store()).awaited(ids))

    async def result(self, id: str) -> Reply | None:  # noqa: A002 - the public word
        """What a task gave; None while it is not over. Raises the fault that it ended with, and `NOT_FOUND`."""
        _, task = await self._find(id, whole=True)
        if not task.state.over:
            return None
        if task.state is State.SUCCEEDED:
            return Reply(task.result, task.result_codec)
        raise document.fault_of(task)

    async def find(self, query: Query) -> dict[str, Any]:
        """The tasks with all that is asked for, the newest first, and the id to go on `before`, if there are more."""
        query = replace(query, limit=max(1, min(query.limit, LIMIT_MAX)))
        store = await self._present()
        found = [] if store is None else await said(store.find(replace(query, limit=query.limit + 1)))
        page = found[: query.limit]
        return {
            "tasks": [document.shown(each) for each in page],
            "next": page[-1].id if len(found) > query.limit else None,
        }

    async def logs(self, id: str, after: int = 0) -> list[dict[str, Any]]:  # noqa: A002 - the public word
        """What a task has logged since its change `after`, at most what is kept. Raises `NOT_FOUND`."""
        store, _ = await self._find(id)
        return [document.note(each) for each in await said(store.notes(id, after, NOTES_MAX))]

    async def events(self, id: str, after: int = 0) -> AsyncIterator[tuple[int, str, dict[str, Any]]]:  # noqa: A002 - the public word
        """What becomes of a task: `(seq, kind, document)`, first how it is now, then what it logged since `after`.

        Kinds are `state` (the task), `progress` (`progress`, `message`) and `log`. Ends when the task is over. Raises
        `NOT_FOUND`.
        """
        last: Task | None = None
        while True:
            with self._watching.next(id) as watch:
                store, task = await self._find(id)
                if last is None or _moved(last, task):
                    yield task.seq, "state", document.shown(task)
                elif (last.progress, last.message) != (task.progress, task.message):
                    yield task.seq, "progress", {"progress": task.progress, "message": task.message}
                for each in await said(store.notes(id, after, NOTES_MAX)):
                    after = max(after, each.seq)
                    yield each.seq, "log", document.note(each)
                if task.state.over:
                    return
                last = task
                await watch.changed(LOOK_AGAIN_S)

    async def census(self) -> dict[str, Any]:
        """How many tasks there are, of each function and in each state, and since when the oldest waits."""
        store = await self._present()
        return {} if store is None else document.counted(await said(store.census()))

    # Steering

    async def cancel(self, id: str) -> dict[str, Any]:  # noqa: A002 - the public word
        """Have a task never run, or be stopped, and with it those that it has submitted and that are not over.

        One that is over stays as it is. Raises `NOT_FOUND`.
        """
        store, task = await self._find(id)
        if not task.state.over:
            await said(store.cancel(id, self._now()))
        await self._cancel_below(store, id)
        return await self.show(id)

    async def _cancel_below(self, store: Store, id: str) -> None:  # noqa: A002 - as above
        above = [id]
        seen = 0
        live = frozenset(State) - {each for each in State if each.over}
        while above and seen < CHILDREN_MAX:
            parent, before = above.pop(), ""
            while found := await said(store.find(Query(live, parent=parent, before=before, limit=LIMIT_MAX))):
                # Side by side they are one commit: one by one, ten thousand would take longer than anybody waits.
                await asyncio.gather(*(said(store.cancel(child.id, self._now())) for child in found))
                above += [child.id for child in found]
                seen += len(found)
                before = found[-1].id

    async def retry(self, id: str) -> dict[str, Any]:  # noqa: A002 - the public word
        """Have a task that ended without a result run anew. Raises `FAILED_PRECONDITION` for another, `NOT_FOUND`."""
        store, task = await self._find(id)
        name = task.submission.function
        options = self._functions.options(name)
        now = self._now()
        if task.state.over and task.state is not State.SUCCEEDED:
            await said(store.replay(id, now, options.attempts, now + _us(options.deadline_s)))
            return await self.show(id)
        why = "it has a result" if task.state is State.SUCCEEDED else "it is not over"
        detail = f"the task is {task.state}: {why}, and is not run anew"
        raise FailedPrecondition(detail, started=Started.NO, function=name)

    # Deliveries

    async def undelivered(self) -> list[dict[str, Any]]:
        """Messages about the ends of tasks that nobody took, the latest first."""
        store = await self._present()
        return [] if store is None else [document.delivery(each) for each in await said(store.undelivered())]

    async def redeliver(self, id: str) -> None:  # noqa: A002 - the public word
        """Have such a message tried again. Raises `NOT_FOUND`."""
        store = await self._present()
        if store is None or not await said(store.redeliver(id, self._now())):
            raise NotFound(f"there is no undelivered message {id[:64]!r}", started=Started.NO)

    # Within

    def _now(self) -> int:
        return int(self._clock.now() * US)

    async def _store(self) -> Store:
        return await said(self._vault.open())

    async def _present(self) -> Store | None:
        """The store; None where there is none yet, and nothing to be found."""
        return await self._store() if self._vault.present else None

    async def _shown(self, store: Store, task: Task) -> dict[str, Any]:
        told = document.shown(task)
        told["history"] = [document.attempt(each) for each in await said(store.attempts(task.id))]
        return told

    async def _find(self, id: str, *, whole: bool = False) -> tuple[Store, Task]:  # noqa: A002 - the public word
        store = await self._present() if is_id(id) else None
        task = None if store is None else await said(store.get(id, whole=whole))
        if store is None or task is None:
            raise NotFound(f"there is no task {id[:64]!r}: it never was, or what ended so long ago is not kept")
        return store, task


class Backlog:
    """How many tasks wait, about: counted in the store when it matters, and added to in between."""

    def __init__(self) -> None:
        self._admitted = 0
        self._coming = 0
        self._counted: int | None = None
        self._counted_at = 0

    async def admit(self, store: Store, most: int, function: str, count: int = 1) -> None:
        """Take so many more tasks, until `came`. Raises `RESOURCE_EXHAUSTED` where no so many more may wait."""
        # Between two counts no more are added than a tenth, so that many submissions pay for one.
        since = self._admitted - self._counted_at
        if self._counted is None or self._counted + since + count > most or since >= max(most // 10, 1):
            # What is on its way to the store may be counted there or not.
            begun_at = self._admitted - self._coming
            census = await said(store.census())
            if begun_at >= self._counted_at:
                self._counted = sum(count for (_, state), count in census.counts.items() if state in WAITING)
                self._counted_at = begun_at
        known = (self._counted or 0) + self._admitted - self._counted_at
        if known + count > most:
            more = "no more may" if known >= most else f"{count} more are too many"
            detail = f"{known} tasks wait already, and {more} (tasks.backlog = {most})"
            raise Overloaded(detail, function=function, retry_after_s=BUSY_RETRY_S)
        self._admitted += count
        self._coming += count

    def came(self, count: int) -> None:
        """So many of those that were taken are in the store, or will never be."""
        self._coming -= count


def begun(submission: Submission, state: State) -> Task:
    """A task as it is right after it was stored."""
    return Task(submission, state, due_at=submission.not_before, seq=1)


def fingerprint(body: bytes, codec: Codec) -> bytes:
    """What tells one input from another."""
    digest = blake2b(body, digest_size=PRINT_BYTES)
    digest.update(bytes((codec,)))
    return digest.digest()


async def said(asked: Awaitable[Answer]) -> Answer:
    """What the store says. Raises `UNAVAILABLE` where it cannot do it now."""
    try:
        return await asked
    except StoreFailed as error:
        started = Started.UNKNOWN if error.unsure else Started.NO
        raise Unavailable(f"tasks cannot be kept now: {error}", started=started, retry_after_s=BUSY_RETRY_S) from None


def _moved(before: Task, now: Task) -> bool:
    return (before.state, before.attempts, before.cancelling, before.due_at) != (
        now.state,
        now.attempts,
        now.cancelling,
        now.due_at,
    )


def _us(seconds: float) -> int:
    return round(seconds * US)


def _wrong(call: Call, detail: str) -> InvalidArgument:
    return InvalidArgument(detail, started=Started.NO, function=call.target.name)
