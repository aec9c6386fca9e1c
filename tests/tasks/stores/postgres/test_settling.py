import asyncio

from dragoman.core.call import Codec
from dragoman.tasks.state import State, Step
from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.task import Outcome, Runner
from tests.tasks.stores.postgres.conftest import Make, Open, claim, id_of, lose_an_answer


async def test_one_token_counts_once_whoever_brings_it_when(store: PostgresStore, make: Make) -> None:
    await store.submit([make(), make()])
    first, second = await claim(store, 2)
    ok = Outcome(first.task.id, first.token, Step.SUCCEED, 2, b"1", Codec.JSON)
    wrong = Outcome(first.task.id, first.token + 1, Step.FAIL, 2)
    again = Outcome(first.task.id, first.token, Step.FAIL, 2, fault=b"{}")
    other = Outcome(second.task.id, second.token, Step.SUCCEED, 2)
    foreign = [Outcome(id_of(99), 1, Step.SUCCEED, 2), Outcome("no id", 1, Step.SUCCEED, 2)]
    assert await store.settle([wrong, ok, again, *foreign, other]) == [False, True, False, False, False, True]
    assert await store.settle([ok, again]) == [False, False]
    task = await store.get(first.task.id, whole=True)
    assert task is not None
    assert (task.state, task.result, task.fault) == (State.SUCCEEDED, b"1", b"")


async def test_of_two_who_bring_one_token_at_once_one_counts(store: PostgresStore, make: Make) -> None:
    await store.submit([make()])
    (claimed,) = await claim(store)
    outcomes = [Outcome(claimed.task.id, claimed.token, Step.SUCCEED, 2, str(number).encode()) for number in range(5)]
    answers = await asyncio.gather(*(store.settle([outcome]) for outcome in outcomes))
    assert [answer[0] for answer in answers].count(True) == 1
    task = await store.get(claimed.task.id, whole=True)
    assert task is not None
    assert task.result == str([answer[0] for answer in answers].index(True)).encode()


async def test_who_was_thought_dead_overwrites_nothing(store: PostgresStore, make: Make) -> None:
    await store.submit([make(attempts_max=2)])
    (stale,) = await claim(store)
    assert await store.reap("r", 2, b'{"code": "UNAVAILABLE"}') == 1
    await store.tick(3)
    await store.enlist(Runner("r"))
    assert await store.settle([Outcome(stale.task.id, stale.token, Step.SUCCEED, 4, b"stale")]) == [False]
    (fresh,) = await claim(store, now=5)
    assert await store.settle([Outcome(stale.task.id, stale.token, Step.SUCCEED, 6, b"stale")]) == [False]
    assert await store.settle([Outcome(fresh.task.id, fresh.token, Step.SUCCEED, 7, b"fresh")]) == [True]
    task = await store.get(fresh.task.id, whole=True)
    assert task is not None
    assert task.result == b"fresh"


async def test_an_outcome_whose_answer_was_lost_is_asked_for_again_and_counts(store: PostgresStore, make: Make) -> None:
    await store.submit([make()])
    (claimed,) = await claim(store)
    lose_an_answer(store)
    outcome = Outcome(claimed.task.id, claimed.token, Step.SUCCEED, 2, b"1")
    assert await store.settle([outcome]) == [True]
    assert (await store.census()).counts == {("f", State.SUCCEEDED): 1}
    assert await store.settle([outcome]) == [False]


async def test_a_task_given_back_is_taken_again_and_that_was_no_attempt(store: PostgresStore, make: Make) -> None:
    await store.submit([make(attempts_max=2)])
    (claimed,) = await claim(store)
    await store.settle([Outcome(claimed.task.id, claimed.token, Step.RETRY, 2, fault=b"{}", due_at=3)])
    await store.tick(3)
    (claimed,) = await claim(store, now=3)
    assert claimed.task.attempts == 2
    await store.settle([Outcome(claimed.task.id, claimed.token, Step.RELEASE, 4)])
    task = await store.get(claimed.task.id)
    assert task is not None
    assert (task.state, task.attempts, task.started_at) == (State.PENDING, 1, 0)
    assert [attempt.number for attempt in await store.attempts(claimed.task.id)] == [1]
    (claimed,) = await claim(store, now=5)
    assert claimed.task.attempts == 2


async def test_what_is_being_cancelled_is_not_run_again(url: str, opened: Open, make: Make) -> None:
    store = await opened(url)
    await store.enlist(Runner("r"))
    await store.submit([make(attempts_max=5) for _ in range(4)])
    claimed = await claim(store, 4)
    for each in claimed:
        assert await store.cancel(each.task.id, 2) is State.RUNNING
    steps = (Step.RETRY, Step.RELEASE, Step.SUSPEND)
    outcomes = [
        Outcome(each.task.id, each.token, step, 3, due_at=9) for each, step in zip(claimed, steps, strict=False)
    ]
    last = claimed[3]
    outcomes.append(Outcome(last.task.id, last.token, Step.SUSPEND, 3, waits_for=(claimed[0].task.id,)))
    assert await store.settle(outcomes) == [True] * 4
    assert (await store.census()).counts == {("f", State.CANCELLED): 4}
    task = await store.get(claimed[0].task.id)
    assert task is not None
    assert not task.cancelling
    assert await store.tick(100) == 0
