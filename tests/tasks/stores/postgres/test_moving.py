import asyncio

from dragoman.tasks.state import State, Step
from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.task import Outcome, Runner, Want
from tests.tasks.stores.postgres.conftest import Make, Open, claim, id_of


async def test_time_moves_on_what_is_due_and_says_when_it_is_to_be_asked_again(
    store: PostgresStore, make: Make
) -> None:
    await store.submit([make(not_before=50, deadline=200), make(not_before=80), make(deadline=60), make()])
    assert await store.tick(10) == 50
    assert await store.tick(50) == 60
    assert await store.tick(60) == 80
    assert await store.tick(90) == 200
    assert await store.tick(200) == 0
    counts = (await store.census()).counts
    assert counts == {("f", State.TIMED_OUT): 2, ("f", State.PENDING): 2}
    task = await store.get(id_of(3))
    assert task is not None
    assert task.finished_at == 60


async def test_a_tick_moves_so_many_and_says_that_there_are_more(store: PostgresStore, make: Make) -> None:
    await store.submit([make(not_before=20 + number) for number in range(8)])
    assert await store.tick(100, 3) == 23
    assert await store.tick(100, 3) == 26
    assert await store.tick(100) == 0


async def test_delayed_tasks_take_their_turn_when_they_are_due(store: PostgresStore, make: Make) -> None:
    await store.submit([make(caller="later", not_before=50) for _ in range(20)])
    await store.submit([make(caller="now") for _ in range(4)])
    await store.submit([make(caller="later") for _ in range(2)])
    callers = [each.task.submission.caller for each in await claim(store, 4)]
    assert sorted(callers) == ["later", "later", "now", "now"]
    await store.tick(50)
    assert [each.task.submission.caller for each in await claim(store, 4)].count("now") == 2


async def test_hosts_that_tick_at_once_move_each_task_once(url: str, opened: Open, make: Make) -> None:
    stores = [await opened(url) for _ in range(3)]
    await stores[0].submit([make(not_before=50) for _ in range(200)])
    await asyncio.gather(*(store.tick(60) for store in stores for _ in range(2)))
    await stores[0].tick(60)
    assert (await stores[0].census()).counts == {("f", State.PENDING): 200}
    task = await stores[0].get(id_of(7))
    assert task is not None
    assert task.seq == 2


async def test_a_runner_that_is_reaped_by_several_is_reaped_once(url: str, opened: Open, make: Make) -> None:
    stores = [await opened(url) for _ in range(3)]
    await stores[0].enlist(Runner("r"))
    await stores[0].submit([make(attempts_max=2) for _ in range(10)])
    assert len(await claim(stores[0], 10)) == 10
    counts = await asyncio.gather(*(store.reap("r", 5, b"{}") for store in stores))
    assert sorted(counts) == [0, 0, 10]
    assert (await stores[0].census()).counts == {("f", State.RETRYING): 10}
    assert await stores[0].beats() == []
    assert not (await stores[0].pulse("r")).known


async def test_nothing_that_a_runner_claims_as_it_is_reaped_is_left_running(url: str, opened: Open, make: Make) -> None:
    one, other = await opened(url), await opened(url)
    for round_ in range(20):
        runner = f"r{round_}"
        await one.enlist(Runner(runner))
        await one.submit([make(attempts_max=9) for _ in range(6)])
        claims = [one.claim(runner, [Want("f", 2)], 1) for _ in range(3)]
        await asyncio.gather(*claims, other.reap(runner, 2, b"{}"))
        counts = (await one.census()).counts
        assert ("f", State.RUNNING) not in counts
        assert sum(counts.values()) == 6 * (round_ + 1)
        await one.tick(3)


async def test_what_a_dead_runner_ran_ends_as_it_has_to(store: PostgresStore, make: Make) -> None:
    await store.submit([make(attempts_max=1), make(attempts_max=2), make(deadline=4, attempts_max=2), make()])
    claimed = {each.task.id: each for each in await claim(store, 4)}
    await store.cancel(id_of(4), 3)
    assert await store.reap("r", 5, b'{"code": "UNAVAILABLE"}') == 4
    states: list[State] = []
    for number in range(1, 5):
        task = await store.get(id_of(number))
        assert task is not None
        assert not task.cancelling
        states.append(task.state)
        (attempt,) = await store.attempts(task.id)
        assert (attempt.runner, attempt.ended_at, attempt.fault) == ("r", 5, b'{"code": "UNAVAILABLE"}')
    assert states == [State.DEAD, State.RETRYING, State.TIMED_OUT, State.CANCELLED]
    assert len(claimed) == 4


async def test_cancelling_twice_and_cancelling_what_is_over_changes_nothing(store: PostgresStore, make: Make) -> None:
    await store.submit([make(), make()])
    (claimed,) = await claim(store)
    assert await store.cancel(id_of(2), 2) is State.CANCELLED
    assert await store.cancel(id_of(2), 3) is State.CANCELLED
    assert await store.cancel(claimed.task.id, 2) is State.RUNNING
    seq = (await store.get(claimed.task.id)).seq  # pyright: ignore[reportOptionalMemberAccess] - it is there
    assert await store.cancel(claimed.task.id, 3) is State.RUNNING
    assert (await store.get(claimed.task.id)).seq == seq  # pyright: ignore[reportOptionalMemberAccess] - it is there
    assert (await store.pulse("r")).cancelled == (claimed.task.id,)
    assert await store.cancel(id_of(9), 2) is None
    assert await store.cancel("nonsense", 2) is None


async def test_a_replay_gives_attempts_anew_and_keeps_the_old_ones_in_view(store: PostgresStore, make: Make) -> None:
    await store.submit([make(attempts_max=1)])
    (claimed,) = await claim(store)
    assert await store.replay(claimed.task.id, 2, 3) is State.RUNNING
    await store.settle([Outcome(claimed.task.id, claimed.token, Step.EXHAUST, 3, fault=b"{}")])
    assert await store.replay(claimed.task.id, 4, 2, 99) is State.PENDING
    assert await store.replay(claimed.task.id, 4, 2, 99) is State.PENDING
    (again,) = await claim(store, now=5)
    assert (again.task.attempts, again.task.submission.attempts_max, again.task.submission.deadline) == (2, 3, 99)
    assert [(each.number, each.fault) for each in await store.attempts(again.task.id)] == [(1, b"{}"), (2, b"")]
    await store.settle([Outcome(again.task.id, again.token, Step.SUCCEED, 6)])
    assert await store.replay(again.task.id, 7, 1) is State.SUCCEEDED
    assert await store.replay(id_of(9), 7, 1) is None
    assert await store.replay("nonsense", 7, 1) is None
