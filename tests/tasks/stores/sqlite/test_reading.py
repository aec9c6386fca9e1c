"""Lists come by an index in their order, whatever is asked for."""

import sqlite3

import pytest

from dragoman.tasks.state import State
from dragoman.tasks.stores.sqlite.asking import cancel
from dragoman.tasks.stores.sqlite.reading import find
from dragoman.tasks.stores.sqlite.submitting import submit
from dragoman.tasks.stores.sqlite.work import Work
from dragoman.tasks.task import Query
from tests.tasks.stores.sqlite.conftest import Make

QUERIES = [
    Query(),
    Query(before="t3"),
    Query(states=frozenset({State.PENDING})),
    Query(states=frozenset({State.PENDING, State.CANCELLED}), before="t3"),
    Query(function="f"),
    Query(function="f", states=frozenset({State.CANCELLED})),
    Query(caller="me"),
    Query(caller="me", function="f", states=frozenset({State.PENDING})),
    Query(parent="p"),
    Query(schedule="s", states=frozenset({State.PENDING})),
]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_lists_are_right_and_sort_nothing(work: Work, db: sqlite3.Connection, make: Make, query: Query) -> None:
    submit(work, [make(), make(caller="me"), make(parent="p"), make(schedule="s"), make(function="g", caller="me")])
    cancel(work, "t2", 1)
    statements: list[str] = []
    db.set_trace_callback(statements.append)

    found = find(db, query)

    db.set_trace_callback(None)
    everything = find(db, Query())
    assert [each.id for each in everything] == ["t5", "t4", "t3", "t2", "t1"]
    expected = [
        each.id
        for each in everything
        if (not query.states or each.state in query.states)
        and query.function in ("", each.submission.function)
        and query.caller in ("", each.submission.caller)
        and query.parent in ("", each.submission.parent)
        and query.schedule in ("", each.submission.schedule)
        and (not query.before or each.id < query.before)
    ]
    assert [each.id for each in found] == expected
    for statement in [each for each in statements if each.startswith("SELECT id")]:
        plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}"))
        assert "TEMP B-TREE" not in plan
        assert "INDEX tasks_" in plan
