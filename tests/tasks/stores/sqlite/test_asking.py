"""Tasks are cancelled, run anew, and moved on by time, a bounded number of them at once."""

from dragoman.tasks.state import State, Step
from dragoman.tasks.stores.sqlite.asking import cancel, hurry, replay, tick
from dragoman.tasks.stores.sqlite.running import claim
from dragoman.tasks.stores.sqlite.settling import settle
from dragoman.tasks.stores.sqlite.submitting import submit
from dragoman.tasks.stores.sqlite.work import Work
from dragoman.tasks.task import Outcome, Want
from tests.tasks.stores.sqlite.conftest import Make


def test_a_tick_moves_so_many_and_says_that_there_are_more(work: Work, make: Make) -> None:
    submit(work, [make(submitted_at=1, not_before=2) for _ in range(4)])

    assert tick(work, 3, 3) == 3
    assert tick(work, 3, 3) == 0


def test_a_tick_says_what_comes_next(work: Work, make: Make) -> None:
    submit(work, [make(submitted_at=1, not_before=50), make(deadline=40)])

    assert tick(work, 3, 9) == 40
    assert tick(work, 40, 9) == 50


def test_only_what_pauses_is_hurried(work: Work, make: Make) -> None:
    submit(work, [make(submitted_at=1, not_before=50), make()])
    (claimed,) = claim(work, "r", [Want("f", 1)], 5)
    settle(work, [Outcome(claimed.task.id, claimed.token, Step.RETRY, 5, due_at=60)])

    hurry(work, 9)

    rows = work.find(["t1", "t2"])
    assert (rows["t1"].due_at, rows["t2"].due_at) == (50, 9)
    assert rows["t2"].seq == claimed.task.seq + 2
    assert tick(work, 9, 9) == 50


def test_only_what_ended_without_a_result_runs_anew(work: Work, make: Make) -> None:
    submit(work, [make(), make()])

    assert cancel(work, "t1", 5) is State.CANCELLED
    assert replay(work, "t1", 6, 3, 0) is State.PENDING
    assert replay(work, "t2", 6, 3, 0) is State.PENDING
    assert work.find(["t1"])["t1"].attempts_max == 3
    assert work.find(["t2"])["t2"].attempts_max == 1
    assert cancel(work, "nobody", 5) is None
    assert replay(work, "nobody", 5, 1, 0) is None
