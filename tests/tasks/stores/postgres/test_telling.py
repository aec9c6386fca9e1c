import asyncio

from dragoman.tasks.stores.postgres import PostgresStore
from dragoman.tasks.stores.postgres.telling import TRIM_EVERY, merged
from dragoman.tasks.task import NOTES_MAX, Told
from tests.postgres import Server
from tests.tasks.stores.postgres.conftest import Make, claim, id_of


async def test_lines_are_kept_in_order_each_with_a_seq_to_itself(store: PostgresStore, make: Make) -> None:
    await store.submit([make(), make()])
    first, second = await claim(store, 2)
    told = [
        Told(first.task.id, first.token, 5, 0.25, "a quarter", (("info", "one"), ("warning", "two \x00\ud800\\"))),
        Told(second.task.id, second.token, 6, lines=(("info", "other"),)),
        Told(first.task.id, first.token, 7, lines=(("info", "three"),)),
    ]
    await store.tell(told)
    notes = await store.notes(first.task.id)
    assert [(note.level, note.message) for note in notes] == [
        ("info", "one"),
        ("warning", "two \x00\ud800\\"),
        ("info", "three"),
    ]
    assert len({note.seq for note in notes}) == 3
    assert [note.message for note in await store.notes(first.task.id, after=notes[0].seq, limit=1)] == [
        notes[1].message
    ]
    task = await store.get(first.task.id)
    assert task is not None
    assert (task.progress, task.message) == (0.25, "a quarter")
    assert task.seq > notes[-1].seq
    await store.tell([Told(first.task.id, first.token, 8, lines=(("info", "four"),))])
    assert [note.message for note in await store.notes(first.task.id, after=task.seq)] == ["four"]


async def test_nobody_else_speaks_for_a_task(store: PostgresStore, make: Make) -> None:
    await store.submit([make()])
    (claimed,) = await claim(store)
    lines = (("info", "no"),)
    await store.tell(
        [
            Told(claimed.task.id, claimed.token + 1, 5, 0.5, "no", lines),
            Told(id_of(9), 1, 5, lines=lines),
            Told("nonsense", 1, 5, lines=lines),
        ]
    )
    assert await store.notes(claimed.task.id) == []
    assert await store.notes("nonsense") == []


async def test_the_latest_lines_are_kept_and_not_many_more(
    store: PostgresStore, make: Make, shared_server: Server
) -> None:
    await store.submit([make()])
    (claimed,) = await claim(store)
    for start in range(0, 3 * NOTES_MAX, 100):
        lines = tuple(("info", str(start + number)) for number in range(100))
        await store.tell([Told(claimed.task.id, claimed.token, 5, lines=lines)])
    kept = [int(note.message) for note in await store.notes(claimed.task.id, limit=10_000)]
    assert kept == list(range(2 * NOTES_MAX, 3 * NOTES_MAX))
    assert int(shared_server.sql(f"SELECT count(*) FROM {store.options.schema}.notes")) <= NOTES_MAX + TRIM_EVERY + 100


async def test_what_many_tasks_say_at_once_is_kept_together(store: PostgresStore, make: Make) -> None:
    await store.submit([make() for _ in range(50)])
    claimed = await claim(store, 50)
    await asyncio.gather(
        *(store.tell([Told(each.task.id, each.token, 5, 0.5, lines=(("info", each.task.id),))]) for each in claimed)
    )
    for each in claimed:
        assert [note.message for note in await store.notes(each.task.id)] == [each.task.id]


def test_what_one_attempt_says_several_times_is_said_once() -> None:
    said = merged(
        [
            Told("a", 1, 5, 0.25, "quarter", (("info", "1"),)),
            Told("b", 1, 5, lines=(("info", "x"),)),
            Told("a", 1, 6, lines=(("info", "2"),)),
            Told("a", 1, 7, 0.5),
        ]
    )
    assert said[0] == Told("a", 1, 7, 0.5, "", (("info", "1"), ("info", "2")))
    assert said[1].lines == (("info", "x"),)
    flood = merged([Told("a", 1, 5, lines=(("info", "x"),) * 5000)])
    assert len(flood[0].lines) == NOTES_MAX
