"""The schema, brought up to date by numbered steps, under a lock, with hosts of older versions beside.

A step has two halves. `pre` only adds (a column with a default, a table, an index), so that an older host works on
with it; the first newer host that opens the store does it. `post`, which not every step has, takes away or forbids what
only older hosts need; it is done once no host is connected that is older than the step. Each host shows its version by
a shared advisory lock, which goes with its connection. An older host that comes back after `post` is refused.

A step that was released is never changed. Halves are in `steps/`: `NNNN.pre.sql`, `NNNN.post.sql`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.postgres.driver import ERRORS, failed
from dragoman.tasks.stores.postgres.locks import lock_of
from dragoman.tasks.stores.postgres.statements import read

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from dragoman.tasks.stores.postgres.driver import Wire
    from dragoman.tasks.stores.postgres.options import PostgresOptions

PRE = "pre"
POST = "post"
LEDGER = """
CREATE TABLE IF NOT EXISTS steps (
    number integer NOT NULL,
    half text NOT NULL,
    done_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (number, half)
)
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the schema: what only adds, and what takes away."""

    number: int
    pre: str
    post: str = ""


@cache
def released() -> tuple[Step, ...]:
    """The steps of this version."""
    return (Step(1, read("steps", "0001.pre.sql")),)


class TooOld(StoreFailed):
    """This host is older than what others have made of the schema."""


class Migration:
    """Brings a schema to this host's version."""

    def __init__(self, options: PostgresOptions, steps: Sequence[Step] | None = None) -> None:
        """`steps` are those that this host knows, the first one first."""
        self._options = options
        self._steps = released() if steps is None else tuple(steps)
        self.version = self._steps[-1].number

    async def prepare(self, wire: Wire) -> None:
        """Do what only adds, and was not done yet. Raises `StoreFailed`; then the connection is to be closed."""
        try:
            await self._alone(wire, self._prepare)
        except ERRORS as error:
            raise failed(error, self._options) from None

    async def join(self, wire: Wire) -> None:
        """Show that this host is there, for as long as a connection lasts. Raises `TooOld`."""
        try:
            # The lock before the look: who takes something away in between sees the lock, or this look sees that.
            await wire.execute(_lock(self._options, self.version, "pg_advisory_lock_shared"))
            await self._check(wire)
        except ERRORS as error:
            raise failed(error, self._options) from None

    async def finish(self, wire: Wire) -> None:
        """Do what takes away and was not done yet, as far as no older host is connected.

        Raises `StoreFailed`; then the connection is to be closed.
        """
        try:
            await self._alone(wire, self._finish)
        except ERRORS as error:
            raise failed(error, self._options) from None

    async def _alone(self, wire: Wire, do: Callable[[Wire], Awaitable[None]]) -> None:
        """Do something that only one host does at a time. Where it fails the lock goes with the connection."""
        await wire.execute(_lock(self._options, "migrate", "pg_advisory_lock"))
        await do(wire)
        await wire.execute(_lock(self._options, "migrate", "pg_advisory_unlock"))

    async def _prepare(self, wire: Wire) -> None:
        schema = self._options.schema
        if not await wire.fetchval("SELECT true FROM pg_namespace WHERE nspname = $1", schema):
            await wire.execute(f"CREATE SCHEMA {schema}")
        if not await wire.fetchval("SELECT to_regclass($1)::text", f"{schema}.steps"):
            await wire.execute(LEDGER)
        await self._check(wire)
        done = await self._done(wire, PRE)
        for step in self._steps:
            if step.number not in done:
                await self._do(wire, step.number, PRE, step.pre)

    async def _finish(self, wire: Wire) -> None:
        done = await self._done(wire, POST)
        for step in self._steps:
            if step.post and step.number not in done and not await self._take_away(wire, step):
                return

    async def _take_away(self, wire: Wire, step: Step) -> bool:
        """Do the second half of a step, unless an older host is connected; one that comes meanwhile waits."""
        older = [each.number for each in self._steps if each.number < step.number]
        held: list[int] = []
        for number in older:
            if not await wire.fetchval(_lock(self._options, number, "pg_try_advisory_lock")):
                break
            held.append(number)
        else:
            await self._do(wire, step.number, POST, step.post)
        for number in held:
            await wire.execute(_lock(self._options, number, "pg_advisory_unlock"))
        return held == older

    async def _check(self, wire: Wire) -> None:
        """Refuse to work where something was taken away that this host needs."""
        newer = [number for number in await self._done(wire, POST) if number > self.version]
        if newer:
            raise TooOld(
                f"the task store at {self._options.address} (schema {self._options.schema}) is of version "
                f"{max(newer)}, and this host knows {self.version}: upgrade it"
            )

    async def _done(self, wire: Wire, half: str) -> set[int]:
        return {row[0] for row in await wire.fetch("SELECT s.number FROM steps s WHERE s.half = $1", half)}

    async def _do(self, wire: Wire, number: int, half: str, text: str) -> None:
        async with wire.transaction():
            if text.strip():
                await wire.execute(text)
            await wire.execute("INSERT INTO steps (number, half) VALUES ($1, $2)", number, half)


def _lock(options: PostgresOptions, what: int | str, function: str) -> str:
    high, low = lock_of(options.schema, f"version {what}")
    return f"SELECT {function}({high}, {low})"
