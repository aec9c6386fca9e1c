"""The store of a project that nobody serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import dragoman
from dragoman.config.load import load
from dragoman.host.stored import StoredTasks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.host.conftest import Write

SHOP = """
    from dragoman import Fault

    def double(n: int) -> int:
        return 2 * n

    def refuses() -> None:
        raise Fault.failed_precondition("no paper")
"""


FILE = '[sources.shop]\npath = "shop.py"\n'


@pytest.fixture
def folder(write: Write) -> Path:
    return write(shop__py=SHOP, dragoman__toml=FILE)


def test_tasks_are_looked_at_and_cancelled_without_a_host(folder: Path) -> None:
    with dragoman.open(folder) as shop:
        done, failed = shop.submit("shop.double", {"n": 4}), shop.submit("shop.refuses")
        assert (done.wait()["state"], failed.wait()["state"]) == ("SUCCEEDED", "FAILED")
        later = shop.submit("shop.double", {"n": 5}, delay=3600)
    with StoredTasks(load([folder])) as stored:
        assert stored.present
        assert [each.id for each in stored.tasks()] == [later.id, failed.id, done.id]
        assert stored.task(done.id).result() == 8
        assert stored.task(failed.id).status()["fault"]["detail"] == "no paper"
        assert stored.task(done.id).logs() == []
        assert stored.task(later.id).cancel()["state"] == "CANCELLED"
        assert stored.undelivered() == []
        with pytest.raises(dragoman.NotFound):
            stored.task("019c3a5e-7c1d-7000-8000-0123456789ab")


def test_what_takes_a_function_takes_a_host(folder: Path) -> None:
    with dragoman.open(folder) as shop:
        shop.submit("shop.double", {"n": 1}).wait()
    with StoredTasks(load([folder])) as stored, pytest.raises(dragoman.Unavailable, match="no host"):
        stored.submit("shop.double", {"n": 1})


def test_what_failed_is_had_run_again_by_the_next_host(folder: Path) -> None:
    with dragoman.open(folder) as shop:
        failed, done = shop.submit("shop.refuses"), shop.submit("shop.double", {"n": 1})
        assert (failed.wait()["state"], done.wait()["state"]) == ("FAILED", "SUCCEEDED")
    (folder / "dragoman.toml").write_text(FILE + '[functions."shop.refuses"]\ntask = 5\n')
    with StoredTasks(load([folder])) as stored:
        again = stored.task(failed.id).retry()
        assert (again["state"], again["attempts"], again["attempts_max"]) == ("PENDING", 1, 6)
        with pytest.raises(dragoman.FailedPrecondition, match="it is not over"):
            stored.task(failed.id).retry()
        with pytest.raises(dragoman.FailedPrecondition, match="it has a result"):
            stored.task(done.id).retry()
    (folder / "shop.py").write_text("def refuses() -> str: return 'paper'")
    with dragoman.open(folder) as shop:
        assert shop.task(failed.id).result(timeout=30) == "paper"


def test_what_failed_of_a_source_that_is_gone_stays(folder: Path) -> None:
    with dragoman.open(folder) as shop:
        failed = shop.submit("shop.refuses")
        failed.wait()
    (folder / "dragoman.toml").write_text('[sources.store]\npath = "shop.py"\n')
    with StoredTasks(load([folder])) as stored, pytest.raises(dragoman.NotFound, match="no source shop any more"):
        stored.task(failed.id).retry()


def test_looking_makes_no_store(folder: Path) -> None:
    with StoredTasks(load([folder])) as stored:
        assert not stored.present
        assert list(stored.tasks()) == []
    assert not (folder / ".dragoman" / "tasks.db").exists()


def test_a_store_that_is_none_is_said_to_be_none(folder: Path) -> None:
    (folder / ".dragoman").mkdir()
    (folder / ".dragoman" / "tasks.db").write_bytes(b"nonsense" * 1000)
    with StoredTasks(load([folder])) as stored, pytest.raises(dragoman.Unavailable, match=r"tasks\.db"):
        list(stored.tasks())
