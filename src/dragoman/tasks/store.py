"""The port of task stores. What all of them promise is tested by one suite (`dragoman.testing.task_store`).

- **Stored means stored.** An operation that has returned survives the death of anything, the machine included. Only
  who runs what (`enlist`, `pulse`, `claim`, `deliveries`) may be forgotten with a machine that all of them were on.
- **One outcome.** A task is RUNNING under one token at a time; what comes with another token changes nothing.
- **Dead is who does not move.** A runner counts up while it lives (`pulse`). Others watch the count by their own
  monotonic clocks (`beats`), and `reap` whoever stood still for the length of a lease: no comparison of clocks, so one
  that jumps, on any machine, ends nobody's lease.
- **Fair.** A claim takes by priority, then by turn: callers of one function take turns, whoever has how many waiting.
- **A full store refuses, and keeps what it has.** Trouble with the store itself is `StoreFailed`: what was asked for
  did not happen, or, where the connection was lost in between, may have (`unsure`); all may be asked for again then.

All moments are given by the caller. Nothing here waits for a task; `listen` tells of changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dragoman.tasks.state import State
    from dragoman.tasks.task import (
        Attempt,
        Beat,
        Census,
        Change,
        Claimed,
        Delivered,
        Delivery,
        Keeping,
        Note,
        Outcome,
        Pulse,
        Query,
        Runner,
        Submission,
        Submitted,
        Task,
        Told,
        Want,
    )


TICK_MAX = 1000
"""Tasks that one tick moves on: some milliseconds."""


class StoreFailed(Exception):  # noqa: N818 - names the condition, as every fault here does
    """The store cannot do it now: full, locked, corrupted, cut off. The message says which, where and what to do.

    `unsure` where it may have happened all the same.
    """

    def __init__(self, message: str, *, unsure: bool = False) -> None:
        super().__init__(message)
        self.unsure = unsure


class Store(Protocol):
    """Where tasks are kept. Every operation raises `StoreFailed` where it cannot be done. For one loop."""

    async def open(self) -> None:
        """Connect, and bring the schema up to date. Harmless where a newer host has moved it on already."""
        ...

    async def close(self) -> None:
        """Finish what was asked for, and let go."""
        ...

    def listen(self, heard: Callable[[Sequence[Change]], object]) -> None:
        """Have `heard` told of changes, by this process at once, by others soon; each task's latest is told at last."""
        ...

    # Tasks

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        """Store tasks: PENDING, or SCHEDULED where `not_before` is past `submitted_at`.

        One whose id is there already is that task, and not created.
        """
        ...

    async def get(self, id: str, *, whole: bool = False) -> Task | None:  # noqa: A002 - the field's public name
        """A task; its `whole` has the input and the result too."""
        ...

    async def find(self, query: Query) -> list[Task]:
        """Outlines of tasks, the newest first."""
        ...

    async def attempts(self, id: str) -> list[Attempt]:  # noqa: A002 - the field's public name
        """The attempts of a task, the first one first."""
        ...

    async def notes(self, id: str, after: int = 0, limit: int = 1000) -> list[Note]:  # noqa: A002 - as above
        """What a task has logged since its change `after`."""
        ...

    async def awaited(self, ids: Sequence[str]) -> set[str]:
        """The tasks that these wait for, and those that those wait for, and so on."""
        ...

    async def cancel(self, id: str, now: int) -> State | None:  # noqa: A002 - the field's public name
        """Have a task never run, or be stopped. Returns its state after that (RUNNING: it is being stopped)."""
        ...

    async def replay(self, id: str, now: int, attempts_max: int, deadline: int = 0) -> State | None:  # noqa: A002 - as above
        """Have a task that ended without a result run anew, with so many attempts more. Its state after that.

        One that runs, waits, or has a result stays as it is.
        """
        ...

    # Running

    async def enlist(self, runner: Runner) -> None:
        """Know a runner from now on."""
        ...

    async def pulse(self, runner: str) -> Pulse:
        """Count a runner up."""
        ...

    async def beats(self) -> list[Beat]:
        """The runners that are known."""
        ...

    async def reap(self, runner: str, now: int, fault: bytes) -> int:
        """Forget a runner. What it ran is RETRYING and due, or DEAD, with this `fault`; how many tasks that were.

        Of a task that was being cancelled, CANCELLED; past its deadline, TIMED_OUT.
        """
        ...

    async def claim(self, runner: str, wants: Sequence[Want], now: int) -> list[Claimed]:
        """Take tasks that are due, and not past their deadline, whole, for a runner. None for one that is not known."""
        ...

    async def tell(self, told: Sequence[Told]) -> None:
        """Keep what running tasks say."""
        ...

    async def settle(self, outcomes: Sequence[Outcome]) -> list[bool]:
        """Record how attempts ended; False for each whose token does not hold any more.

        A task that ends, by whatever, with a `callback` has its delivery stored in the same step, and tasks that wait
        for it alone are PENDING at once. RELEASE with a `due_at` is PENDING, and not to be claimed before `tick` has
        come to that moment.
        """
        ...

    async def tick(self, now: int, most: int = TICK_MAX) -> int:
        """Move on what time moves: due tasks to PENDING, those that wait past their deadline to TIMED_OUT.

        At most `most` of either, those first that have been due for longest; the rest are for the next time.
        What runs past its deadline is for its runner to end. Returns the moment at which there is something to do
        again, 0 for never.
        """
        ...

    async def hurry(self, now: int) -> None:
        """Have what pauses be due at `now`, for a clock has gone back: RETRYING, PENDING by a RELEASE, deliveries.

        By it they would pause as much longer. What was asked to run later stays: its moment has not come.
        """
        ...

    # Deliveries

    async def deliveries(self, runner: str, count: int, now: int) -> list[Delivery]:
        """Take deliveries that are due. Those of a runner that was reaped are due again."""
        ...

    async def delivered(self, outcomes: Sequence[Delivered]) -> None:
        """Record what became of deliveries."""
        ...

    async def undelivered(self, limit: int = 100) -> list[Delivery]:
        """Deliveries that were given up, the latest first."""
        ...

    async def redeliver(self, id: str, now: int) -> bool:  # noqa: A002 - the field's public name
        """Have a delivery that was given up tried again. False where there is none."""
        ...

    # Schedules

    async def last_slot(self, schedule: str) -> int:
        """The last moment for which a schedule was fired, 0 for never."""
        ...

    async def fire(self, schedule: str, slot: int, submission: Submission | None) -> bool:
        """Store the task of one moment of a schedule, or None to pass the moment over.

        False, with nothing stored, where that moment or a later one has been fired already.
        """
        ...

    # Keeping

    async def census(self) -> Census:
        """How many tasks there are."""
        ...

    async def prune(self, keeping: Keeping, now: int, limit: int = 1000) -> int:
        """Forget tasks that ended too long ago, at most `limit` at a time; how many."""
        ...
