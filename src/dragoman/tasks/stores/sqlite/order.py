"""What the loop hands to the thread that writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import asyncio

    from dragoman.tasks.stores.sqlite.work import Work

Many = Callable[["Work", Sequence[Any]], Sequence[Any] | None]
Single = Callable[["Work"], Any]


class Order(NamedTuple):
    """Something to be written: `many` is done once for the `items` of all orders that have it, `single` by itself.

    Of orders that came together, those of the least `rank` are done first. What is not `lasting` is of no use once the
    machine has gone, as who runs what: then its runners have gone too.
    """

    future: asyncio.Future[Any]
    rank: int
    many: Many | None = None
    items: Sequence[Any] = ()
    single: Single | None = None
    lasting: bool = True


def perform(work: Work, orders: Sequence[Order]) -> list[Any]:
    """Do orders, sorted by rank, and say what came of each."""
    answers: list[Any] = []
    at = 0
    while at < len(orders):
        first = orders[at]
        if first.many is None:
            answers.append(first.single(work) if first.single else None)
            at += 1
            continue
        end = at + 1
        while end < len(orders) and orders[end].many is first.many:
            end += 1
        answers += _together(work, first.many, orders[at:end])
        at = end
    return answers


def _together(work: Work, many: Many, orders: Sequence[Order]) -> list[Any]:
    said = many(work, [item for order in orders for item in order.items])
    if said is None:
        return [None] * len(orders)
    answers: list[Any] = []
    start = 0
    for order in orders:
        answers.append(list(said[start : start + len(order.items)]))
        start += len(order.items)
    return answers
