"""`dragoman.gather`: the results of several tasks, in their order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast, overload

from dragoman.client.async_task import AsyncTask
from dragoman.client.persistence import Persistence
from dragoman.client.task import Task
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

AT_ONCE_MAX = 32
"""Tasks that are waited for at a time: few enough for a host that has other callers, and for one that has 256
connections."""


@overload
def gather(*tasks: Task, timeout: float | None = None, faults: bool = False) -> list[Any]: ...
@overload
def gather(*tasks: AsyncTask, timeout: float | None = None, faults: bool = False) -> Awaitable[list[Any]]: ...
def gather(
    *tasks: Task | AsyncTask, timeout: float | None = None, faults: bool = False
) -> list[Any] | Awaitable[list[Any]]:
    """Wait for tasks, `timeout` seconds for all of them together; their results, in the order in which they are given.

    Raises the `Fault` of the first that is found to have failed; the others go on. With `faults` they all are waited
    for, and a fault stands where its task's result would. Tasks to await are awaited together: `await gather(…)`.
    """
    if not tasks:
        return Nothing()
    if all(isinstance(each, Task) for each in tasks):
        return _blocking(cast("tuple[Task, ...]", tasks), _left(timeout), faults=faults)
    if all(isinstance(each, AsyncTask) for each in tasks):
        return _awaited(cast("tuple[AsyncTask, ...]", tasks), _left(timeout), faults=faults)
    message = "gather takes tasks, and either those of a face that blocks or those of one that is awaited"
    raise TypeError(message)


class Nothing(list[Any]):
    """The results of no tasks, for whoever awaits them and for whoever does not."""

    def __await__(self) -> Generator[Any, None, list[Any]]:
        yield from ()
        return []


def _left(timeout_s: float | None) -> Callable[[], float | None]:
    """What is left of a time that begins now."""
    persistence = Persistence(timeout_s, SystemClock())
    return persistence.left_s


def _blocking(tasks: tuple[Task, ...], left: Callable[[], float | None], *, faults: bool) -> list[Any]:
    results: list[Any] = []
    for task in tasks:
        try:
            results.append(task.result(left()))
        except Fault as fault:
            if not faults:
                raise
            results.append(fault)
    return results


async def _awaited(tasks: tuple[AsyncTask, ...], left: Callable[[], float | None], *, faults: bool) -> list[Any]:
    free = asyncio.Semaphore(AT_ONCE_MAX)

    async def result(task: AsyncTask) -> Any:
        async with free:
            try:
                return await task.result(left())
            except Fault as fault:
                if not faults:
                    raise
                return fault

    waiting = [asyncio.ensure_future(result(task)) for task in tasks]
    try:
        return await asyncio.gather(*waiting)
    finally:
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
