"""Operators' commands against hosts that run, each command a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import threading
from typing import TYPE_CHECKING, Any

from tests.cli.commandline import dragoman, read_line, start

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Generator
    from pathlib import Path

CODE = "from dragoman import function\n@function(idempotent=True)\ndef f(n: int = 0) -> int: return n\n"
TOML = '[sources.shop]\npath = "shop.py"\nbreaker = true\ncache = "1m"\n'


@contextlib.contextmanager
def shop(folder: Path, *options: str) -> Generator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    (folder / "shop.py").write_text(CODE)
    (folder / "dragoman.toml").write_text(TOML)
    with start("serve", "--port", "0", "--json", "--log", "error", *options, cwd=folder) as server:
        ready = json.loads(read_line(server))
        yield server, ready
        server.terminate()
        server.communicate(timeout=30)


def run(folder: Path, *words: str, status: int = 0) -> str:
    done = dragoman(*words, cwd=folder)
    assert done.returncode == status, done.stderr.decode()
    return (done.stdout if status == 0 else done.stderr).decode()


def test_a_project_file_is_applied_to_the_hosts_that_run(tmp_path: Path) -> None:
    with shop(tmp_path) as (server, _):
        assert "nothing has changed" in run(tmp_path, "apply")
        (tmp_path / "dragoman.toml").write_text(TOML.replace("1m", "2m") + "[http]\nport = 1\n")
        assert run(tmp_path, "apply").splitlines()[1:] == [
            "  shop.f: cache.ttl: 1m -> 2m",
            "  http.port: takes a restart, and stays as it was until then",
        ]
        told = json.loads(read_line(server))
        assert (told["changes"][0], told["restart"], told["fault"]) == (
            "shop.f: cache.ttl: 1m -> 2m",
            ["http.port"],
            None,
        )
        (tmp_path / "dragoman.toml").write_text(TOML + "retri = 1\n")
        assert "dragoman.toml:5: sources.shop.retri: unknown key" in run(tmp_path, "apply", status=1)
        assert "unknown key" in json.loads(read_line(server))["fault"]
        assert "unknown key" in json.loads(dragoman("apply", "--json", cwd=tmp_path).stdout)["fault"]


def test_sighup_applies_it_too(tmp_path: Path) -> None:
    with shop(tmp_path) as (server, _):
        (tmp_path / "dragoman.toml").write_text(TOML + 'timeout = "7s"\n')
        server.send_signal(signal.SIGHUP)
        assert "shop.f: timeout: 30s -> 7s" in json.loads(read_line(server))["changes"]
        (tmp_path / "dragoman.toml").write_text("[broken")
        server.send_signal(signal.SIGHUP)
        assert "is not TOML" in json.loads(read_line(server))["fault"]
        assert server.poll() is None


def test_a_host_that_watches_applies_it_by_itself(tmp_path: Path) -> None:
    with shop(tmp_path, "--watch") as (server, _):
        told: queue.Queue[dict[str, Any]] = queue.Queue()
        reader = threading.Thread(target=lambda: [told.put(json.loads(line)) for line in server.stdout or ()])
        reader.start()
        found: dict[str, Any] = {}
        for seconds in range(40, 70):  # saved again, where nobody was watching yet
            (tmp_path / "dragoman.toml").write_text(TOML + f'timeout = "{seconds}s"\n')
            with contextlib.suppress(queue.Empty):
                while "changes" not in found:
                    found = told.get(timeout=2)
                break
        assert any(line.startswith("shop.f: timeout: 30s -> ") for line in found["changes"])
        server.terminate()
        reader.join(30)


def test_two_hosts_of_one_project_are_both_asked(tmp_path: Path) -> None:
    with shop(tmp_path), shop(tmp_path):
        lines = run(tmp_path, "breaker", "shop.f", "open").splitlines()
        assert len(lines) == 2
        assert all(line.startswith("the breaker of shop.f is forced open (host ") for line in lines)
        hosts = [json.loads(line)["host"] for line in run(tmp_path, "breaker", "shop.f", "auto", "--json").splitlines()]
        assert len(set(hosts)) == 2


def test_answers_are_forgotten(tmp_path: Path) -> None:
    with shop(tmp_path) as (_, ready):
        run(tmp_path, "call", "shop.f", '{"n": 4}', "--url", ready["url"])
        assert run(tmp_path, "cache", "clear", "shop.f", "--input", '{"n": 3}') == "0 answers of shop.f forgotten\n"
        assert run(tmp_path, "cache", "clear", "shop.f", "--input", '{"n": 4}') == "1 answer of shop.f forgotten\n"
        assert "has no tag 'x'" in run(tmp_path, "cache", "clear", "shop.f", "--tag", "x", status=67)
        assert "give one of the two" in run(
            tmp_path, "cache", "clear", "shop.f", "--tag", "x", "--input", "1", status=2
        )
        assert "--input is" in run(tmp_path, "cache", "clear", "shop.f", "--input", "{", status=2)


def test_where_no_host_runs_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text(TOML)
    for words in (("apply",), ("breaker", "shop.f", "open"), ("cache", "clear", "shop.f")):
        assert "no host serves the project in this folder" in run(tmp_path, *words, status=2)
    assert "is no control socket" in run(tmp_path, "apply", "--url", "http://127.0.0.1:1", status=2)


def test_what_a_killed_host_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    with shop(tmp_path) as (server, _):
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        assert "no host serves" in run(tmp_path, "apply", status=2)
        with shop(tmp_path):
            assert "nothing has changed" in run(tmp_path, "apply")
