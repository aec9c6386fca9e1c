import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.building.builder import Builder, BuildOptions
from dragoman.building.cache import Place
from dragoman.config.project import Source
from dragoman.core.clock import SystemClock
from dragoman.core.event import Progress
from dragoman.core.fault import StartFailed
from dragoman.host.launching import BuildTelling, Launching, code_of, files_of
from dragoman.sandbox.spawning import SpawnerConfinement
from dragoman.testing import RecordingJournal


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "a.py").touch()
    return Source("a", "guest", tmp_path, tmp_path / "a.py", home=tmp_path)


@pytest.fixture
async def builder(tmp_path: Path) -> AsyncIterator[Builder]:
    confinement = SpawnerConfinement()
    journal = BuildTelling(RecordingJournal())
    yield Builder(
        confinement, SystemClock(), BuildOptions(dict(os.environ)), lambda _: [Place(tmp_path / "c")], journal
    )
    await confinement.aclose()


async def test_a_source_that_needs_no_build_is_launched_as_it_is(source: Source, builder: Builder) -> None:
    launching = Launching(source, {"A": "1"}, builder)
    launch = await launching()
    assert launch.env["DRAGOMAN_SOURCE"] == str(source.path)
    assert launch.env["A"] == "1"
    assert await launching() is launch
    launching.close()


def test_the_code_of_a_source_is_where_the_project_says(source: Source, tmp_path: Path) -> None:
    code = code_of(source)
    assert (code.name, code.language, code.path, code.home) == ("a", "python", tmp_path / "a.py", tmp_path)
    assert files_of(source).hold(str(tmp_path / "beside.py"))
    assert not files_of(source).hold(str(tmp_path / "notes.txt"))


def test_builds_are_told_to_the_journal() -> None:
    journal = RecordingJournal()
    telling = BuildTelling(journal)
    telling.step("a", "building: go build")
    telling.line("a", "compiling")
    assert journal.messages("info") == ["building: go build"]
    assert [said.event for said in journal.said] == [Progress(0.0, "compiling")]


async def test_whatever_goes_wrong_before_a_start_is_a_failed_start(source: Source, builder: Builder) -> None:
    launching = Launching(replace(source, language="cobol"), {}, builder)
    with pytest.raises(StartFailed, match="a cannot be prepared: KeyError: 'cobol'"):
        await launching()


@pytest.mark.needs("node")
async def test_compiled_code_is_kept_for_processes_of_one_call_as_long_as_their_pool(
    source: Source, builder: Builder, tmp_path: Path
) -> None:
    (tmp_path / "a.mjs").touch()
    node = replace(source, language="node", path=tmp_path / "a.mjs")
    warm = Launching(node, {}, builder)
    assert "DRAGOMAN_COMPILED" not in (await warm()).env
    forked = Launching(replace(node, mode="fork"), {}, builder)
    kept = (await forked()).env["DRAGOMAN_COMPILED"]
    assert os.stat(kept).st_mode & 0o777 == 0o700  # noqa: PTH116 - a test waits for no disk
    forked.close()
    assert not os.access(kept, os.F_OK)
