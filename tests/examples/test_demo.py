"""The demo's own parts: what it asks is what the example offers, and it reads HTTP rightly."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from dragoman.config.load import load
from examples.demo import functions, pipeline, speed

EXAMPLES = Path(__file__).parents[2] / "examples"
ENDS_WITHIN_S = 30.0
"""A host that starts is told to end as soon as it can hear it: a second or two on a quiet machine."""


def test_every_source_of_the_project_is_called() -> None:
    project = load([EXAMPLES / "market"])
    assert {name.partition(".")[0] for name in functions.CALLS} == set(project.sources)
    assert set(project.functions) <= set(functions.CALLS)


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n3.75", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n3.75", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", True),
    ],
)
def test_an_answer_is_whole_when_all_of_it_is_there(answer: bytes, *, whole: bool) -> None:
    assert speed.is_whole(answer) is whole


def test_a_long_answer_is_shortened_to_one_line() -> None:
    assert functions.short('{"mean": 1.23456789}\n{"mean": 2}\n') == '{"mean": 1.2345} {"mean": 2}'
    assert functions.short("x" * 100) == "x" * 59 + "…"


def test_a_request_says_how_long_it_is() -> None:
    sent = speed.request("shop.price", {"item": "tea"}, {"Prefer": "respond-async"})
    head, _, body = sent.partition(b"\r\n\r\n")
    assert body == b'{"item": "tea"}'
    assert head.splitlines()[0] == b"POST /v1/call/shop.price HTTP/1.1"
    assert {b"Content-Length: 15", b"Prefer: respond-async"} <= set(head.splitlines())


@pytest.mark.parametrize("killed", ["itself", "what started it"])
def test_nothing_of_a_demo_that_is_killed_runs_on(tmp_path: Path, killed: str) -> None:
    (tmp_path / "empty").mkdir()  # without tools there is nothing to build
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PATH": str(tmp_path / "empty")}
    command = [sys.executable, "-m", "examples.demo"]
    starter = ["/bin/sh", "-c", '"$@"; exit 0', "sh", *command, "--with-parent"]
    with subprocess.Popen(
        command if killed == "itself" else starter,
        cwd=EXAMPLES.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline().startswith("a Valkey"), "it says so before it starts the host"
        top = psutil.Process(first.pid)
        demo = top if killed == "itself" else top.children()[0]
        while len(demo.children()) < len(("valkey", "host")):
            assert first.poll() is None
        tree = top.children(recursive=True)
        first.kill()
        _, alive = psutil.wait_procs(tree, timeout=ENDS_WITHIN_S)
    assert [each.cmdline() for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []


def test_a_machine_without_a_server_or_go_is_told_so_and_the_demo_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = io.StringIO()

    def absent(_: str) -> None:
        """As of a package that is not installed."""

    monkeypatch.setattr(pipeline, "find_spec", absent)
    with pipeline.server(tmp_path, Console(file=told)) as url:
        assert url == ""
    assert "no Valkey" in told.getvalue()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(OSError, match="there is no go"):
        pipeline.build(tmp_path)
