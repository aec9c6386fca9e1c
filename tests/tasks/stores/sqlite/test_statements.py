"""Many rows go in as few statements, whatever their number."""

import sqlite3

import pytest

from dragoman.tasks.stores.sqlite.statements import ROWS_MAX, listed, read_many, run_many


@pytest.mark.parametrize("count", [0, 1, 2, 3, 255, 256, 257, 1000])
def test_every_row_is_written_once(count: int) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (a, b)")
    steps: list[str] = []
    db.set_trace_callback(steps.append)

    run_many(db, "INSERT INTO t VALUES {rows}", [(number, "x") for number in range(count)])

    assert [row[0] for row in db.execute("SELECT a FROM t ORDER BY a")] == list(range(count))
    assert len([step for step in steps if step.startswith("INSERT")]) <= count // ROWS_MAX + 9
    db.close()


def test_rows_come_back_as_one() -> None:
    db = sqlite3.connect(":memory:")

    found = read_many(
        db, "SELECT json_group_array(json_array(value, value * 2)) FROM json_each(?)", (listed(["1", 2, 3]),)
    )

    assert found == [["1", 2], [2, 4], [3, 6]]
    db.close()
