import sys
from pathlib import Path

import pytest

from dragoman.building.builder import Builder, BuildOptions
from dragoman.cli.checking import bound, programs, toolchains
from dragoman.config.load import load
from dragoman.config.project import Source
from dragoman.core.clock import SystemClock
from dragoman.host.launching import BuildTelling
from dragoman.queues.options import QueueOptions
from dragoman.sandbox.spawning import SpawnerConfinement
from dragoman.testing import RecordingJournal


def command(*words: str, env: dict[str, str] | None = None) -> Source:
    return Source("tool", "command", Path("/"), command=words, language="exec", mode="exec", env=env or {})


def test_a_program_is_looked_for_where_its_workers_will(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (found,) = programs(command("tool", env={"PATH": str(tmp_path)}))
    assert (found.well, found.detail) == (True, str(program))
    (missing,) = programs(command("sh", env={"PATH": str(tmp_path)}))
    assert not missing.well
    assert str(tmp_path) in missing.detail


def test_python_sources_need_no_program() -> None:
    assert not list(programs(Source("s", "guest", Path("/"), Path("/s.py"))))


async def test_each_tool_is_looked_for_once_and_told_with_what_installs_it(tmp_path: Path) -> None:
    (tmp_path / "a.go").write_text("package main\n")
    (tmp_path / "b.go").write_text("package main\n")
    project = load([tmp_path / "a.go", tmp_path / "b.go"])
    confinement = SpawnerConfinement()
    options = BuildOptions({"PATH": str(tmp_path / "bin")})
    made = Builder(confinement, SystemClock(), options, lambda _: [], BuildTelling(RecordingJournal()))
    (missing,) = [finding async for finding in toolchains(project, made)]
    assert (missing.topic, missing.well) == ("go for a, b", False)
    assert "go.dev/dl" in missing.remedy
    (tmp_path / "bin").mkdir()
    go = tmp_path / "bin/go"
    go.write_text("#!/bin/sh\necho go version go1.99 linux/amd64\n")
    go.chmod(0o755)
    (found,) = [finding async for finding in toolchains(project, made)]
    assert (found.well, found.detail) == (True, f"go version go1.99 linux/amd64, {go}")
    (tmp_path / "c.ts").write_text("export const one = () => 1;\n")
    project = load([tmp_path / "c.ts"])
    topics = [finding.topic async for finding in toolchains(project, made)]
    assert sorted(topics) == ["node for c", "npm for c"], "what builds it may run it, too"
    await confinement.aclose()


def test_a_broker_whose_extra_is_not_installed_is_told_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = QueueOptions("orders", "kafka://h", source="orders")
    assert bound(orders) == ("queue orders", True, "each message of orders (kafka) to the function that it names", "")
    monkeypatch.setitem(sys.modules, "dragoman.queues.kafka", None)
    missing = bound(orders)
    assert not missing.well
    assert missing.detail.startswith("queue orders needs ")
    assert missing.remedy == "pip install 'dragoman[queues]'"
