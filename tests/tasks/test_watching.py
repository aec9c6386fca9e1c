import asyncio

from dragoman.tasks.state import State
from dragoman.tasks.task import Change
from dragoman.tasks.watching import Watching

CHANGE = Change("a", "f", State.RUNNING, 2)


async def test_whoever_waits_for_a_task_is_woken_by_its_change_and_by_no_other() -> None:
    watching = Watching()
    with watching.next("a") as first, watching.next("a") as second, watching.next("b") as other:
        watching.heard([CHANGE])
        assert await first.changed(5)
        assert await second.changed(5)
        assert not await other.changed(0)


async def test_a_change_between_making_a_watch_and_waiting_is_not_missed() -> None:
    watching = Watching()
    with watching.next("a") as watch:
        watching.heard([CHANGE])
        await asyncio.sleep(0)
        assert await watch.changed(5)


async def test_nothing_is_left_of_watches_that_were_closed() -> None:
    watching = Watching()
    for _ in range(3):
        with watching.next("a"), watching.next("a"):
            assert len(watching) == 2
    assert len(watching) == 0
    watching.heard([CHANGE])


async def test_listeners_hear_everything() -> None:
    watching, heard = Watching(), list[Change]()
    watching.listeners.append(heard.extend)
    watching.heard([CHANGE, CHANGE])
    assert heard == [CHANGE, CHANGE]
