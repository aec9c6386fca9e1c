import asyncio
import threading
from collections.abc import Iterator

import pytest

from dragoman.core.fault import Draining
from dragoman.workers.crossing import run_on_loop, tell_loop, wait_for_loop


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread of its own."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    end(made, thread)


def end(loop: asyncio.AbstractEventLoop, thread: threading.Thread | None = None) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)
        while loop.is_running():
            threading.Event().wait(0.001)
        loop.close()
    if thread is not None:
        thread.join()


def test_work_runs_on_the_loop_and_its_result_comes_back(loop: asyncio.AbstractEventLoop) -> None:
    async def where() -> int:
        return threading.get_ident()

    assert run_on_loop(loop, where()) != threading.get_ident()


def test_what_the_work_raises_comes_back_too(loop: asyncio.AbstractEventLoop) -> None:
    async def fail() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        run_on_loop(loop, fail())


def test_the_loop_settles_what_a_thread_waits_for(loop: asyncio.AbstractEventLoop) -> None:
    settled = threading.Event()
    assert tell_loop(loop, settled.set)
    wait_for_loop(settled, loop)


def test_a_loop_that_has_ended_is_noticed(loop: asyncio.AbstractEventLoop) -> None:
    async def never() -> None:
        raise AssertionError

    end(loop)
    assert not tell_loop(loop, threading.Event().set)
    with pytest.raises(Draining):
        wait_for_loop(threading.Event(), loop)
    with pytest.raises(Draining):
        run_on_loop(loop, never())


def test_a_loop_that_ends_meanwhile_is_noticed(loop: asyncio.AbstractEventLoop) -> None:
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    def close() -> None:
        begun.wait(5)
        end(loop)

    closer = threading.Thread(target=close)
    closer.start()
    with pytest.raises(Draining):
        run_on_loop(loop, wait())
    closer.join()
