"""Sources that must be built, by the real tools, and what becomes of hosts meanwhile."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import dragoman
from dragoman.config.load import load
from dragoman.core.fault import Fault, InvalidArgument, StartFailed
from dragoman.host.assemble import host as assemble
from dragoman.host.assemble import parts
from dragoman.host.blocking import BlockingProject
from dragoman.testing import RecordingJournal
from tests.host.projects import ask
from tests.integration.conftest import Reloaded, alive, host_of, hosted, pool_of, soon, until

GO = """
package main

import (
	"context"
	"strings"

	"github.com/dragoman/dragoman/sdk/go"
)

type Input struct {
	Text  string `json:"text"`
	Times int    `json:"times,omitempty"`
}

func main() {
	dragoman.Register("repeat", func(ctx context.Context, in Input) (string, error) {
		return strings.Repeat(in.Text, in.Times+1), nil
	})
	dragoman.Main()
}
"""
MODULE = "module echo\n\ngo 1.23\n"
STUCK = """
import os, sys, time
print("stuck", os.getpid(), file=open(sys.argv[1], "w"), flush=True)
time.sleep(300)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one Go package."""
    folder = tmp_path / "shop"
    (folder / "echo").mkdir(parents=True)
    (folder / "echo/main.go").write_text(GO)
    (folder / "echo/go.mod").write_text(MODULE)
    (folder / "dragoman.toml").write_text('[sources.echo]\npath = "echo"\n')
    return folder


def builds(folder: Path) -> set[str]:
    """What the cache of a project holds."""
    return {path.name for path in (folder / ".dragoman/cache/builds").glob("*")}


@pytest.mark.needs("go")
def test_a_go_package_is_built_once_checked_by_the_host_and_called(project: Path) -> None:
    for _ in range(2):
        with dragoman.open(project) as shop:
            assert shop.echo.repeat(text="ab", times=2) == "ababab"
            assert shop.call("echo.repeat", {"text": "ä"}) == "ä"
            with pytest.raises(InvalidArgument) as fault:
                shop.call("echo.repeat", {"text": 3})
            assert [breach.path for breach in fault.value.errors] == ["/text"]
        assert len(builds(project)) == 1
    assert not list((project / ".dragoman/cache/work").iterdir())
    assert sorted(path.name for path in (project / "echo").iterdir()) == ["go.mod", "main.go"]


@pytest.mark.needs("go")
def test_a_go_file_by_itself_is_a_source(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copy(project / "echo/main.go", tmp_path / "single.go")
    monkeypatch.setenv("DRAGOMAN_CACHE", str(tmp_path / "cache"))
    with dragoman.open(tmp_path / "single.go") as shop:
        assert shop.single.repeat(text="x") == "x"
    assert not (tmp_path / ".dragoman").exists()


@pytest.mark.needs("go")
def test_a_compilers_own_message_is_what_callers_hear(project: Path) -> None:
    (project / "echo/main.go").write_text(GO.replace("strings.Repeat", "strings.Repeet"))
    (project / "other.py").write_text("def f() -> int: return 1\n")
    with (project / "dragoman.toml").open("a") as file:
        file.write('[sources.other]\npath = "other.py"\n')
    with dragoman.open(project) as shop:
        assert shop.other.f() == 1
        with pytest.raises(
            StartFailed, match=r"go build echo ended with exit code 1:\n.*\n?.*undefined: strings\.Repeet"
        ):
            shop.echo.repeat(text="x")


@pytest.mark.needs("go")
async def test_a_change_is_built_beside_the_old_version_which_serves_until_the_new_one_compiles(project: Path) -> None:
    told: list[Reloaded] = []
    source = project / "echo/main.go"
    async with hosted(project, watching=told) as host:

        async def changed(text: str) -> Fault | None:
            """Save, again until that is noticed: the watch may not have begun."""
            del told[:]
            while not told:
                source.write_text(text)
                for _ in range(100):
                    assert isinstance(await ask(host, "echo.repeat", text="x"), str)
                    await asyncio.sleep(0.02)
                    if told:
                        break
            return told[-1][1]

        assert await ask(host, "echo.repeat", text="x") == "x"
        fault = await changed(GO.replace("strings.Repeat", "strings.Repeet"))
        assert fault is not None
        assert "undefined: strings.Repeet" in fault.detail
        assert await ask(host, "echo.repeat", text="x") == "x"
        assert await changed(GO.replace("in.Times+1", "in.Times+2")) is None
        assert await ask(host, "echo.repeat", text="x") == "xx"


@pytest.mark.needs("go")
def test_hosts_that_start_at_once_build_once(project: Path) -> None:
    call = (sys.executable, "-m", "dragoman", "call", "echo.repeat", '{"text": "x"}')
    both = [
        subprocess.Popen(call, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate(timeout=110) for process in both]
    assert [out for out, _ in said] == ['"x"\n', '"x"\n']
    assert sum(err.count("building: go build") for _, err in said) == 1
    assert len(builds(project)) == 1


@pytest.mark.needs("go")
def test_a_project_that_cannot_be_written_to_is_built_in_the_users_cache(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".dragoman").write_text("in the way, as a read-only folder is; permissions do not stop root")
    # Go's own cache stays where it is: without it the standard library is compiled anew.
    monkeypatch.setenv("GOCACHE", subprocess.check_output(("go", "env", "GOCACHE"), text=True).strip())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    with dragoman.open(project) as shop:
        assert shop.echo.repeat(text="x") == "x"
    (cache,) = (tmp_path / "user/dragoman").iterdir()
    assert cache.name.startswith("shop-")
    assert len(list((cache / "builds").iterdir())) == 1


@pytest.mark.needs("go")
def test_without_a_compiler_what_was_built_before_still_runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dragoman.open(project) as shop:
        assert shop.echo.repeat(text="x") == "x"
    monkeypatch.setenv("PATH", "/nowhere")
    with dragoman.open(project) as shop:
        assert shop.echo.repeat(text="x") == "x"
    (project / "echo/main.go").write_text(GO + "\n// changed\n")
    with (
        pytest.raises(StartFailed, match=r"go 1\.23 or newer is needed.*to install it: apt-get"),
        dragoman.open(project),
    ):
        pass


@pytest.mark.needs("go")
def test_a_cache_that_is_cleared_while_a_host_runs_is_filled_again(project: Path) -> None:
    with dragoman.open(project) as shop:
        assert shop.echo.repeat(text="x") == "x"
        shutil.rmtree(project / ".dragoman")
        (worker,) = pool_of(host_of(shop), "echo").workers or [
            lease.worker for lease in pool_of(host_of(shop), "echo").leases
        ]
        assert worker is not None
        os.kill(worker.pid, 9)
        until(lambda: not alive(worker.pid))
        until(lambda: answers(shop))
    assert len(builds(project)) == 1


def answers(shop: BlockingProject) -> bool:
    """Whether a call has an answer now; the one in flight in a worker that is killed has none."""
    try:
        return shop.call("echo.repeat", {"text": "x"}) == "x"
    except Fault:
        return False


def compiler_that_hangs(folder: Path) -> tuple[Path, Path]:
    """A `go` that starts a child, writes down its process id, and sleeps; the folder it is in, and that file."""
    (folder / "bin").mkdir()
    (folder / "stuck.py").write_text(STUCK)
    go, pidfile = folder / "bin/go", folder / "pid"
    go.write_text(
        f'#!/bin/sh\n[ "$1" = version ] && exec echo go version go1.30 linux/amd64\n'
        f"setsid {sys.executable} {folder}/stuck.py {pidfile} & wait\n"
    )
    go.chmod(0o755)
    return folder / "bin", pidfile


def test_a_host_that_is_killed_in_a_build_takes_the_compiler_with_it_and_the_next_one_clears_up(
    project: Path, tmp_path: Path
) -> None:
    bin_folder, pidfile = compiler_that_hangs(tmp_path)
    env = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    call = (sys.executable, "-m", "dragoman", "call", "echo.repeat", '{"text": "x"}')
    process = subprocess.Popen(call, cwd=project, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: pidfile.exists() and pidfile.read_text().startswith("stuck"))
    pid = int(pidfile.read_text().split()[1])
    assert alive(pid)
    process.kill()
    process.communicate()
    until(lambda: not alive(pid))
    assert not builds(project)
    assert len(list((project / ".dragoman/cache/work").iterdir())) == 1
    (bin_folder / "go").write_text("#!/bin/sh\necho go version go1.30 linux/amd64\n")
    done = subprocess.run(call, cwd=project, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert "go build echo made no worker" in done.stderr
    assert not list((project / ".dragoman/cache/work").iterdir())


async def test_a_build_that_takes_too_long_is_ended_and_a_host_that_stops_waits_for_none(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_folder, pidfile = compiler_that_hangs(tmp_path)
    monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
    with (project / "dragoman.toml").open("a") as file:
        file.write('build_timeout = "1s"\n')
    journal = RecordingJournal()
    host = assemble(parts(load([project]), lambda _: journal))
    faults = await host.start()
    assert "go build echo was not done within its build_timeout of 1s" in faults["echo"].detail
    assert "building: go build echo" in journal.messages("info")
    assert not alive(int(pidfile.read_text().split()[1]))
    await host.stop(0)
    pidfile.unlink()
    (project / "echo/main.go").write_text(GO + "// again\n")
    again = assemble(parts(load([project]), lambda _: journal))
    starting = asyncio.ensure_future(again.start())
    await soon(pidfile.exists)
    await asyncio.wait_for(again.stop(0), 10)
    await asyncio.wait((starting,))
    await soon(lambda: not alive(int(pidfile.read_text().split()[1])))


REQUIRING = """
import sys
import inflection
from dragoman import Context

def where() -> str:
    return sys.prefix

def many(word: str) -> str:
    return inflection.pluralize(word)

async def others(word: str, ctx: Context) -> str:
    return await ctx.call("plain.shout", text=word)

def has_host_packages() -> bool:
    try:
        import httptools
    except ImportError:
        return False
    return True
"""


def test_a_python_source_has_an_environment_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text(REQUIRING)
    (tmp_path / "plain.py").write_text("def shout(text: str) -> str:\n    return text.upper()\n")
    (tmp_path / "requirements.txt").write_text("inflection>=0.5\n")
    (tmp_path / "dragoman.toml").write_text(
        textwrap.dedent(
            """
            [sources.words]
            path = "words.py"
            requirements = "requirements.txt"
            [sources.plain]
            path = "plain.py"
            """
        )
    )
    with dragoman.open(tmp_path) as shop:
        assert shop.words.many(word="octopus") == "octopi"
        assert shop.words.where().startswith(str(tmp_path / ".dragoman/cache/builds/words-"))
        assert shop.words.others(word="a") == "A"
        assert shop.words.has_host_packages() is False
    assert len(builds(tmp_path)) == 1


def test_requirements_that_nobody_can_meet_say_so_in_the_words_of_uv(tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text("def f() -> int: return 1\n")
    (tmp_path / "dragoman.toml").write_text(
        '[sources.words]\npath = "words.py"\nrequirements = ["inflection>=0.5", "inflection<0.5"]\n'
    )
    with (
        pytest.raises(StartFailed, match=r"uv pip install ended with exit code 1:\n(.|\n)*inflection"),
        dragoman.open(tmp_path),
    ):
        pass


def test_a_python_that_is_not_installed_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text("def f() -> int: return 1\n")
    (tmp_path / "dragoman.toml").write_text('[sources.words]\npath = "words.py"\npython = "3.99"\n')
    with pytest.raises(StartFailed, match=r"uv venv --python 3\.99 ended with(.|\n)*3\.99"), dragoman.open(tmp_path):
        pass


@pytest.mark.needs("go")
def test_a_package_may_use_another_module_of_its_workspace(project: Path) -> None:
    (project / "lib").mkdir()
    (project / "lib/go.mod").write_text("module x.org/lib\n\ngo 1.23\n")
    (project / "lib/lib.go").write_text('package lib\n\nconst Mark = "!"\n')
    (project / "go.work").write_text("go 1.23\n\nuse (\n\t./echo\n\t./lib\n)\n")
    source = GO.replace('"strings"\n', '"strings"\n\n\t"x.org/lib"\n').replace("in.Times+1)", "in.Times+1) + lib.Mark")
    (project / "echo/main.go").write_text(source)
    with dragoman.open(project) as shop:
        assert shop.echo.repeat(text="x") == "x!"
    (project / "lib/lib.go").write_text('package lib\n\nconst Mark = "?"\n')
    with dragoman.open(project) as shop:
        assert shop.echo.repeat(text="x") == "x?"
