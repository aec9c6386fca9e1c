from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.guest.driver import Gone

if TYPE_CHECKING:
    from tests.guest.conftest import Start

SOURCE = """
import os
import time

def wait_for(path: str) -> str:
    while not os.path.exists(path):
        time.sleep(0.002)
    return "seen"

def spin() -> None:
    while True:
        pass

def sleep() -> None:
    time.sleep(3600)

def same(x: int) -> int:
    return x
"""


def test_a_ping_is_answered_while_a_function_sleeps(serve: Start) -> None:
    guest = serve(SOURCE)
    guest.begun(guest.start("sleep"))
    assert guest.pong(b"one") == b"one"
    assert guest.pong(b"two") == b"two"


def test_a_ping_is_answered_while_a_function_spins(serve: Start) -> None:
    guest = serve(SOURCE)
    guest.begun(guest.start("spin"))
    assert guest.pong(b"one") == b"one"


def test_an_answer_goes_out_while_the_call_behind_it_runs_long(serve: Start) -> None:
    guest = serve(SOURCE)
    guest.send(guest.frame("same", {"x": 1}), guest.frame("sleep"))
    assert guest.result(1) == 1


def test_calls_that_come_while_one_runs_wait_their_turn(serve: Start) -> None:
    guest = serve(SOURCE)
    gate = guest.folder / "gate"
    first = guest.start("wait_for", {"path": str(gate)})
    guest.begun(first)
    behind = [guest.start("same", {"x": number}) for number in range(20)]
    assert guest.pong() == b"hello"
    gate.touch()
    assert [guest.result(call) for call in [first, *behind]] == ["seen", *range(20)]


@pytest.mark.parametrize("name", ["sleep", "spin"])
def test_a_worker_whose_host_is_gone_ends_though_a_function_runs(serve: Start, name: str) -> None:
    guest = serve(SOURCE)
    guest.begun(guest.start(name))
    guest.sock.close()
    assert guest.wait() != 0


def test_closing_every_descriptor_ends_the_worker(serve: Start) -> None:
    guest = serve("import os\ndef close_all() -> None:\n    os.closerange(3, 4096)\n")
    guest.start("close_all")
    with pytest.raises(Gone):
        guest.receive(lambda _: False)
    assert guest.wait() != 0


def test_short_calls_are_hardly_watched(serve: Start) -> None:
    guest = serve(SOURCE)
    began_at = time.monotonic()
    for number in range(2000):
        guest.call("same", {"x": number})
    took_s = time.monotonic() - began_at
    assert guest.wakes(guest.threads[-1]) < 200 + took_s * 200
