"""Callers take turns, and nobody gains by coming late, by coming often, or by coming back."""

import sqlite3

from dragoman.tasks.stores.sqlite.turns import Turns


def test_each_callers_tasks_are_one_turn_apart(db: sqlite3.Connection) -> None:
    turns = Turns(db)

    assert turns.next([("f", 1, "many")] * 3 + [("f", 1, "one")]) == [0, 1, 2, 0]


def test_who_comes_later_begins_now(db: sqlite3.Connection) -> None:
    turns = Turns(db)
    turns.next([("f", 1, "many")] * 1000)
    turns.advance(("f", 1), 500)

    assert turns.next([("f", 1, "late"), ("f", 1, "many"), ("f", 0, "urgent")]) == [500, 1000, 0]


def test_turns_outlive_who_remembers_them(db: sqlite3.Connection) -> None:
    turns = Turns(db)
    turns.next([("f", 1, "a")] * 7)
    turns.advance(("f", 1), 3)
    turns.keep()

    assert Turns(db).next([("f", 1, "a"), ("f", 1, "b")]) == [7, 3]


def test_callers_whose_turn_is_now_anyway_are_forgotten(db: sqlite3.Connection) -> None:
    turns = Turns(db)
    turns.next([("f", 1, "past")] + [("f", 1, "future")] * 9)
    turns.advance(("f", 1), 5)
    turns.keep()

    turns.prune()

    assert db.execute("SELECT caller, finish FROM flows").fetchall() == [("future", 9)]
    assert turns.next([("f", 1, "past")]) == [5]


def test_what_was_given_in_the_same_transaction_is_not_forgotten(db: sqlite3.Connection) -> None:
    turns = Turns(db)
    turns.next([("f", 1, "a")] * 3)
    turns.advance(("f", 1), 1)

    turns.prune()
    turns.keep()

    assert turns.next([("f", 1, "a"), ("f", 1, "b")]) == [3, 1]
