from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dragoman.core.fault import Cancelled, Started

if TYPE_CHECKING:
    from tests.guest.conftest import Start
    from tests.guest.driver import Guest

SOURCE = """
import threading
import time
from dragoman.guest.context import Context

def spin() -> None:
    while True:
        pass

def sleep() -> None:
    time.sleep(3600)

def blocked() -> None:
    threading.Lock().acquire() and threading.Event().wait()

def swallows_exceptions() -> None:
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            pass

def prints() -> None:
    while True:
        print("still here")

def cleans_up(path: str) -> None:
    try:
        time.sleep(3600)
    finally:
        open(path, "w").close()

def insists(path: str) -> str:
    try:
        time.sleep(3600)
    except BaseException as error:
        return type(error).__name__

def cooperates(ctx: Context) -> str:
    while not ctx.cancelled:
        time.sleep(0.001)
    return "stopped by itself"

def same(x: int) -> int:
    return x
"""


def cancelled(guest: Guest, call: int) -> Cancelled:
    guest.begun(call)
    guest.cancel(call)
    with pytest.raises(Cancelled) as caught:
        guest.result(call)
    return caught.value


@pytest.mark.parametrize("name", ["spin", "sleep", "blocked", "swallows_exceptions", "prints"])
def test_a_cancelled_function_is_stopped_whatever_it_does(serve: Start, name: str) -> None:
    guest = serve(SOURCE)
    assert cancelled(guest, guest.start(name)).started is Started.YES
    assert guest.call("same", {"x": 1}) == 1


def test_a_cancelled_function_cleans_up(serve: Start) -> None:
    guest = serve(SOURCE)
    mark = guest.folder / "cleaned"
    cancelled(guest, guest.start("cleans_up", {"path": str(mark)}))
    assert mark.exists()


def test_a_function_may_answer_after_its_interruption(serve: Start) -> None:
    guest = serve(SOURCE)
    call = guest.start("insists", {"path": ""})
    guest.begun(call)
    guest.cancel(call)
    assert guest.result(call) == "CallCancelled"


def test_a_function_that_asks_may_stop_by_itself(serve: Start) -> None:
    guest = serve(SOURCE)
    call = guest.start("cooperates")
    guest.begun(call)
    guest.cancel(call)
    assert guest.result(call) == "stopped by itself"


def test_a_cancel_hits_its_call_or_none(serve: Start) -> None:
    guest = serve(SOURCE + "\ndef brief(s: float) -> str:\n    time.sleep(s)\n    return 'done'\n")
    outcomes: set[str] = set()
    for number in range(100):
        # The watcher looks every 20 ms: calls that end about then meet their cancellation at the door.
        call = guest.start("brief", {"s": 0.010 + 0.0003 * number})
        behind = guest.start("same", {"x": number})
        while guest.last_begun() < call:
            pass
        guest.cancel(call)
        try:
            outcomes.add(guest.result(call))
        except Cancelled:
            outcomes.add("cancelled")
        assert guest.result(behind) == number
    assert outcomes == {"done", "cancelled"}
