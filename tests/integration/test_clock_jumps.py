"""Hosts whose clocks jump by an hour in the middle of everything, back and forth, with either store."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import SUPPORT, Write, until
from tests.integration.history import History, check
from tests.integration.test_task_storm import CODE, LEASE_S, TOML, all_of, settled
from tests.integration.web import Web, serving
from tests.postgres import servers

HOUR_S = 3600
STAY_S = 1.5 * LEASE_S
"""How long a clock is wrong: past what a lease is."""
PHASES = (0, HOUR_S, 0, -HOUR_S, 0)


class Clock:
    """A clock that is wrong by some seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.set(0)

    @property
    def by(self) -> tuple[str, ...]:
        return (sys.executable, str(SUPPORT / "shifted.py"), str(self._path))

    def set(self, s: int) -> None:
        # As long each time: it is read while it is written.
        with self._path.open("r+b" if self._path.exists() else "wb") as file:
            file.write(b"%+10d\n" % s)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield "sqlite:tasks.db"
        return
    for server in servers():
        yield server.url


@pytest.fixture
def shop(write: Write) -> Path:
    return write(shop__py=CODE)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock.txt")


def submit(web: Web, key: str, s: float = 0.0, **headers: str) -> str:
    body = json.dumps({"key": key, "s": s}).encode()
    answer = web.ask("POST", "/v1/call/shop.echo", body, Prefer="respond-async", Idempotency_Key=key, **headers)
    assert answer.status == 202, answer
    return answer.json["id"]


def submitting(webs: list[Web], number: int, history: History, over: threading.Event) -> None:
    """Submit task after task to either host, some of which run for as long as a lease."""
    chance, count = random.Random(number), 0
    while not over.is_set():
        count += 1
        key = f"{number}-{count}"
        history.promised(key, submit(chance.choice(webs), key, chance.choice((0.0, 0.01, 0.1, 0.1, LEASE_S))))
        over.wait(0.5)


@pytest.mark.parametrize("both", [False, True], ids=["one host's", "all hosts'"])
def test_clocks_that_jump_by_an_hour_end_no_lease_and_lose_and_double_nothing(
    shop: Path,
    store: str,
    clock: Clock,
    both: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    history, over = History(), threading.Event()
    toml = TOML.format(runs=shop / "runs.txt", store=store, lease=LEASE_S)
    with (
        serving(cwd=shop, toml=toml, by=clock.by) as wrong,
        serving(cwd=shop, toml=toml, by=clock.by if both else ()) as other,
    ):
        callers = [threading.Thread(target=submitting, args=([wrong, other], n, history, over)) for n in range(3)]
        for caller in callers:
            caller.start()
        try:
            for phase in PHASES:
                clock.set(phase)
                time.sleep(STAY_S)
        finally:
            over.set()
            for caller in callers:
                caller.join()
        until(lambda: settled(other))
        kept = all_of(other)
    runs = Counter((shop / "runs.txt").read_text().split())
    assert check(history, kept, runs) == []
    assert {task["state"] for task in kept.values()} == {"SUCCEEDED"}
    # Nobody was taken for dead: whatever ran when a clock jumped ran on, and once.
    assert {task["attempts"] for task in kept.values()} == {1}
    assert set(runs.values()) == {1}
    assert len(kept) > 3 * len(PHASES)


def test_moments_are_read_from_the_clocks_of_hosts(shop: Path, store: str, clock: Clock) -> None:
    """What is due by a clock that jumped ahead is run then; one that is behind delays nothing that others can see."""
    toml = TOML.format(runs=shop / "runs.txt", store=store, lease=LEASE_S)
    with serving(cwd=shop, toml=toml, by=clock.by) as host:
        soon = submit(host, "soon", Dragoman_Task_Delay="30m")
        later = submit(host, "later", Dragoman_Task_Delay="2h")
        assert host.task(soon)["state"] == "SCHEDULED"
        clock.set(HOUR_S)
        host.reaches(soon, "SUCCEEDED")
        assert host.task(later)["state"] == "SCHEDULED"
        clock.set(-HOUR_S)
        # By itself this host would wait an hour longer now.
        with serving(cwd=shop, toml=toml) as right:
            late = submit(right, "late", Dragoman_Task_Delay="1s")
            host.reaches(late, "SUCCEEDED")
            # What is to run at once is run by whoever hears of it, whatever the clocks say.
            for number in range(8):
                right.reaches(submit((host, right)[number % 2], f"at once {number}"), "SUCCEEDED")
