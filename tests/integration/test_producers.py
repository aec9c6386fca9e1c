"""Producers in five languages, as programs of their own, on real servers: the same bytes, and the same bad luck."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.valkey import Server

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "sources" / "producers"
SDK = ROOT / "sdk"
BUILD_S_MAX = 500
ANSWER_S_MAX = 60
MANIFEST = """[package]
name = "sending"
version = "0.1.0"
edition = "2021"

[[bin]]
name = "sending"
path = "main.rs"

[dependencies]
dragoman = {{ path = "{sdk}" }}
serde = {{ version = "1", features = ["derive"] }}

[workspace]
"""
MODULE = """module sending

go 1.23

require github.com/dragoman/dragoman/sdk/go v0.1.0

replace github.com/dragoman/dragoman/sdk/go => {sdk}
"""


def python(folder: Path) -> list[str]:
    return [sys.executable, str(PROGRAMS / "producer.py")]


def go(folder: Path) -> list[str]:
    shutil.copy(PROGRAMS / "go" / "main.go", folder)
    (folder / "go.mod").write_text(MODULE.format(sdk=SDK / "go"))
    done("go", "build", "-o", "sending", ".", cwd=folder)
    return [str(folder / "sending")]


def node(folder: Path) -> list[str]:
    shutil.copy(PROGRAMS / "producer.mjs", folder)
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "dragoman").symlink_to(SDK / "node")
    return ["node", str(folder / "producer.mjs")]


def rust(folder: Path) -> list[str]:
    shutil.copy(PROGRAMS / "rust" / "main.rs", folder)
    (folder / "Cargo.toml").write_text(MANIFEST.format(sdk=SDK / "rust"))
    shutil.copy(SDK / "rust" / "Cargo.lock", folder)
    # The folder that the crate's own tests use, so that the dependencies are compiled once.
    target = os.environ.get("CARGO_TARGET_DIR", str(SDK / "rust" / "target"))
    done("cargo", "build", "--quiet", "-j2", "--target-dir", target, cwd=folder)
    return [str(shutil.copy(Path(target) / "debug" / "sending", folder))]


def java(folder: Path) -> list[str]:
    sources = SDK / "java" / "src" / "main" / "java"
    options = ("-nowarn", "-encoding", "UTF-8", "-XDignore.symbol.file")
    done("javac", *options, "-sourcepath", str(sources), "-d", str(folder), str(PROGRAMS / "Sending.java"), cwd=folder)
    return ["java", "-Xmx1500m", "-cp", str(folder), "Sending"]


def done(*command: str, cwd: Path) -> None:
    made = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=BUILD_S_MAX, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


class Language(NamedTuple):
    """How a program is made, and what that takes."""

    build: Callable[[Path], list[str]]
    needs: tuple[str, ...] = ()


LANGUAGES = {
    "python": Language(python),
    "go": Language(go, ("go",)),
    "node": Language(node, ("node",)),
    "rust": Language(rust, ("cargo",)),
    "java": Language(java, ("javac",)),
}
OTHERS = [
    pytest.param(name, marks=[pytest.mark.needs(*each.needs)] if each.needs else []) for name, each in LANGUAGES.items()
]
pytestmark = pytest.mark.timeout(BUILD_S_MAX + 100)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """The program of a language, built when it is first wanted."""
    built: dict[str, list[str]] = {}

    def program(language: str) -> list[str]:
        if language not in built:
            built[language] = LANGUAGES[language].build(tmp_path_factory.mktemp(language))
        return built[language]

    return program


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "valkey")
    yield server
    server.close()


class Sender:
    """A program that sends, and says what came of it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, verb: str, stream: str = "s", number: int = 0, count: int = 0) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{verb} {stream} {number} {count}\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "it has ended"
        return line

    def ask(self, verb: str, stream: str = "s", number: int = 0, count: int = 0) -> str:
        self.tell(verb, stream, number, count)
        return self.answer()

    def send(self, number: int, stream: str = "s") -> tuple[str, str]:
        """The code of what came of it, and whether it may be stored."""
        code, started, *_ = (*self.ask("send", stream, number).split(" "), "")
        return code.upper().replace("_", ""), started.lower()


@contextmanager
def sending(program: list[str], url: str, keep: int = 0) -> Generator[Sender]:
    command = [*program, url, str(keep)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8") as made:
        late = threading.Timer(ANSWER_S_MAX, made.kill)
        late.start()
        try:
            yield Sender(made)
            assert made.stdin is not None
            made.stdin.close()
            assert made.wait(20) == 0
        finally:
            late.cancel()
            made.kill()


def entries(server: Server, stream: str = "s") -> list[list[tuple[bytes, bytes]]]:
    with server.client() as client:
        return [list(fields.items()) for _, fields in client.xrange(stream)]


def bodies(server: Server, stream: str = "s") -> list[int]:
    return [int(dict(entry)[b"body"]) for entry in entries(server, stream)]


TRACE = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
SAID = [
    (b"correlation-id", "a\r\nb ☕".encode()),
    (b"dragoman-deadline", b"2099-01-01T00:00:00Z"),
    (b"dragoman-priority", b"critical"),
    (b"idempotency-key", b"order-17"),
    TRACE,
]
EVENT = [
    (b"ce-id", b"17"),
    (b"ce-source", b"/shop"),
    (b"ce-specversion", b"1.0"),
    (b"ce-subject", "é".encode()),
    (b"ce-type", b"order"),
]
TEA = (b"body", b'{"item":"tea"}')
TABLE = [
    [(b"body", b'{"item":"tea","count":2,"note":null,"lines":[],"more":{}}')],
    [(b"body", '"é ☕ <&> \\" \\\\ / \\n \\t \\u0001 \x7f \u2028 😀"'.encode())],
    [(b"body", b"[0,-1,9007199254740993,18446744073709551615,1.5,-0.25,0.1,true,false,null]")],
    [(b"body", b"{}")],
    [(b"body", b"\x00\xff\r\n"), (b"content-type", b"application/octet-stream")],
    [(b"body", b"1"), (b"content-type", b"application/json")],
    [TEA, *SAID],
    [TEA, *EVENT],
    [TEA, *EVENT, *SAID],
    [(b"body", b'"a"')],
    [(b"body", b'"b"')],
]
"""What all of them write, byte for byte, in the order of its fields."""


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_writes_the_same_bytes(
    language: str, programs: Callable[[str], list[str]], valkey: Server
) -> None:
    with sending(programs(language), valkey.url) as sender:
        assert sender.ask("table") == "ok"
    found = entries(valkey, "table")
    for number, row in enumerate(TABLE):
        assert found[number] == row
    assert len(found) == len(TABLE)


@pytest.mark.parametrize("language", OTHERS)
def test_a_crowd_shares_a_producer_and_a_stream_may_be_bounded(
    language: str, programs: Callable[[str], list[str]], valkey: Server
) -> None:
    with sending(programs(language), valkey.url) as sender:
        assert sender.ask("crowd", "crowd", 32, 50) == "ok"
        assert sender.ask("all", "all", 0, 5000) == "ok"
    assert sorted(bodies(valkey, "crowd")) == list(range(1600))
    assert bodies(valkey, "all") == list(range(5000))
    with sending(programs(language), valkey.url, keep=100) as sender:
        assert sender.ask("all", "all", 0, 3000) == "ok"
    kept = bodies(valkey, "all")
    assert 100 <= len(kept) < 400
    assert kept[-1] == 2999


@pytest.mark.parametrize("language", OTHERS)
def test_more_are_sent_at_once_than_anything_holds(
    language: str, programs: Callable[[str], list[str]], valkey: Server
) -> None:
    with sending(programs(language), valkey.url) as sender:
        assert sender.ask("all", "all", 0, 120_000) == "ok"
        assert sender.ask("heavy", "heavy", 300_000, 200) == "ok"
    with valkey.client() as client:
        assert client.xlen("all") == 120_000
        assert client.xlen("heavy") == 200


@pytest.mark.parametrize("language", OTHERS)
def test_a_server_that_is_not_there_is_found_when_it_is_and_told_meanwhile(
    language: str, programs: Callable[[str], list[str]], valkey: Server
) -> None:
    valkey.kill()
    with sending(programs(language), valkey.url) as sender:
        begun = time.monotonic()
        assert sender.send(0) == ("UNAVAILABLE", "no")
        assert time.monotonic() - begun < 10
        valkey.start()
        sender.send(1)  # a program whose producer could not be made makes it now, and sends nothing
        assert sender.send(2) == ("OK", "")
        with valkey.client() as client:
            client.delete("s")
        valkey.kill()
        time.sleep(1.1)  # that a connection has rested for a second cannot be seen from outside
        assert sender.send(3) == ("UNAVAILABLE", "no")
        valkey.start()
        assert sender.send(4) == ("OK", "")
        valkey.kill()
        valkey.start()
        time.sleep(1.1)
        assert sender.send(5) == ("OK", "")
    assert bodies(valkey) == [4, 5]


@pytest.mark.parametrize("language", OTHERS)
def test_what_may_be_stored_is_said_to_be_and_nobody_waits_for_long(
    language: str, programs: Callable[[str], list[str]], valkey: Server
) -> None:
    with sending(programs(language), valkey.url) as sender:
        assert sender.send(1) == ("OK", "")
        valkey.stop()
        begun = time.monotonic()
        code, started = sender.send(2)
        assert code in {"UNAVAILABLE", "DEADLINEEXCEEDED"}
        assert started == "unknown"
        assert not sender.ask("crowd", "s", 16, 1).startswith("ok")
        assert time.monotonic() - begun < 30, "sixteen wait no longer than one"
        valkey.go_on()
        assert sender.send(3) == ("OK", "")
    found = bodies(valkey)
    assert found[0] == 1
    assert found.count(3) >= 1
    assert found.count(2) <= 2, "once by itself, and once of the crowd"


@pytest.mark.parametrize("language", OTHERS)
def test_what_a_server_refuses_has_its_code(
    language: str, programs: Callable[[str], list[str]], valkey: Server
) -> None:
    with valkey.client() as client:
        client.set("text", "x")
        client.execute_command("ACL", "SETUSER", "adder", "on", ">sec@ret", "~mine", "+xadd", "+ping", "+client")
    program = programs(language)
    with sending(program, valkey.url) as sender:
        assert sender.send(1, "text") == ("FAILEDPRECONDITION", "no")
        valkey.fill()
        assert sender.send(1) == ("RESOURCEEXHAUSTED", "no")
        valkey.empty()
        assert sender.send(2) == ("OK", "")
        assert sender.ask("large", "s", 512 * 1024 * 1024 + 1).upper().replace("_", "").startswith("OUTOFRANGE NO")
        assert sender.send(3) == ("OK", "")
    assert bodies(valkey) == [2, 3]
    with sending(program, valkey.url.replace("//", "//adder:sec%40ret@")) as sender:
        assert sender.send(1, "mine") == ("OK", "")
        assert sender.send(1, "other") == ("PERMISSIONDENIED", "no")
    with valkey.client() as client:
        client.config_set("requirepass", "secret")
    for secret in ("adder:hunter2@", ":hunter2@", ""):
        with sending(program, valkey.url.replace("//", f"//{secret}")) as sender:
            answer = sender.ask("send", "mine", 1)
            assert answer.upper().startswith("UNAUTHENTICATED NO")
            assert "hunter2" not in answer
    with sending(program, valkey.url.replace("//", "//:secret@")) as sender:
        assert sender.send(4) == ("OK", "")


@pytest.mark.parametrize("language", [each for each in OTHERS if each.values != ("rust",)])
def test_nothing_is_sent_by_one_that_is_closed(
    language: str, programs: Callable[[str], list[str]], valkey: Server
) -> None:
    with sending(programs(language), valkey.url) as sender:
        assert sender.send(1) == ("OK", "")
        assert sender.ask("close") == "ok"
        assert sender.ask("close") == "ok"
        assert sender.send(2) == ("CANCELLED", "no")
    assert bodies(valkey) == [1]
