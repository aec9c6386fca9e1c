"""A zygote and its children, over the wire, without a host."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core.fault import Unavailable
from dragoman.sandbox import order as orders
from dragoman.wire.connection import Connection
from dragoman.wire.frame import Kind
from dragoman.wire.handshake import Hello
from dragoman.wire.state import Role
from tests.guest.driver import PATIENCE_S, Gone, Guest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOURCE = """
import atexit, os
from collections.abc import Iterator

seen: list[int] = []
atexit.register(lambda: open("left", "a").write("."))
print("importing")
print("half a line", end="")

def remember(n: int) -> list[int]:
    seen.append(n)
    return seen

def parent() -> int:
    return os.getppid()

def opened() -> list[str]:
    names = [f"/proc/self/fd/{fd}" for fd in range(3, 400)]
    return [os.readlink(name).partition(":")[0] for name in names if os.path.lexists(name)]

def variables() -> list[str]:
    return sorted(os.environ)

def say(text: str) -> None:
    print(text)

def count(n: int) -> Iterator[int]:
    yield from range(n)
"""


class Forked(Guest):
    """A child: its wire, and its line to the zygote as its host has it."""

    def __init__(self, sock: socket.socket, control: socket.socket, names: list[str]) -> None:
        self.sock, self.control = sock, control
        self.connection = Connection(Role.HOST)
        self.frames, self.last, self._names = [], 0, names
        self.events: dict[int, list[dict[str, Any]]] = {}
        sock.settimeout(PATIENCE_S)
        control.settimeout(PATIENCE_S)
        self.send(self.connection.hello(Hello("test/0", call_prefix="cafe")))

    @property
    def names(self) -> list[str]:
        return self._names

    def heard(self) -> tuple[bytes, int]:
        kind, first, _, _ = orders.read_answer(self.control.recv(orders.ANSWER_BYTES_MAX))
        return kind, first

    def close(self) -> None:
        self.sock.close()
        self.control.close()


class Zygote(Guest):
    """A zygote, and orders to it."""

    module = "dragoman.guest.zygote"

    def __init__(self, source: str, folder: Path, **env: str) -> None:
        self.orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.further = (theirs.fileno(),)
        self.children: list[Forked] = []
        super().__init__(source, folder, None, DRAGOMAN_ZYGOTE_FD=str(theirs.fileno()), **env)
        theirs.close()

    def fork(self) -> Forked:
        """Have a child, which is ready."""
        ours, wire = socket.socketpair()
        line, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with wire, control, (self.folder / "child.txt").open("ab") as printed:
            data = orders.START + b"DRAGOMAN_WIRE_FD"
            fds = [control.fileno(), printed.fileno(), printed.fileno(), wire.fileno()]
            socket.send_fds(self.orders, [data], fds)
        child = Forked(ours, line, self.names)
        self.children.append(child)
        kind, pid = child.heard()
        assert kind == orders.STARTED
        assert pid > 0
        child.ready()
        return child

    def close(self) -> None:
        for child in self.children:
            child.close()
        self.orders.close()
        super().close()


@pytest.fixture
def zygote(tmp_path: Path) -> Iterator[Callable[..., Zygote]]:
    """Start zygotes for sources given as text; gone at the end."""
    made: list[Zygote] = []

    def start(source: str = SOURCE, **env: str) -> Zygote:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Zygote(source, folder, **env))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_it_tells_what_the_source_offers_and_its_children_do_not_repeat_it(zygote: Callable[..., Zygote]) -> None:
    parent = zygote().ready()
    assert parent.names == ["remember", "parent", "opened", "variables", "say", "count"]
    child = parent.fork()
    assert child.connection.said_ready is not None
    assert child.connection.said_ready.functions == ()
    assert child.call("parent") == parent.process.pid


def test_children_begin_where_the_import_ended_each_by_itself(zygote: Callable[..., Zygote]) -> None:
    parent = zygote().ready()
    children = [parent.fork() for _ in range(3)]
    for number, child in enumerate(children):
        assert child.call("remember", {"n": number}) == [number]
    assert children[0].call("remember", {"n": 7}) == [0, 7]


def test_a_child_that_is_told_to_leave_does_without_exit_handlers_and_the_zygote_runs_them(
    zygote: Callable[..., Zygote],
) -> None:
    parent = zygote().ready()
    child = parent.fork()
    call = child.start("remember", {"n": 1})
    child.send(child.connection.drain())
    assert child.result(call) == [1]
    child.receive(lambda frame: frame.kind == Kind.BYE)
    assert child.heard() == (orders.ENDED, 0)
    assert not (parent.folder / "left").exists()
    parent.send(parent.connection.drain())
    parent.receive(lambda frame: frame.kind == Kind.BYE)
    assert parent.process.wait(PATIENCE_S) == 0
    assert (parent.folder / "left").read_text() == "."


def test_a_child_sees_no_descriptor_of_its_siblings_or_of_the_zygote(zygote: Callable[..., Zygote]) -> None:
    parent = zygote().ready()
    first, second = parent.fork(), parent.fork()
    for child in (first, second):
        assert child.call("opened").count("socket") == 1
    assert not [name for name in second.call("variables") if name.startswith("DRAGOMAN")]


def test_what_is_printed_is_told_by_whoever_prints_it(zygote: Callable[..., Zygote]) -> None:
    parent = zygote().ready()
    assert [event["log"]["message"] for event in parent.events[0]] == ["importing", "half a line"]
    child = parent.fork()
    call = child.start("say", {"text": "hello"})
    child.events = {call: []}
    assert child.told(call)["log"]["message"] == "hello"
    assert child.result(call) is None


def test_it_answers_pings_between_its_orders(zygote: Callable[..., Zygote]) -> None:
    parent = zygote().ready()
    parent.fork()
    assert parent.pong(b"there?") == b"there?"
    assert parent.threads == [parent.process.pid]


def test_a_child_is_killed_by_order(zygote: Callable[..., Zygote]) -> None:
    parent = zygote().ready()
    child = parent.fork()
    child.control.send(orders.KILL)
    assert child.heard() == (orders.ENDED, -signal.SIGKILL)
    with pytest.raises(Gone):
        child.receive(lambda _: False)
    assert parent.fork().call("remember", {"n": 1}) == [1]


@pytest.mark.parametrize(
    ("source", "env", "says"),
    [
        ("import no_such_module\n", {}, "no_such_module"),
        (SOURCE, {"DRAGOMAN_PRELOAD": "json,no_such_module"}, "preload: no_such_module cannot be imported"),
        (f"import threading\nthreading.Timer(60, print).start()\n{SOURCE}", {}, "leaves threads running"),
    ],
    ids=["import", "preload", "threads"],
)
def test_one_that_cannot_fork_says_why_and_ends(
    zygote: Callable[..., Zygote], source: str, env: dict[str, str], says: str
) -> None:
    parent = zygote(source, **env)
    with pytest.raises(Unavailable, match=says):
        parent.ready()
    assert parent.process.wait(PATIENCE_S) == 1


def test_a_host_that_hangs_up_ends_it_and_its_children(zygote: Callable[..., Zygote]) -> None:
    parent = zygote().ready()
    child = parent.fork()
    pid = child.call("parent")
    assert pid == parent.process.pid
    parent.sock.close()
    parent.process.wait(PATIENCE_S)
    with pytest.raises(Gone):
        child.receive(lambda _: False)


def test_it_refuses_to_run_by_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dragoman.guest.zygote"], capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 64
    assert b"is started by a host" in done.stderr
