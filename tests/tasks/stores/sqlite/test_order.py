"""Orders of one kind are done together, each gets its own answers, in the order of their ranks."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from dragoman.tasks.stores.sqlite.order import Order, perform
from dragoman.tasks.stores.sqlite.work import Work

NO_WORK = cast("Work", None)


def alone(_: Work) -> str:
    return "alone"


def silent(_work: Work, _items: Sequence[Any]) -> None:
    return


async def test_orders_of_one_kind_are_done_at_once_and_answered_apart() -> None:
    seen: list[Sequence[Any]] = []

    def double(_: Work, items: Sequence[Any]) -> list[int]:
        seen.append(items)
        return [2 * item for item in items]

    future = asyncio.get_running_loop().create_future()
    orders = [
        Order(future, 0, double, [1, 2]),
        Order(future, 0, double, [3]),
        Order(future, 1, single=alone),
        Order(future, 2, double, [4]),
    ]

    assert perform(NO_WORK, orders) == [[2, 4], [6], "alone", [8]]
    assert seen == [[1, 2, 3], [4]]


async def test_what_answers_nothing_answers_none_to_each() -> None:
    future = asyncio.get_running_loop().create_future()

    orders = [Order(future, 0, silent, [1])] * 2

    assert perform(NO_WORK, orders) == [None, None]
