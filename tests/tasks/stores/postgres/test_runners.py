from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.task import Beat, Pulse, Runner


async def test_a_runner_counts_up_while_it_is_known(store: PostgresStore) -> None:
    runner = Runner("one", 42, 1.5, "boot", "pid:[1]", "host \x00\ud800")
    await store.enlist(runner)
    await store.enlist(runner)
    assert await store.pulse("one") == Pulse(known=True)
    await store.pulse("one")
    assert Beat(runner, 2) in await store.beats()
    assert await store.pulse("other") == Pulse(known=False)


async def test_who_was_struck_off_may_come_again(store: PostgresStore) -> None:
    assert await store.reap("r", 1, b"") == 0
    assert await store.pulse("r") == Pulse(known=False)
    await store.enlist(Runner("r"))
    assert await store.pulse("r") == Pulse(known=True)
