"""Operators on the control socket of a host, and everybody else not on it."""

from __future__ import annotations

import os
import stat
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import dragoman
from dragoman.config.load import identity, load
from dragoman.core.fault import FailedPrecondition, Fault, InvalidArgument, NotFound, StartFailed
from dragoman.host.assemble import launch_confinement, parts
from dragoman.host.journal import SilentJournal
from dragoman.host.meeting import hosts_of
from dragoman.host.operating import Operating, identity_of
from dragoman.host.serving import Ingresses, Serving
from dragoman.ingress.http.options import HttpOptions
from dragoman.telemetry.log import Log, LogOptions
from tests.host.projects import ask

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.host.conftest import Write

CODE = (
    "import os\nfrom dragoman import function\n@function(idempotent=True)\n"
    "def half(n: int, by: int = 2) -> float: return n / by\n"
    "def variables() -> dict[str, str]: return dict(os.environ)\n"
)
TOML = """[sources.shop]
path = "shop.py"
breaker = true
[functions."shop.half"]
cache = { ttl = "1m", tags = ["prices"] }
"""


class Operated:
    def __init__(self, serving: Serving, operating: Operating) -> None:
        self.serving = serving
        self.path = operating.path

    async def ask(self, name: str, **given: Any) -> Any:
        async with dragoman.connect(f"unix://{self.path}") as remote:
            return await remote.call(f"dragoman.control.{name}", given)

    async def call(self, name: str, **given: Any) -> Any:
        return await ask(self.serving.host, name, **given)

    def save(self, text: str) -> None:
        (self.serving.host.project.folder / "dragoman.toml").write_text(text)


@asynccontextmanager
async def operated(write: Write, folders: list[Path]) -> AsyncGenerator[Operated]:
    made = parts(load([write(shop__py=CODE, dragoman__toml=TOML)]), lambda _: SilentJournal(), launch_confinement())
    log = Log(LogOptions(level="error"))
    serving = Serving(made, Ingresses(HttpOptions(port=0)), log, "0")
    await serving.start()
    operating = Operating(serving, made, log, "0", folders)
    await operating.open()
    try:
        yield Operated(serving, operating)
    finally:
        await operating.close()
        await serving.stop()
        log.close()


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return [tmp_path / "run"]


async def test_only_its_user_can_reach_it(write: Write, folders: list[Path]) -> None:
    async with operated(write, folders) as each:
        assert stat.S_IMODE(each.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(each.path.parent.stat().st_mode) == 0o700
        assert hosts_of(identity_of(each.serving.host.project), folders) == [each.path]
        assert str(os.getpid()) in each.path.name
    assert not each.path.exists(), "no file is left behind"


async def test_workers_hear_nothing_of_it(write: Write, folders: list[Path]) -> None:
    async with operated(write, folders) as each:
        seen = await each.call("shop.variables")
    assert not any(str(each.path.parent) in value or "XDG_RUNTIME" in name for name, value in seen.items())


async def test_it_serves_no_function_of_the_project(write: Write, folders: list[Path]) -> None:
    async with operated(write, folders) as each, dragoman.connect(f"unix://{each.path}") as remote:
        with pytest.raises(NotFound, match="this socket is for operators"):
            await remote.call("shop.half", {"n": 1})


async def test_the_project_file_is_applied_or_told_what_is_wrong_with_it(write: Write, folders: list[Path]) -> None:
    async with operated(write, folders) as each:
        assert (await each.ask("apply"))["changes"] == []
        each.save(TOML.replace("1m", "2m") + "[http]\nport = 1\n")
        told = await each.ask("apply")
        assert "shop.half: cache.ttl: 1m -> 2m" in told["changes"]
        assert told["restart"] == ["http.port"]
        each.save(TOML + "retri = 1\n")
        with pytest.raises(InvalidArgument, match=r"dragoman\.toml:6"):
            await each.ask("apply")
        each.save(TOML + '[sources.lost]\npath = "lost.py"\n')
        (each.serving.host.project.folder / "lost.py").write_text("import no_such_module_here")
        with pytest.raises((StartFailed, Fault), match="no_such_module_here"):
            await each.ask("apply")


async def test_a_function_is_explained_with_what_its_layers_know(write: Write, folders: list[Path]) -> None:
    async with operated(write, folders) as each:
        await each.call("shop.half", n=1)
        told = await each.ask("explain", function="shop.half")
        assert {layer["layer"]: layer.get("state") for layer in told["stack"]}["cache"]["entries"] == 1
        with pytest.raises(NotFound, match=r"shop\.none"):
            await each.ask("explain", function="shop.none")
        with pytest.raises(InvalidArgument, match="function is missing"):
            await each.ask("explain")


async def test_a_breaker_is_forced_and_stays_so_until_it_is_let_go(write: Write, folders: list[Path]) -> None:
    async with operated(write, folders) as each:
        assert (await each.ask("breaker", function="shop.variables", force="open"))["state"]["state"] == "forced_open"
        with pytest.raises(dragoman.Fault, match="forced"):
            await each.call("shop.variables")
        each.save(TOML.replace("breaker = true", "breaker = { probes = 9 }"))
        assert (await each.ask("apply"))["changes"]
        with pytest.raises(dragoman.Fault, match="forced"):
            await each.call("shop.variables")
        await each.ask("breaker", function="shop.variables", force="auto")
        assert await each.call("shop.variables")
        with pytest.raises(InvalidArgument, match="open, closed or auto"):
            await each.ask("breaker", function="shop.variables", force="ajar")


async def test_answers_are_forgotten_by_input_by_tag_and_all(write: Write, folders: list[Path]) -> None:
    async with operated(write, folders) as each:

        async def forgotten(**given: Any) -> int:
            for n in (1, 2, 3):
                await each.call("shop.half", n=n)
            return (await each.ask("invalidate", function="shop.half", **given))["forgotten"]

        assert await forgotten(input={"n": 2}) == 1
        assert await forgotten(input={"n": 7}) == 0
        assert await forgotten(tag="prices") == 3
        assert await forgotten() == 3
        with pytest.raises(InvalidArgument, match="its tags are prices"):
            await forgotten(tag="none")
        with pytest.raises(FailedPrecondition, match="has no cache"):
            await each.ask("invalidate", function="shop.variables")


async def test_a_host_tells_how_it_is(write: Write, folders: list[Path]) -> None:
    async with operated(write, folders) as each:
        told = await each.ask("state")
    assert (told["pid"], told["project"]) == (os.getpid(), each.serving.host.project.name)
    assert told["sources"] == {"shop": None}
    assert {layer["layer"] for layer in told["layers"]} == {"breaker", "cache"}


def test_a_project_is_known_by_its_file_and_sources_by_theirs(tmp_path: Path) -> None:
    (tmp_path / "shop.py").touch()
    (tmp_path / "run.sh").touch(mode=0o755)
    loose = [tmp_path / "shop.py", tmp_path / "run.sh"]
    assert identity_of(load(loose)) == identity(loose)
    (tmp_path / "dragoman.toml").write_text('[sources.shop]\npath = "shop.py"\n')
    assert identity_of(load([tmp_path])) == identity([tmp_path]) == identity([tmp_path / "dragoman.toml"])
    assert identity_of(load([tmp_path])) != identity(loose)
