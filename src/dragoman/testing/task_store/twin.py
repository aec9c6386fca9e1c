"""Two stores that are asked the same, and must answer the same: the one that is tested, and one in memory.

Which tasks a claim takes may differ where turns are equal; it is checked against what is promised, and then the model
has the same. All that follows must agree.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from dragoman.core.call import Codec, Priority
from dragoman.tasks.state import State, Step
from dragoman.tasks.task import (
    US,
    Claimed,
    Delivered,
    Delivery,
    Keeping,
    Outcome,
    Query,
    Runner,
    Submission,
    Task,
    Told,
    Want,
)
from dragoman.testing.task_memory import MemoryStore
from dragoman.testing.task_shelf import Memory
from dragoman.testing.task_store.hosts import NOW, new_id, submission

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from dragoman.testing.task_store.hosts import Host

T = TypeVar("T")

FUNCTIONS = ("f", "g")
CALLERS = ("a", "b", "c")
LIMIT = 3
"""How many tasks of `g` may run."""
ALL = 10_000
ENDINGS = (Step.SUCCEED, Step.SUCCEED, Step.FAIL, Step.TIME_OUT, Step.CANCEL, Step.EXHAUST)
FAULTY = (Step.FAIL, Step.TIME_OUT, Step.EXHAUST, Step.RETRY)
FAIR = 2
"""How many turns callers who wait may be apart, beyond those that one claim takes."""


class Twin:
    """The tested store, as several hosts, and the model."""

    def __init__(self, hosts: Sequence[Host], random: Random) -> None:
        self._hosts = hosts
        self._random = random
        self._memory = Memory()
        self._model = MemoryStore(self._memory)
        self._now = NOW
        self._ids: list[str] = []
        self._claimed: list[Claimed] = []
        self._deliveries: list[tuple[Delivery, Delivery]] = []

    async def begin(self) -> None:
        """Have the model know what the stores know."""
        await self._model.open()
        for host in self._hosts:
            await self._model.enlist(Runner(host.runner))

    async def step(self) -> None:
        """Do something at random, on some host."""
        operations = (
            (self.submit, 5),
            (self.claim, 6),
            (self.settle, 6),
            (self.tell, 1),
            (self.cancel, 1),
            (self.replay, 1),
            (self.tick, 3),
            (self.hurry, 1),
            (self.reap, 1),
            (self.deliver, 1),
            (self.prune, 1),
            (self.fire, 1),
            (self.look, 1),
        )
        (operation,) = self._random.choices([each for each, _ in operations], [weight for _, weight in operations])
        await operation()

    async def submit(self) -> None:
        """Submit some, some of them again, some with keys."""
        given = [self._submission() for _ in range(self._random.randint(1, 4))]
        self._ids += [each.id for each in given]
        await self._both("submit", given)

    async def claim(self) -> None:
        """Claim some, by a runner that may be unknown by now."""
        host = self._host()
        function = self._random.choice(FUNCTIONS)
        count = self._random.randint(1, 5)
        want = Want(function, count, LIMIT if function == "g" else 0)
        claimed = await host.store.claim(host.runner, [want], self._now)
        self._check_claim(host, want, [each.task.id for each in claimed])
        for each in claimed:
            self._check_turn(each.task.id, want.function)
            mine = self._model.take(each.task.id, host.runner, self._now)
            assert replace(mine.task, seq=each.task.seq) == each.task, (mine, each)
            self._memory.tasks[each.task.id].token = each.token  # how tokens are made is nobody's promise
        self._claimed += claimed

    async def settle(self) -> None:
        """End some attempts, some of them twice or under the wrong token."""
        outcomes = [self._outcome(each) for each in self._some(self._claimed)]
        await self._both("settle", outcomes)

    async def tell(self) -> None:
        """Have some say something."""
        told = [
            Told(each.task.id, each.token, self._now, self._random.choice((None, 0.5)), "half", (("info", "said"),))
            for each in self._some(self._claimed)
        ]
        await self._both("tell", told)

    async def cancel(self) -> None:
        """Cancel one."""
        for each in self._some(self._ids, 1):
            await self._both("cancel", each, self._now)

    async def replay(self) -> None:
        """Have one run anew."""
        for each in self._some(self._ids, 1):
            await self._both("replay", each, self._now, 2, 0)

    async def tick(self) -> None:
        """Let time pass, or go back, and move on what it moves."""
        self._now += self._random.choice((-5, 0, 1, 5, 20)) * US
        await self._both("tick", self._now)

    async def hurry(self) -> None:
        """Let nothing pause any longer."""
        await self._both("hurry", self._now)

    async def reap(self) -> None:
        """Take a runner for dead; it may come back as another one."""
        host = self._host()
        await self._both("reap", host.runner, self._now, b"gone")
        if self._random.random() < 0.7:
            host.runner = new_id()
            await self._both("enlist", Runner(host.runner))
        await self._both("pulse", host.runner)

    async def deliver(self) -> None:
        """Say what became of some deliveries, and take those that are due."""
        for theirs, mine in self._some(self._deliveries):
            done, dead = self._random.random() < 0.5, self._random.random() < 0.2
            fields: dict[str, Any] = {"done": done, "dead": dead, "due_at": self._now, "fault": "busy"}
            await self._host().store.delivered([Delivered(theirs.id, theirs.token, **fields)])
            await self._model.delivered([Delivered(mine.id, mine.token, **fields)])
        host = self._host()
        taken = sorted(await host.store.deliveries(host.runner, ALL, self._now), key=_name)
        expected = sorted(await self._model.deliveries(host.runner, ALL, self._now), key=_name)
        assert [_told(each) for each in taken] == [_told(each) for each in expected]
        self._deliveries += zip(taken, expected, strict=True)

    async def prune(self) -> None:
        """Forget what ended long ago, all of it, since which of them go first is nobody's promise."""
        await self._both("prune", Keeping(20.0, 0), self._now, ALL)

    async def fire(self) -> None:
        """Fire a schedule."""
        await self._both("fire", "nightly", self._now, self._submission())

    async def look(self) -> None:
        """Look at a list."""
        states = frozenset(self._random.sample(list(State), self._random.randint(0, 3)))
        query = Query(states, self._random.choice(("", "f")), self._random.choice(("", "a")), limit=10)
        found = await self._host().store.find(query)
        expected = await self._model.find(query)
        assert [_seen(each) for each in found] == [_seen(each) for each in expected]

    async def compare(self) -> None:
        """Everything is the same."""
        store = self._host().store
        for each in self._ids:
            task, expected = await store.get(each, whole=True), await self._model.get(each, whole=True)
            assert (task and _seen(task)) == (expected and _seen(expected))
            assert await store.attempts(each) == await self._model.attempts(each)
            notes = [(note.at, note.level, note.message) for note in await store.notes(each)]
            assert notes == [(note.at, note.level, note.message) for note in await self._model.notes(each)]
        census, counted = await store.census(), await self._model.census()
        assert {key: count for key, count in census.counts.items() if count} == counted.counts
        assert census.oldest == counted.oldest

    async def finish(self) -> None:
        """All that is open comes to an end, and each task has one."""
        for host in self._hosts:
            await self._both("reap", host.runner, self._now, b"gone")
            await self._both("enlist", Runner(host.runner))
        self._claimed.clear()
        while any(not kept.task.state.over for kept in self._memory.tasks.values()):
            self._now += 100 * US
            await self._both("tick", self._now)
            for _ in range(3):
                await self.claim()
            outcomes = [Outcome(each.task.id, each.token, Step.SUCCEED, self._now) for each in self._claimed]
            await self._both("settle", outcomes)
            self._claimed.clear()
        await self.compare()

    def _host(self) -> Host:
        return self._random.choice(self._hosts)

    def _some(self, values: Sequence[T], most: int = 4) -> list[T]:
        return self._random.sample(values, min(len(values), self._random.randint(1, most)))

    async def _both(self, operation: str, *values: Any) -> None:
        said = await getattr(self._host().store, operation)(*values)
        expected = await getattr(self._model, operation)(*values)
        if operation == "pulse":
            said, expected = (said.known, set(said.cancelled)), (expected.known, set(expected.cancelled))
        assert said == expected, (operation, values, said, expected)

    def _submission(self) -> Submission:
        random = self._random
        again = random.choice(self._ids) if self._ids and random.random() < 0.1 else new_id()
        return submission(
            id=again,
            function=random.choice(FUNCTIONS),
            caller=random.choice(CALLERS),
            priority=random.choice(list(Priority)),
            key=random.choice(("", "", "", "k1", "k2")),
            fingerprint=random.choice((b"1", b"2")),
            submitted_at=self._now,
            not_before=random.choice((0, 0, self._now + 10 * US)),
            deadline=random.choice((0, 0, self._now + 30 * US)),
            attempts_max=random.randint(1, 3),
            callback=random.choice((b"", b"there")),
            body=b"x" * random.choice((0, 10, 5000)),
        )

    def _outcome(self, claimed: Claimed) -> Outcome:
        random = self._random
        step = random.choice((*ENDINGS, Step.RETRY, Step.RELEASE, Step.SUSPEND))
        good = step is Step.SUCCEED
        return Outcome(
            claimed.task.id,
            claimed.token + (random.random() < 0.1),
            step,
            self._now,
            b"r" * random.choice((0, 10, 5000)) if good else b"",
            Codec.BYTES if good else Codec.NONE,
            random.choice((b"1", b"2")) if step in FAULTY else b"",
            random.choice((0, self._now + 10 * US)) if step in (Step.RETRY, Step.RELEASE) else 0,
            tuple(self._some(self._ids, 3)) if step is Step.SUSPEND else (),
        )

    def _check_claim(self, host: Host, want: Want, ids: Sequence[str]) -> None:
        kept = self._memory.tasks
        function = [each for each in kept.values() if each.task.submission.function == want.function]
        ready = {each.task.id: each for each in function if self._model.is_ready(each, want.function, self._now)}
        room = want.count
        if want.limit:
            room = min(room, want.limit - sum(each.task.state is State.RUNNING for each in function))
        known = host.runner in self._memory.runners
        assert len(ids) == len(set(ids)) == (min(max(room, 0), len(ready)) if known else 0)
        assert set(ids) <= set(ready)

    def _check_turn(self, id: str, function: str) -> None:  # noqa: A002 - the field's public name
        """No other may be before this one: not by priority, and not by its caller's turn.

        Which of its tasks a caller's turn is for may differ, so they change places. Whether a turn counts that was
        never taken may differ too.
        """
        ready = [each for each in self._memory.tasks.values() if self._model.is_ready(each, function, self._now)]
        taken = self._memory.tasks[id]
        priority, caller = taken.task.submission.priority, taken.task.submission.caller
        assert priority == min(each.task.submission.priority for each in ready)
        rivals = [each for each in ready if each.task.submission.priority == priority]
        own = [each for each in rivals if each.task.submission.caller == caller]
        first = min(own, key=lambda each: each.turn)
        first.turn, taken.turn = taken.turn, first.turn
        assert taken.turn <= min(each.turn for each in rivals) + FAIR + self._memory.untaken[function, priority]


def _seen(task: Task) -> Task:
    return replace(task, seq=0)


def _name(delivery: Delivery) -> tuple[object, ...]:
    return delivery.task.id, delivery.task.attempts, delivery.task.finished_at, delivery.number


def _told(delivery: Delivery) -> tuple[Task, bytes, int, str]:
    return _seen(delivery.task), delivery.target, delivery.number, delivery.fault
