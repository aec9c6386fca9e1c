from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dragoman.core.fault import FailedPrecondition, InvalidArgument, Unavailable, Unknown
from dragoman.wire.frame import Kind
from dragoman.wire.handshake import Hello
from tests.guest.driver import Guest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guest.conftest import Start

SOURCE = "def same(x: int) -> int:\n    return x\n"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def f(:\n", "SyntaxError"),
        ("import no_such_module_at_all\n", "no_such_module_at_all"),
        ("import sys; sys.exit(3)\n", r"sys.exit\(3\)"),
        ("1/0\n", "ZeroDivisionError"),
        ("x = 1\n", "offers no functions"),
    ],
)
def test_a_source_that_cannot_start_says_why_and_ends(launch: Start, source: str, says: str) -> None:
    guest = launch(source)
    with pytest.raises(Unavailable, match=says) as caught:
        guest.ready()
    assert caught.value.started == "no"
    assert guest.wait() == 1


def test_ready_says_who_the_guest_is(serve: Start) -> None:
    ready = serve(SOURCE).connection.said_ready
    assert ready is not None
    assert (ready.language, ready.language_version) == ("python", ".".join(map(str, sys.version_info[:3])))
    assert set(ready.features) == {"checks", "progress", "revoke"}


@pytest.mark.parametrize("source", [SOURCE, SOURCE + "async def later(x: int) -> int:\n    return x\n"])
def test_drain_answers_what_is_in_flight_and_leaves(serve: Start, source: str) -> None:
    guest = serve(source)
    calls = [guest.frame("same", {"x": number}) for number in range(50)]
    guest.send(*calls, guest.connection.drain())
    assert [guest.result(number + 1) for number in range(50)] == list(range(50))
    guest.receive(lambda frame: frame.kind == Kind.BYE)
    assert guest.wait() == 0


def test_exit_handlers_of_the_source_run_at_the_end(serve: Start) -> None:
    guest = serve("import atexit\natexit.register(lambda: open('left', 'w').close())\n" + SOURCE)
    assert guest.drain() == 0
    assert (guest.folder / "left").exists()


def test_an_idle_worker_whose_host_is_gone_ends(serve: Start) -> None:
    guest = serve(SOURCE)
    guest.sock.close()
    assert guest.wait() != 0


def test_the_source_sees_neither_the_wire_nor_its_variables(serve: Start) -> None:
    guest = serve("import os\ndef names() -> list[str]:\n    return [n for n in os.environ if 'DRAGOMAN' in n]\n")
    assert guest.call("names") == []


def test_a_dotted_module_of_the_project_can_be_served(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "prices.py").write_text(SOURCE)
    guest = Guest.at("shop.prices", tmp_path)
    try:
        assert guest.ready().call("same", {"x": 4}) == 4
    finally:
        guest.close()


def test_started_by_hand_it_says_who_starts_it() -> None:
    run = subprocess.run(
        [sys.executable, "-P", "-m", "dragoman.guest"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 64
    assert "is started by a host" in run.stderr


def test_a_host_of_another_version_is_told_and_left(launch: Start) -> None:
    guest = launch(SOURCE, hello=Hello("test/0", versions=(2, 3)))
    with pytest.raises(FailedPrecondition, match="no common version"):
        guest.ready()
    assert guest.wait() != 0


def test_starting_imports_nothing_that_a_worker_does_not_need() -> None:
    code = "import sys, dragoman.guest.main, dragoman.guest.sync_server; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    heavy = {"asyncio", "ctypes", "socket", "subprocess", "threading", "logging", "jsonschema_rs", "traceback"}
    assert not heavy & set(run.stdout.split())


HOSTILE = """
import sys
from typing import Annotated
import msgspec

sys.path[:] = PATH

def fails() -> None:
    raise ValueError("bad luck")

def short(text: Annotated[str, msgspec.Meta(max_length=3)]) -> str:
    return text
"""


@pytest.mark.parametrize("more", ["", "async def later() -> int:\n    return 1\n"], ids=["sync", "async"])
@pytest.mark.parametrize("path", ["[]", "[FOLDER, *sys.path]"], ids=["emptied", "in front"])
def test_what_the_guest_imports_late_is_not_the_sources_to_change(
    serve: Start, tmp_path: Path, more: str, path: str
) -> None:
    for name in ("traceback", "asyncio", "jsonschema_rs", "select", "queue"):
        (tmp_path / f"{name}.py").write_text("raise AssertionError\n")
    guest = serve(HOSTILE.replace("PATH", path.replace("FOLDER", repr(str(tmp_path)))) + more)
    with pytest.raises(Unknown) as caught:
        guest.call("fails")
    assert "ValueError: bad luck" in caught.value.traceback
    with pytest.raises(InvalidArgument, match="at most 3 characters"):
        guest.call("short", {"text": "xxxx"})
