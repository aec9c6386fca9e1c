import asyncio
import os
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.core.fault import StartFailed
from dragoman.sandbox.confinement import Launch
from dragoman.workers.doorway import CALLERS_MAX, Doorway
from dragoman.workers.hire import hire
from dragoman.workers.source import at_once
from tests.workers.conftest import Staff

Make = Callable[..., Staff]

GUEST = """
import os, socket, sys
from dragoman.wire.connection import Connection
from dragoman.wire.handshake import Ready
from dragoman.wire.state import Role

assert "DRAGOMAN_WIRE_FD" not in os.environ
assert os.fstat(int(os.environ["DRAGOMAN_PROGRESS_FD"])).st_size == 4096
for token in sys.argv[1].split(","):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(os.environ["DRAGOMAN_WIRE_PATH"])
    connection = Connection(Role.GUEST)
    while connection.said_hello is None:
        connection.receive(sock.recv(65536))
    token = token.replace("TOKEN", os.environ["DRAGOMAN_WIRE_TOKEN"])
    sock.sendall(connection.ready(Ready("java", functions=({"name": "add"},), token=token)))
    while sock.recv(65536):
        pass
"""


@pytest.fixture
def door() -> Iterator[Doorway]:
    door = Doorway()
    yield door
    door.close()


def test_its_folder_is_for_this_user_alone_and_gone_when_it_is_closed(door: Doorway) -> None:
    folder = Path(door.path).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert set(door.variables) == {"DRAGOMAN_WIRE_PATH", "DRAGOMAN_WIRE_TOKEN"}
    assert door.opens_for(door.variables["DRAGOMAN_WIRE_TOKEN"])
    assert not door.opens_for("")
    assert not door.opens_for(door.token + "x")
    assert not door.opens_for("ü")
    door.close()
    door.close()
    assert not folder.exists()


def test_each_has_a_token_of_its_own(door: Doorway) -> None:
    other = Doorway()
    other.close()
    assert other.token != door.token
    assert len(door.token) > 40


async def test_processes_of_other_users_are_turned_away(door: Doorway) -> None:
    coming = asyncio.ensure_future(door.caller(os.geteuid() + 1))
    with pytest.raises(OSError, match=f"{CALLERS_MAX} connections came to its socket, none with its token"):  # noqa: PT012 - callers come while it waits
        for _ in range(CALLERS_MAX):
            with socket.socket(socket.AF_UNIX) as caller:
                caller.connect(door.path)
                await asyncio.sleep(0)
        await asyncio.wait_for(coming, 10)


async def start(staff: Staff, tokens: str) -> None:
    launch = Launch(argv=(sys.executable, "-c", GUEST, tokens), env=dict(os.environ), wired=False)
    hired = await hire(staff.pool, replace(staff.launch, launch=at_once(launch)), staff.confinement)
    assert hired.ready.language == "java"
    assert [contract.name for contract in hired.contracts] == ["add"]
    hired.worker.condemn("enough")
    await hired.process.wait()
    hired.close()


async def test_a_worker_comes_to_the_door_with_its_token(staff: Make) -> None:
    await start(staff(""), "TOKEN")


async def test_a_wrong_token_is_shut_out_and_the_right_one_still_gets_in(staff: Make) -> None:
    await start(staff(""), "guess,TOKENx,,TOKEN")


async def test_a_worker_that_never_comes_is_waited_for_no_longer_than_any_other(staff: Make) -> None:
    here = staff("", start_timeout_s=0.3)
    launch = Launch(argv=("sleep", "60"), env=dict(os.environ), wired=False)
    with pytest.raises(StartFailed, match=r"was not ready within its start_timeout of 0\.3s"):
        await hire(here.pool, replace(here.launch, launch=at_once(launch)), here.confinement)


async def test_a_worker_that_knows_no_token_ends_its_start(staff: Make) -> None:
    with pytest.raises(StartFailed, match="ended with exit code 0 before it could take calls"):
        await start(staff(""), "guess")
