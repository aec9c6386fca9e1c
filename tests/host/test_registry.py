from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from dragoman.config.load import load, parse_project
from dragoman.config.project import FunctionSettings, Project, Source
from dragoman.contract.function import Contract
from dragoman.core.call import Call, Reply
from dragoman.core.fault import NotFound, StartFailed
from dragoman.core.service import Pending, settle
from dragoman.host.inline import InlineSource
from dragoman.host.registry import Entry, Registry
from dragoman.host.world import World
from dragoman.policies.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dragoman.workers.outbound import GuestCall
    from tests.host.conftest import Write


def source_of(folder: Path, name: str) -> Source:
    return Source(name, "guest", folder, folder / f"{name}.py", mode="inline", timeout_s=30.0)


def registry_of(folder: Path, *names: str) -> Registry:
    sources = {name: source_of(folder, name) for name in names}
    functions = {"first.add": FunctionSettings(timeout_s=2.0, idempotent=True)}
    return Registry(Project("shop", folder, sources, functions), World(Surroundings.here()))


def nowhere(call: GuestCall) -> Pending:
    return Pending.failed(NotFound(call.function))


def hosted(folder: Path, name: str) -> InlineSource:
    return InlineSource(source_of(folder, name), nowhere)


@pytest.fixture
async def registry(write: Write, own_modules: None) -> Registry:
    """Two sources: `first.add`, and `second.add` and `second.sub`."""
    folder = write(
        first__py="async def add(a: int) -> int: return a",
        second__py="async def add(a: int) -> int: return a\nasync def sub(a: int) -> int: return -a",
    )
    registry = registry_of(folder, "first", "second")
    for name in ("first", "second"):
        source = hosted(folder, name)
        registry.replace(source, await source.start())
    return registry


async def test_a_function_has_its_full_name_and_the_settings_of_its_project(registry: Registry) -> None:
    target = registry.find("first.add").target
    assert (target.name, target.timeout_s, target.idempotent) == ("first.add", 2.0, True)
    assert registry.find("second.sub").target.index == 1
    assert registry.find("second.sub").target.timeout_s == 30.0


async def test_new_functions_take_the_place_of_the_old_in_one_step(registry: Registry, tmp_path: Path) -> None:
    seen: list[set[str]] = []
    version = registry.version

    def listen(entries: Mapping[str, Entry]) -> None:
        assert entries is registry.entries, "a listener hears of what is in force already"
        seen.append(set(entries))

    registry.on_change.append(listen)
    old = registry.entries
    fresh = hosted(tmp_path, "second")
    fresh.service = registry.find("first.add").service
    registry.replace(fresh, (Contract("mul"),))
    assert seen == [{"first.add", "second.mul"}]
    assert set(old) == {"first.add", "second.add", "second.sub"}, "who looked up before keeps what it had"
    assert registry.version > version
    assert registry.sources["second"] is fresh


async def test_functions_that_cannot_be_enforced_change_nothing(tmp_path: Path) -> None:
    source = Source("count", "command", tmp_path, command=("true",), mode="exec")
    registry = Registry(Project("shop", tmp_path, {"count": source}), World(Surroundings.here()))
    told: list[object] = []
    registry.on_change.append(told.append)
    broken = InlineSource(source, nowhere)
    broken.service = lambda _: Pending()
    with pytest.raises(StartFailed, match=r"^count: "):
        registry.replace(broken, (Contract("count", input={"type": "objekt"}),))
    assert (registry.entries, registry.version, dict(registry.sources), told) == ({}, 0, {}, [])


async def test_an_unknown_name_gets_a_hint(registry: Registry) -> None:
    near = registry.missing("third.sub")
    assert isinstance(near, NotFound)
    assert "did you mean second.sub?" in near.detail
    assert "GET /v1/functions" in registry.missing("first.nothing").detail
    with pytest.raises(NotFound, match=r"first\.nothing"):
        registry.find("first.nothing")


async def test_a_source_that_cannot_start_is_the_reason_for_its_missing_functions(
    write: Write, own_modules: None
) -> None:
    folder = write(broken__py="1 / 0")
    registry = registry_of(folder, "broken")
    source = hosted(folder, "broken")
    registry.announce(source)
    with pytest.raises(StartFailed):
        await source.start()
    fault = registry.missing("broken.f")
    assert isinstance(fault, StartFailed)
    assert "ZeroDivisionError" in fault.detail
    assert fault.function == "broken.f"


async def test_a_source_that_is_still_starting_says_when_to_ask_again(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, "slow")
    registry.announce(hosted(tmp_path, "slow"))
    fault = registry.missing("slow.f")
    assert isinstance(fault, StartFailed)
    assert "still starting" in fault.detail
    assert fault.retryable
    assert fault.retry_after_s


async def test_lookups_during_a_swap_find_the_old_or_the_new(registry: Registry, tmp_path: Path) -> None:
    fresh = hosted(tmp_path, "second")
    fresh.service = registry.find("second.sub").service
    found: list[bool] = []
    registry.on_change.append(lambda _: found.append("second.sub" in registry.entries))
    for _ in range(3):
        registry.replace(fresh, (Contract("sub"),))
        await asyncio.to_thread(registry.find, "second.sub")
    assert found == [True] * 3


class Held:
    """Calls of one version of a source, which the test answers."""

    def __init__(self) -> None:
        self.pendings: list[Pending] = []

    def __call__(self, call: Call) -> Pending:
        self.pendings.append(Pending())
        return self.pendings[-1]


@pytest.mark.parametrize("layer", ["cache", "coalesce"])
@pytest.mark.parametrize("version", ["", "1.2.0"])
async def test_what_old_code_answers_is_for_those_alone_who_looked_it_up(
    tmp_path: Path, layer: str, version: str
) -> None:
    (tmp_path / "shop.py").touch()
    text = f'[sources.shop]\npath = "shop.py"\nmode = "inline"\nconcurrency = 9\n{layer} = true\n'
    project = parse_project(tmp_path / "dragoman.toml", text.encode())
    registry = Registry(project, World(Surroundings.here()))
    versions = [Held(), Held()]
    entries: list[Entry] = []

    def ask(number: int) -> Pending:
        target = entries[number].target
        return settle(entries[number].service(Call(target, b"{}", deadline=1e9)))

    def put(number: int) -> None:
        source = InlineSource(project.sources["shop"], nowhere)
        source.service = versions[number]
        registry.replace(source, (Contract("price", idempotent=True, version=version),))
        entries.append(registry.find("shop.price"))

    put(0)
    early = ask(0)
    put(1)
    assert entries[1].layers[layer] is entries[0].layers[layer]
    late, new = ask(0), ask(1)
    versions[0].pendings[-1].resolve(Reply(b"old"))
    assert late.result().body == b"old"
    if version:
        # Two that say that they are the same version are one: the new one may wait for what the old one runs.
        assert len(versions[1].pendings) == 0
        versions[0].pendings[0].resolve(Reply(b"same"))
        assert (early.result().body, new.result().body) == (b"same", b"same")
    else:
        versions[0].pendings[0].resolve(Reply(b"old"))
        assert not new.done
        newer = ask(1)
        versions[1].pendings[0].resolve(Reply(b"new"))
        assert [each.result().body for each in (early, new, newer)] == [b"old", b"new", b"new"]


async def test_a_function_to_fall_back_on_that_is_not_there_is_told_by_either_source(write: Write) -> None:
    folder = write(
        first__py="async def add(a: int) -> int: return a",
        second__py="async def add(a: int) -> int: return a",
        dragoman__toml="""
            [defaults]
            mode = "inline"
            [sources.first]
            path = "first.py"
            [sources.second]
            path = "second.py"
            [functions."first.add"]
            fallback = "second.ad"
        """,
    )
    project = load([folder])
    registry = Registry(project, World(Surroundings.here()))
    for name in ("first", "second"):
        source = InlineSource(project.sources[name], nowhere)
        registry.replace(source, await source.start())
    (told,) = registry.strangers("first")
    assert told.startswith(f"{folder}/dragoman.toml:9 ")
    assert told.endswith("first.add falls back on 'second.ad', which is not there; did you mean 'second.add'?")
    assert registry.strangers("second") == registry.all_strangers() == [told]
