"""Several processes on one file, some of which are killed in the middle of what they do."""

import signal
from collections import Counter
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pytest

from dragoman.tasks.liveness import has_gone
from dragoman.tasks.state import State
from dragoman.tasks.stores.sqlite import SqliteStore
from dragoman.tasks.task import Change, Query, Submission
from dragoman.testing.task_store.hosts import until
from tests.tasks.stores.sqlite.hosts import process


@pytest.mark.parametrize("after", [1, 40, 900])
async def test_what_was_answered_outlives_who_answered(tmp_path: Path, after: int) -> None:
    path = tmp_path / "tasks.db"
    with process("submitting", path, "a") as child:
        assert child.stdout is not None
        told = [line.strip() for line in islice(child.stdout, after)]
        child.send_signal(signal.SIGKILL)
        told += [line.strip() for line in child.stdout if line.endswith("\n")]

    store = SqliteStore(path)
    await store.open()
    stored = {each.id for each in await store.find(Query(limit=100_000))}
    assert len(told) >= after
    assert set(told) <= stored
    assert sum((await store.census()).counts.values()) == len(stored)
    await store.close()


async def test_two_who_are_killed_leave_a_file_for_the_third(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    with process("submitting", path, "a") as one, process("submitting", path, "b") as other:
        assert one.stdout is not None
        assert other.stdout is not None
        told = [line.strip() for child in (one, other) for line in islice(child.stdout or (), 100)]
        one.send_signal(signal.SIGKILL)
        told += [line.strip() for line in islice(other.stdout, 100)]
        other.send_signal(signal.SIGKILL)

    with process("working", path, "third") as third:
        assert third.stdout is not None
        claimed = [line.strip() for line in third.stdout]
    assert set(told) <= set(claimed)
    assert max(Counter(claimed).values()) == 1


async def test_processes_claim_each_task_once(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "tasks.db")
    heard: list[Change] = []
    store.listen(heard.extend)
    await store.open()
    ids = [f"{number:04}" for number in range(400)]
    await store.submit([Submission(each, "f", "1", b"{}") for each in ids])

    with ExitStack() as stack:
        children = [stack.enter_context(process("working", tmp_path / "tasks.db", f"w{n}")) for n in range(3)]
        claimed = [line.strip() for child in children for line in child.stdout or ()]
        assert [child.wait() for child in children] == [0, 0, 0]

    assert sorted(claimed) == ids
    await until(lambda: len({each.id for each in heard if each.state is State.SUCCEEDED}) == len(ids))
    await store.close()


async def test_a_runner_whose_process_was_killed_is_seen_at_once(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "tasks.db")
    await store.open()
    await store.submit([Submission("t", "f", "1", b"{}", attempts_max=2)])
    with process("holding", tmp_path / "tasks.db", "held") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "1\n"
        (beat,) = await store.beats()
        assert not has_gone(beat.runner)
        child.kill()
        await until(lambda: has_gone(beat.runner))

    assert await store.reap(beat.runner.id, 5, b"gone") == 1
    task = await store.get("t")
    assert task is not None
    assert task.state is State.RETRYING
    await store.close()
