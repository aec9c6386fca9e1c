import asyncio

from dragoman.core.call import Priority
from dragoman.tasks.state import State
from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.stores.postgres.submitting import digest
from dragoman.tasks.task import Runner
from tests.postgres import Server
from tests.tasks.stores.postgres.conftest import Make, Open, claim, lose_an_answer


async def test_callers_of_a_moment_share_a_statement_and_each_has_an_answer(store: PostgresStore, make: Make) -> None:
    submissions = [make() for _ in range(200)]
    answers = await asyncio.gather(*(store.submit([each]) for each in submissions))
    assert [answer[0].id for answer in answers] == [each.id for each in submissions]
    assert all(answer[0].created for answer in answers)
    assert (await store.census()).counts == {("f", State.PENDING): 200}


async def test_the_same_task_is_stored_once_by_however_many_hosts(url: str, opened: Open, make: Make) -> None:
    stores = [await opened(url) for _ in range(3)]
    submissions = [make() for _ in range(20)]
    answers = await asyncio.gather(*(store.submit([each]) for each in submissions for store in stores))
    assert sum(answer[0].created for answer in answers) == 20
    assert (await stores[0].census()).counts == {("f", State.PENDING): 20}


async def test_hosts_that_race_with_the_same_keys_agree_whose_task_it_is(url: str, opened: Open, make: Make) -> None:
    stores = [await opened(url) for _ in range(3)]
    keys = [f"key {number}" for number in range(30)]
    asked = [
        store.submit([make(key=key, caller="me") for key in (keys if turn % 2 else reversed(keys))])
        for turn in range(4)
        for store in stores
    ]
    answers = [told for answer in await asyncio.gather(*asked) for told in answer]
    assert sum(told.created for told in answers) == 30
    assert len({told.id for told in answers}) == 30
    assert not any(told.refused for told in answers)


async def test_a_key_counts_for_a_function_and_a_caller(store: PostgresStore, make: Make) -> None:
    told = await store.submit(
        [
            make(key="k", caller="a", fingerprint=b"1"),
            make(key="k", caller="b", fingerprint=b"1"),
            make(key="k", caller="a", function="g"),
            make(key="k", caller="a", fingerprint=b"1"),
            make(key="k", caller="a", fingerprint=b"2"),
        ]
    )
    assert [each.created for each in told] == [True, True, True, False, False]
    assert [each.refused for each in told] == [False] * 4 + [True]
    assert told[0].id == told[3].id == told[4].id


def test_what_stands_for_a_key_tells_its_parts_apart(make: Make) -> None:
    digests = {digest(make(function="f", caller=caller, key=key)) for caller, key in (("ab", "c"), ("a", "bc"))}
    assert len(digests) == 2
    assert digest(make(key="")) is None
    assert digest(make(key="\ud800" * 10_000)) is not None


async def test_one_that_cannot_be_stored_does_not_take_others_with_it(store: PostgresStore, make: Make) -> None:
    bad = make(attempts_max=2**40)
    good, refused = await asyncio.gather(store.submit([make()]), store.submit([bad]), return_exceptions=True)
    assert not isinstance(good, BaseException)
    assert isinstance(refused, Exception)
    assert (await store.census()).counts == {("f", State.PENDING): 1}


async def test_callers_take_turns_whoever_asked_first_and_on_which_host(url: str, opened: Open, make: Make) -> None:
    one, other = await opened(url), await opened(url)
    await one.submit([make(caller="many") for _ in range(6)])
    await other.submit([make(caller="many") for _ in range(4)])
    await other.submit([make(caller="few") for _ in range(2)])
    await one.enlist(Runner("r"))
    callers = [each.task.submission.caller for each in await claim(one, 20)]
    assert callers[:4] == ["many", "few", "many", "few"]
    await one.submit([make(caller="many"), make(caller="few")])
    assert len(await claim(one, 20)) == 2


async def test_who_was_served_before_is_not_made_to_wait_for_it_once_all_is_done(
    store: PostgresStore, make: Make
) -> None:
    await store.submit([make(caller="before") for _ in range(50)])
    assert len(await claim(store, 50)) == 50
    await store.submit([make(caller="new") for _ in range(5)])
    await store.submit([make(caller="before") for _ in range(5)])
    callers = [each.task.submission.caller for each in await claim(store, 4)]
    assert sorted(callers) == ["before", "before", "new", "new"]


async def test_what_matters_more_goes_first(store: PostgresStore, make: Make) -> None:
    await store.submit([make(priority=priority) for priority in (Priority.BATCH, Priority.CRITICAL, Priority.NORMAL)])
    claimed = await claim(store, 3)
    assert [each.task.submission.priority for each in claimed] == sorted(Priority)


async def test_large_inputs_lie_beside_the_rows(store: PostgresStore, make: Make, shared_server: Server) -> None:
    body = bytes(range(256)) * 4096 * 10
    await store.submit([make(body=body), make(body=b"small")])
    claimed = await claim(store, 2)
    assert {each.task.submission.body for each in claimed} == {body, b"small"}
    rows, all_ = "pg_relation_size('{0}.tasks')", "pg_table_size('{0}.tasks')"
    schema = store.options.schema
    size, whole = shared_server.sql(f"SELECT {rows}, {all_}".format(schema)).split("|")
    assert int(size) < 100_000 < len(body) <= int(whole)


async def test_a_submission_whose_answer_was_lost_is_asked_for_again_and_is_new(
    store: PostgresStore, make: Make
) -> None:
    lose_an_answer(store)
    (told,) = await store.submit([make(key="k")])
    assert told.created
    assert (await store.census()).counts == {("f", State.PENDING): 1}
