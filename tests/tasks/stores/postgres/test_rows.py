from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.core.call import Codec, Priority
from dragoman.tasks.state import State, Step
from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.stores.postgres.rows import changes_of
from dragoman.tasks.task import US, Change, Delivered, Outcome, Query, Runner
from tests.tasks.stores.postgres.conftest import Make, claim, id_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\x00\\"), max_size=300)
MOMENT = st.integers(0, 2**62)
ID = st.uuids(version=4).map(str)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_a_submission_comes_back_as_it_was(store: PostgresStore, make: Make, data: st.DataObject) -> None:
    submission = make(
        id=data.draw(ID),
        version=data.draw(TEXT),
        body=data.draw(st.binary(max_size=5000)),
        codec=data.draw(st.sampled_from(Codec)),
        reply_codec=data.draw(st.sampled_from(Codec)),
        caller=data.draw(TEXT),
        priority=data.draw(st.sampled_from(Priority)),
        key=data.draw(TEXT),
        fingerprint=data.draw(st.binary(max_size=32)),
        submitted_at=data.draw(MOMENT),
        not_before=data.draw(MOMENT),
        deadline=data.draw(MOMENT),
        attempt_s=data.draw(st.floats(0, 1e9)),
        attempts_max=data.draw(st.integers(1, 2**31 - 1)),
        trace=data.draw(TEXT),
        parent=data.draw(TEXT),
        schedule=data.draw(TEXT),
        callback=data.draw(st.binary(max_size=100)),
    )
    (told,) = await store.submit([submission])
    if not told.created:
        return
    whole = await store.get(submission.id, whole=True)
    assert whole is not None
    assert whole.submission == submission
    outline = await store.get(submission.id)
    assert outline is not None
    assert outline.submission.body == b""


async def test_an_outline_has_neither_input_nor_result(store: PostgresStore, make: Make) -> None:
    await store.submit([make(body=b"[1]")])
    (claimed,) = await claim(store)
    await store.settle([Outcome(claimed.task.id, claimed.token, Step.SUCCEED, 2, b"2", Codec.JSON)])
    (found,) = await store.find(Query())
    assert (found.submission.body, found.result, found.result_codec) == (b"", b"", Codec.JSON)
    whole = await store.get(found.id, whole=True)
    assert whole is not None
    assert (whole.submission.body, whole.result) == (b"[1]", b"2")


async def test_a_delivery_has_the_task_as_it_ended_whatever_became_of_it_since(
    store: PostgresStore, make: Make
) -> None:
    await store.submit([make(callback=b"to", deadline=9 * US, attempts_max=2, body=b"[1]")])
    (claimed,) = await claim(store)
    outcome = Outcome(claimed.task.id, claimed.token, Step.FAIL, 3, fault=b'{"detail": "no\\u0000"}')
    assert await store.settle([outcome]) == [True]
    ended = await store.get(claimed.task.id)
    assert await store.replay(claimed.task.id, 4, 5) is State.PENDING
    (delivery,) = await store.deliveries("r", 10, 5)
    assert delivery.task == ended
    await store.delivered([Delivered(delivery.id, delivery.token, dead=True)])
    assert [each.task for each in await store.undelivered()] == [ended]
    await store.enlist(Runner("other"))


def test_changes_are_read_from_the_front_of_a_row() -> None:
    row = (id_of(1), "f", "RUNNING", 7, True, "more")
    assert changes_of([row]) == [Change(id_of(1), "f", State.RUNNING, 7, cancelling=True)]
