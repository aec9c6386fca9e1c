"""Claims take who is due, and those of a runner that is gone are taken from it."""

import sqlite3

from dragoman.tasks.state import State
from dragoman.tasks.stores.sqlite.running import claim, pulse, reap
from dragoman.tasks.stores.sqlite.submitting import submit
from dragoman.tasks.stores.sqlite.work import Work
from dragoman.tasks.task import Want
from tests.tasks.stores.sqlite.conftest import Make


def test_a_claim_finds_its_tasks_by_an_index_and_sorts_nothing(work: Work, db: sqlite3.Connection, make: Make) -> None:
    submit(work, [make(), make()])
    statements: list[str] = []
    db.set_trace_callback(statements.append)
    claim(work, "r", [Want("f", 1)], 1)
    db.set_trace_callback(None)

    ready = next(each for each in statements if "tasks_ready" in each)
    plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {ready}"))
    assert "USING INDEX tasks_ready (function=?)" in plan
    assert "TEMP B-TREE" not in plan


def test_no_more_run_than_the_limit(work: Work, make: Make) -> None:
    submit(work, [make() for _ in range(5)])

    assert len(claim(work, "r", [Want("f", 5, limit=2)], 1)) == 2
    assert claim(work, "r", [Want("f", 5, limit=2)], 1) == []


def test_a_runner_that_is_not_known_gets_nothing(work: Work, make: Make) -> None:
    submit(work, [make()])

    assert claim(work, "stranger", [Want("f", 1)], 1) == []
    assert not pulse(work, "stranger").known


def test_what_a_runner_leaves_is_tried_again_or_given_up(work: Work, make: Make) -> None:
    submit(work, [make(attempts_max=2), make(attempts_max=1), make(attempts_max=9, deadline=5)])
    claim(work, "r", [Want("f", 3)], 1)

    assert reap(work, "r", 6, b"gone") == 3
    assert {row.id: row.state for row in work.find(["t1", "t2", "t3"]).values()} == {
        "t1": State.RETRYING,
        "t2": State.DEAD,
        "t3": State.TIMED_OUT,
    }
