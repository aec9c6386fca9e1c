"""Programs of other languages as contestants: what they call is there, and what they print is what counts."""

from __future__ import annotations

import socket
import sys

import pytest

from bench.foreign import contestant, served_for


def test_a_ping_pong_partner_gives_back_what_it_gets_from_one_program_after_another() -> None:
    with served_for("ping") as (address, pid):
        assert pid
        for _ in range(2):
            with socket.socket(socket.AF_UNIX) as wire:
                wire.connect(address)
                wire.sendall(b"x" * 89)
                assert wire.recv(100) == b"x" * 89


def test_a_program_is_run_as_it_comes_and_on_one_core() -> None:
    program = "import os, sys; print('{\"p50_us\": %d}' % len(os.sched_getaffinity(0)))"
    with contestant([sys.executable, "-c", program], "pythonia", 10) as turn:
        assert turn()["pinned_p50_us"] == 1


def test_a_program_that_fails_says_why() -> None:
    command = [sys.executable, "-c", "raise SystemExit('answered wrongly')"]
    with contestant(command, "pythonia", 10) as turn, pytest.raises(RuntimeError, match="answered wrongly"):
        turn()
