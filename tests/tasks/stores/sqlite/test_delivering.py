"""Deliveries are taken by one, tried again, given up, and asked for again."""

import sqlite3

from dragoman.tasks.state import State
from dragoman.tasks.stores.sqlite.asking import cancel, replay
from dragoman.tasks.stores.sqlite.delivering import delivered, deliveries, redeliver, undelivered
from dragoman.tasks.stores.sqlite.submitting import submit
from dragoman.tasks.stores.sqlite.work import Work
from dragoman.tasks.task import Delivered
from tests.tasks.stores.sqlite.conftest import Make


def test_a_delivery_tells_how_the_task_ended_whatever_it_is_now(work: Work, make: Make) -> None:
    submit(work, [make(callback=b"there")])
    cancel(work, "t1", 5)
    replay(work, "t1", 6, 1, 0)

    (delivery,) = deliveries(work, "r", 10, 7)

    assert (delivery.target, delivery.number) == (b"there", 1)
    assert (delivery.task.state, delivery.task.finished_at) == (State.CANCELLED, 5)
    assert deliveries(work, "r", 10, 7) == []


def test_a_delivery_is_given_up_and_taken_up_again(work: Work, db: sqlite3.Connection, make: Make) -> None:
    submit(work, [make(callback=b"there")])
    cancel(work, "t1", 5)
    first = deliveries(work, "r", 1, 7)[0]

    delivered(work, [Delivered(first.id, first.token + 1, done=True)])
    delivered(work, [Delivered(first.id, first.token, due_at=9, fault="busy")])
    assert deliveries(work, "r", 1, 8) == []
    second = deliveries(work, "r", 1, 9)[0]
    assert (second.id, second.number, second.fault) == (first.id, 2, "busy")
    delivered(work, [Delivered(second.id, second.token, dead=True, fault="gone")])
    assert [each.fault for each in undelivered(db, 5)] == ["gone"]

    assert redeliver(work, first.id)
    assert not redeliver(work, first.id)
    third = deliveries(work, "r", 1, 8)[0]
    delivered(work, [Delivered(third.id, third.token, done=True)])

    assert db.execute("SELECT count(*) FROM deliveries").fetchone() == (0,)


def test_an_attempt_that_was_not_made_does_not_count(work: Work, make: Make) -> None:
    submit(work, [make(callback=b"there")])
    cancel(work, "t1", 5)
    (first,) = deliveries(work, "r", 1, 7)

    delivered(work, [Delivered(first.id, first.token, due_at=8, tried=False)])

    (second,) = deliveries(work, "r", 1, 8)
    assert (first.number, second.number) == (1, 1)
