from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from dragoman.core.fault import Cancelled, DeadlineExceeded, InvalidArgument, NotFound, Started
from dragoman.wire.frame import Frame, Kind, encode
from dragoman.wire.report import load_fault
from tests.guest.driver import is_unstarted

if TYPE_CHECKING:
    from tests.guest.conftest import Start

SOURCE = """
import os
import time

def add(a: float, b: float) -> float:
    return a + b

def same(x: int) -> int:
    return x

def nap(s: float) -> str:
    time.sleep(s)
    return "rested"

def wait_for(path: str) -> str:
    while not os.path.exists(path):
        time.sleep(0.002)
    return "seen"
"""


def test_a_call_is_answered_with_its_result(serve: Start) -> None:
    assert serve(SOURCE).call("add", {"a": 1.5, "b": 2}) == 3.5


def test_ten_thousand_pipelined_calls_are_each_answered_once_and_in_order(serve: Start) -> None:
    guest = serve(SOURCE)
    answered: list[int] = []
    for _ in range(10):
        calls = [guest.frame("same", {"x": number}) for number in range(1000)]
        guest.send(*calls)
        last = guest.last
        frame = guest.answer(last)
        answers = [each for each in guest.frames if each.kind == Kind.END] + [frame]
        assert [json.loads(each.body) for each in answers] == list(range(1000))
        answered += [each.call for each in answers]
        guest.frames.clear()
    assert answered == list(range(1, 10_001))


def test_input_that_breaks_the_contract_never_starts(serve: Start) -> None:
    with pytest.raises(InvalidArgument) as caught:
        serve(SOURCE).call("add", {"a": "one"})
    assert caught.value.started is Started.NO
    assert caught.value.errors


def test_a_function_that_is_not_there_is_not_found(serve: Start) -> None:
    with pytest.raises(NotFound) as caught:
        serve(SOURCE).call("missing")
    assert caught.value.started is Started.NO


def test_the_progress_page_names_the_call_that_began_last(serve: Start) -> None:
    guest = serve(SOURCE)
    guest.call("same", {"x": 1})
    call = guest.start("same", {"x": 2})
    guest.result(call)
    assert guest.last_begun() == call


def test_a_call_that_has_not_begun_is_given_back(serve: Start) -> None:
    guest = serve(SOURCE)
    gate = guest.folder / "gate"
    slow = guest.start("wait_for", {"path": str(gate)})
    unstarted = guest.start("same", {"x": 1})
    guest.revoke(unstarted)
    frame = guest.answer(unstarted)
    assert is_unstarted(frame)
    assert load_fault(frame.body).started is Started.NO
    gate.touch()
    assert guest.result(slow) == "seen"


def test_a_revoke_of_the_running_call_changes_nothing(serve: Start) -> None:
    guest = serve(SOURCE)
    gate = guest.folder / "gate"
    call = guest.start("wait_for", {"path": str(gate)})
    guest.begun(call)
    guest.revoke(call)
    assert guest.pong() == b"hello"
    gate.touch()
    assert guest.result(call) == "seen"


def test_a_cancelled_call_that_has_not_begun_never_does(serve: Start) -> None:
    guest = serve(SOURCE)
    gate = guest.folder / "gate"
    guest.start("wait_for", {"path": str(gate)})
    unstarted = guest.start("same", {"x": 1})
    guest.cancel(unstarted)
    with pytest.raises(Cancelled) as caught:
        guest.result(unstarted)
    assert caught.value.started is Started.NO
    gate.touch()


def test_a_call_whose_deadline_passed_in_line_never_begins(serve: Start) -> None:
    guest = serve(SOURCE)
    guest.start("nap", {"s": 0.05})
    late = guest.start("same", {"x": 1}, ms=5)
    with pytest.raises(DeadlineExceeded) as caught:
        guest.result(late)
    assert caught.value.started is Started.NO


def test_answers_do_not_wait_for_slow_calls_behind_them(serve: Start) -> None:
    guest = serve(SOURCE)
    gate = guest.folder / "gate"
    guest.send(guest.frame("same", {"x": 7}), guest.frame("wait_for", {"path": str(gate)}))
    assert guest.result(1) == 7
    gate.touch()
    assert guest.result(2) == "seen"


def test_a_broken_frame_ends_the_worker_with_the_reason(serve: Start) -> None:
    guest = serve(SOURCE)
    guest.send(b"\xff" * 32)
    frame = guest.receive(lambda frame: frame.kind == Kind.FAULT and frame.call == 0)
    assert "broke the protocol" in load_fault(frame.body).detail
    assert guest.wait() != 0


def test_a_corrupt_call_is_answered_with_data_loss(serve: Start) -> None:
    guest = serve(SOURCE)
    guest.start("same", {"x": 1})
    broken = bytearray(encode(Frame(Kind.CALL, 1, 1, guest.names.index("same"), 99, body=b'{"x":1}')))
    broken[-2] ^= 1
    guest.connection.call_header(99, 0, 1, 7)
    guest.send(bytes(broken))
    assert load_fault(guest.answer(99).body).code == "DATA_LOSS"


def test_a_large_body_comes_back_whole(serve: Start) -> None:
    guest = serve("def echo(text: str) -> str:\n    return text\n")
    text = "x" * 3_000_000
    assert guest.call("echo", {"text": text}) == text


def test_a_worker_without_calls_uses_no_cpu(serve: Start) -> None:
    guest = serve(SOURCE)
    guest.call("same", {"x": 1})

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        before = guest.wakes()
        # A quiet stretch to look at, on the socket rather than in a sleep: nothing may come.
        guest.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            guest.sock.recv(1)
        if guest.wakes() == before:
            return
    pytest.fail("the watcher keeps waking up though there are no calls")


def test_the_first_call_after_idleness_is_watched_again(serve: Start) -> None:
    guest = serve(SOURCE)
    guest.call("same", {"x": 1})
    guest.sock.settimeout(1.6)
    with pytest.raises(TimeoutError):
        guest.sock.recv(1)
    guest.sock.settimeout(20)
    gate = guest.folder / "gate"
    call = guest.start("wait_for", {"path": str(gate)})
    assert guest.pong() == b"hello"
    gate.touch()
    assert guest.result(call) == "seen"
