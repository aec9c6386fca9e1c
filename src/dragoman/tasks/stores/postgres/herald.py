"""Word of changes, to this process and to other hosts, on a connection of its own.

What is committed is announced after that, by NOTIFY in a transaction that waits for no disk: in the transaction itself,
NOTIFY would have all commits of the server wait for one another. Word that is lost, with a host that dies in between or
with a connection, is made up for by a look: each version of a task names the transaction that wrote it, and what a
snapshot did not see is found by that, without a clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import TYPE_CHECKING, NamedTuple

from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.postgres.driver import ERRORS, bounded, connect
from dragoman.tasks.stores.postgres.migrating import TooOld
from dragoman.tasks.stores.postgres.pool import DOUBLINGS_MAX, farewell, pause_s
from dragoman.tasks.stores.postgres.rows import STATES, changes_of
from dragoman.tasks.stores.postgres.statements import statement
from dragoman.tasks.task import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from dragoman.tasks.stores.postgres.driver import Wire
    from dragoman.tasks.stores.postgres.migrating import Migration
    from dragoman.tasks.stores.postgres.options import PostgresOptions
    from dragoman.tasks.stores.postgres.pool import Pool

PAYLOAD_BYTES_MAX = 7900
"""PostgreSQL takes less than 8000."""
UNSAID_MAX = 2000
"""Changes that are told one by one; where there are more at a time, others are told to look."""
PAGE = 5000
"""Changes that are read at a time."""
SEEN_MAX = 50_000
"""Changes heard since the last look that are remembered, so as not to tell of them twice."""
LOOK = ""
"""The payload that says: look for yourself."""
FIRST_ID = "00000000-0000-0000-0000-000000000000"
FINISH_S = 60.0
"""Between tries to finish a migration that waits for older hosts to go, and as long as each may take: nobody is heard
meanwhile."""


class Snapshot(NamedTuple):
    """Which transactions had ended: all before `end` but `open_`, those that had not."""

    end: str
    open_: list[str]

    @classmethod
    def read(cls, text: str) -> Snapshot:
        """As PostgreSQL writes a `pg_snapshot`."""
        _, end, still = text.split(":")
        return cls(end, still.split(",") if still else [])


class Herald:
    """Tells of changes, and hears of those that others made."""

    def __init__(
        self,
        options: PostgresOptions,
        pool: Pool,
        migration: Migration,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`pool` is barred where this host turns out to be too old."""
        self.heard: list[Callable[[Sequence[Change]], object]] = []
        self._options = options
        self._pool = pool
        self._migration = migration
        self._chance = chance
        self._wire: Wire | None = None
        self._seen: dict[str, int] = {}
        self._seen_before: dict[str, int] = {}
        self._unsaid: list[Change] = []
        self._look = False
        self._look_all = False
        self._stir = asyncio.Event()
        self._snapshot: Snapshot | None = None
        self._task: asyncio.Task[None] | None = None
        self.up = asyncio.Event()
        """Set while others are heard."""

    def start(self) -> None:
        """Begin to listen."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._stay())

    async def ready(self) -> None:
        """Wait until others are heard. Raises `StoreFailed` where that takes long, or cannot be."""
        try:
            async with asyncio.timeout(self._options.timeout_s):
                await self.up.wait()
        except TimeoutError:
            raise StoreFailed(
                self._pool.barred or f"the task store at {self._options.address} does not let us listen"
            ) from None

    async def close(self) -> None:
        """Say what is to be said still, and listen no more."""
        task, self._task = self._task, None
        if task is None:
            return
        wire = self._wire
        if wire is not None and self._unsaid:
            try:
                async with asyncio.timeout(1.0):
                    await self._say(wire)
            except (TimeoutError, StoreFailed, *ERRORS):
                pass  # others look for themselves before long
        task.cancel()
        await asyncio.wait((task,))

    def tell(self, changes: Sequence[Change]) -> None:
        """Tell this process at once, and others soon."""
        if not changes:
            return
        self.pass_on(changes)
        if self._task is None:
            return
        self._unsaid.extend(changes)
        if len(self._unsaid) > UNSAID_MAX:
            self._unsaid.clear()
            self._look_all = True
        self._stir.set()

    def nudge(self) -> None:
        """Have all hosts look: somebody died, who may have had something to say."""
        self._look_all = self._look = True
        self._stir.set()

    # The connection

    async def _stay(self) -> None:
        """Listen, for as long as it takes."""
        failures, clock = 0, asyncio.get_running_loop().time
        while True:
            begun_at = clock()
            try:
                await self._listen()
            except (TimeoutError, StoreFailed, *ERRORS):
                pass
            except Exception as error:  # noqa: BLE001 - a mistake of ours, after which others are to be heard all the same
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "listening for what others do with tasks", "exception": error}
                )
            finally:
                self.up.clear()
                wire, self._wire = self._wire, None
                if wire is not None:
                    await farewell(wire)
            lasted = clock() - begun_at > self._options.look_s
            failures = 1 if lasted else min(failures + 1, DOUBLINGS_MAX)
            await asyncio.sleep(pause_s(self._options, failures, self._chance()))

    async def _listen(self) -> None:
        wire = self._wire = await connect(self._options, {"synchronous_commit": "off"})
        wire.add_termination_listener(self._lost)
        with self._in_time(wire):
            await self._join(wire)
            await wire.add_listener(self._options.channel, self._hear)
        # What was changed while nobody listened here; and others may have missed what was not said then.
        self.nudge()
        await self._attend(wire)

    async def _attend(self, wire: Wire) -> None:
        """Look, say and hear, for as long as the connection lasts."""
        clock = asyncio.get_running_loop().time
        look_at, finish_at = clock(), clock() + FINISH_S
        while not wire.is_closed():
            if self._look or clock() >= look_at:
                await self._look_up(wire)
                self.up.set()
                look_at = clock() + self._options.look_s
            with self._in_time(wire):
                await self._say(wire)
            if clock() >= finish_at:
                finish_at = clock() + FINISH_S
                with bounded(wire, FINISH_S):
                    await self._migration.finish(wire)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
                    await self._stir.wait()
            self._stir.clear()

    async def _join(self, wire: Wire) -> None:
        try:
            await self._migration.join(wire)
        except TooOld as error:
            self._pool.barred = str(error)
            raise
        self._pool.barred = ""

    def _lost(self, _: object) -> None:
        self._stir.set()

    # Saying

    async def _say(self, wire: Wire) -> None:
        """Tell others what has changed here."""
        unsaid, self._unsaid = self._unsaid, []
        payloads = list(written(unsaid))
        if self._look_all:
            self._look_all = False
            payloads = [LOOK]
        if not payloads:
            return
        try:
            await wire.execute(
                "SELECT pg_notify($1, p.text) FROM unnest($2::text[]) AS p (text)", self._options.channel, payloads
            )
        except BaseException:
            self._look_all = True
            raise

    # Hearing

    def _hear(self, wire: Wire, sender: int, channel: str, payload: str) -> None:  # noqa: ARG002 - asyncpg's signature
        if sender == wire.get_server_pid():
            return
        if payload == LOOK:
            self._look = True
            self._stir.set()
            return
        self.pass_on(understood(payload))

    async def _look_up(self, wire: Wire) -> None:
        """Find what was changed since the last look, and was not heard of."""
        self._look = False
        with self._in_time(wire):
            now = Snapshot.read(await wire.fetchval("SELECT pg_current_snapshot()::text"))
        before, known = self._snapshot, self._seen
        if before is not None:
            if before.open_:
                with self._in_time(wire):
                    rows = await wire.fetch(statement("changed_by"), before.open_)
                self.pass_on(changes_of(rows))
            at, last = before.end, FIRST_ID
            while True:
                with self._in_time(wire):
                    rows = await wire.fetch(statement("changed_since"), at, last, now.end, PAGE)
                self.pass_on(changes_of(rows))
                if len(rows) < PAGE:
                    break
                at, last = rows[-1][5], rows[-1][0]
        self._snapshot = now
        # What was heard while it looked may be later than what it saw: the next look is to know it still.
        self._seen, self._seen_before = {}, known

    def _in_time(self, wire: Wire) -> AbstractContextManager[None]:
        """As long as one answer may take. A look has many, the more the longer nobody listened."""
        return bounded(wire, self._options.timeout_s)

    def pass_on(self, told: Sequence[Change]) -> None:
        """Tell of what is news: word comes by several ways, and not always in order."""
        seen, before = self._seen, self._seen_before
        changes = [each for each in told if seen.get(each.id, 0) < each.seq and before.get(each.id, 0) < each.seq]
        if not changes:
            return
        if len(seen) < SEEN_MAX:
            seen.update((change.id, change.seq) for change in changes)
        for heard in self.heard:
            try:
                heard(changes)
            except Exception as error:  # noqa: BLE001 - the store goes on, whatever its listener does
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a listener of the task store failed", "exception": error}
                )


def written(changes: Sequence[Change]) -> list[str]:
    """Changes as payloads, each as long as one may be."""
    payloads: list[str] = []
    parts: list[str] = []
    size = 2
    for change in changes:
        part = json.dumps(
            [change.id, change.function, change.state, change.seq, int(change.cancelling)], separators=(",", ":")
        )
        if parts and size + len(part) + 1 > PAYLOAD_BYTES_MAX:
            payloads.append(f"[{','.join(parts)}]")
            parts, size = [], 2
        parts.append(part)
        size += len(part) + 1
    if parts:
        payloads.append(f"[{','.join(parts)}]")
    return payloads


def understood(payload: str) -> list[Change]:
    """The changes of a payload; none where it is of a kind that only newer hosts know."""
    try:
        return [
            Change(id_, function, STATES[state], seq, bool(cancelling))
            for id_, function, state, seq, cancelling in json.loads(payload)
        ]
    except (KeyError, TypeError, ValueError):
        return []
