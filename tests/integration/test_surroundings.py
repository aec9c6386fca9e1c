"""What a worker sees of its host, and what the host sees of its workers' output."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import dragoman
from dragoman.client.value import decode_reply, encode_input
from dragoman.core.event import Log
from dragoman.testing import RecordingJournal
from tests.integration.conftest import Write, hosted, soon
from tests.integration.web import serving

SOURCE = """
import os, subprocess, sys

def environment() -> dict[str, str]: return dict(os.environ)
def descriptors() -> dict[str, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass
    return found
def say(text: str) -> int:
    print(text)
    print(text, "again", file=sys.stderr)
    os.write(1, f"below {text}\\n".encode())
    subprocess.run(["echo", f"child {text}"])
    return 1
"""


def test_the_hosts_environment_and_secrets_do_not_leak(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    monkeypatch.setenv("PYTHONPATH", "/nowhere/at/all")
    toml = (
        '[sources.work]\npath = "work.py"\nenv = { MODEL = "m1" }\n[sources.tool]\ncommand = ["env"]\nstdout = "text"'
    )
    with dragoman.open(write(dragoman__toml=toml, work__py=SOURCE)) as project:
        seen = project.work.environment()
        assert seen["MODEL"] == "m1"
        assert "PATH" in seen
        assert "hunter2" not in json.dumps(seen)
        assert not {"SECRET_TOKEN", "PYTHONPATH"} & set(seen)
        assert not any(name.startswith("DRAGOMAN") for name in seen)
        printed = project.tool()
        assert "hunter2" not in printed
        assert [line for line in printed.splitlines() if line.startswith("DRAGOMAN")] == [
            line for line in printed.splitlines() if line.startswith("DRAGOMAN_CALL_ID=")
        ]


def test_a_worker_has_only_the_descriptors_meant_for_it(write: Write) -> None:
    with Path("/dev/zero").open("rb") as zero, dragoman.open(write(work__py=SOURCE) / "work.py") as project:
        seen = project.work.descriptors()
        assert zero.fileno() > 2
        assert "/dev/zero" not in seen.values()
        assert sum(target.startswith("socket:") for target in seen.values()) == 1
        meant = ("/dev/null", "pipe:", "socket:", "/memfd:dragoman")
        assert all(target.startswith(meant) for target in seen.values()), seen
        assert len(seen) <= 7, "standard streams, the wire, the progress page and two arenas"


async def test_output_is_logged_as_its_calls(write: Write) -> None:
    journal = RecordingJournal()
    async with hosted(write(work__py=SOURCE) / "work.py", journal=journal) as host:
        entry = host.registry.find("work.say")
        calls: dict[int, str] = {}
        for text in ("one", "two"):
            body, codec = encode_input({"text": text})
            call = host.call(entry.target, body, codec, codec)
            calls[call.id] = text
            assert decode_reply(await entry.service(call)) == 1
            await soon(lambda text=text: f"child {text}" in journal.lines())
        for call_id, text in calls.items():
            own = [said.event for said in journal.said if said.call == call_id and isinstance(said.event, Log)]
            lines = {(event.message, event.stream) for event in own}
            assert {(text, "stdout"), (f"{text} again", "stderr")} <= lines
        assert {f"below {text}" for text in calls.values()} <= set(journal.lines())


def test_an_embedded_host_prints_nothing_into_its_programs_streams(write: Write) -> None:
    program = """
    import dragoman
    with dragoman.open("work.py") as project:
        project.work.say(text="hidden")
        print("only this")
    """
    folder = write(work__py=SOURCE, program__py=program)
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.stderr) == ("only this\n", "")


@pytest.mark.needs("setpriv")
def test_a_worker_cannot_read_the_environment_of_the_host_that_serves_it(write: Write) -> None:
    folder = write(
        spy__py="""
        from pathlib import Path

        def read(pid: int) -> str:
            try:
                return Path(f"/proc/{pid}/environ").read_text()
            except PermissionError as error:
                return type(error).__name__
        """
    )
    # Root may read anything; without its capabilities it is as any other user.
    by = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    with serving(folder / "spy.py", by=by) as web:
        answer = web.ask("POST", "/v1/call/spy.read", json.dumps({"pid": web.process.pid}).encode())
        assert answer.json == "PermissionError"
