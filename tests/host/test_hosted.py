from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.config.project import Source
from dragoman.contract.manifest import to_wire
from dragoman.core.fault import StartFailed
from dragoman.host.hosted import PooledSource, command_contract, command_settings
from tests.host.projects import ask, hosting

if TYPE_CHECKING:
    from tests.host.conftest import Write


def command(**settings: object) -> Source:
    source = {"name": "count", "kind": "command", "folder": Path("/"), "command": ("wc", "{file}"), "mode": "exec"}
    return Source(**{**source, **settings})  # pyright: ignore[reportArgumentType] - each test names the fields it is about


def test_a_command_that_declares_nothing_takes_any_object_and_gives_anything() -> None:
    contract = command_contract(command())
    assert (contract.name, contract.input, contract.output) == ("count", {"type": "object"}, {})
    assert not contract.streaming
    assert not contract.idempotent


def test_what_a_command_declares_is_its_contract() -> None:
    schema = {"type": "object", "properties": {"file": {"type": "string"}}}
    contract = command_contract(
        command(input=schema, output={"type": "integer"}, description="Counts.", idempotent=True)
    )
    assert (contract.input, contract.output) == (schema, {"type": "integer"})
    assert (contract.description, contract.idempotent) == ("Counts.", True)


def test_how_a_command_reads_and_writes_is_part_of_its_contract() -> None:
    raw = command_contract(command(stdin="body", stdout="bytes"))
    assert (raw.raw_input, raw.raw_output, raw.output["type"]) == (True, True, "string")
    assert command_contract(command(stdout="text")).output == {"type": "string"}
    assert command_contract(command(stdout="jsonl")).streaming


def test_the_guest_of_a_command_is_told_all_that_it_needs() -> None:
    source = command(output_bytes_max=5)
    settings = command_settings(source)
    assert settings["command"] == ["wc", "{file}"]
    assert settings["output_bytes_max"] == 5
    assert [settings["contract"]] == to_wire([command_contract(source)])


async def test_a_pool_is_seen_from_outside(write: Write) -> None:
    folder = write(shop__py="import threading\ndef f() -> int: return 1\ndef never() -> None: threading.Event().wait()")
    async with hosting(folder / "shop.py") as host:
        assert await host.start() == {}
        (view,) = host.pools()
        assert (view.source, view.starts, view.restarts, view.queue_length) == ("shop", 1, 0, 0)
        assert sum(view.workers.values()) == 1
        calls = [asyncio.ensure_future(ask(host, "shop.never")) for _ in range(12)]
        await asyncio.wait(calls, timeout=0)
        assert view.queue_length >= 10
        for call in calls:
            call.cancel()
        await asyncio.wait(calls, timeout=10)
        assert view.queue_length == 0


async def test_a_source_without_a_worker_says_why_until_it_has_one(write: Write) -> None:
    folder = write(shop__py="1 / 0")
    async with hosting(folder / "shop.py") as host:
        faults = await host.start()
        hosted = host.registry.sources["shop"]
        assert isinstance(hosted, PooledSource)
        assert isinstance(hosted.fault, StartFailed)
        assert hosted.fault.detail == faults["shop"].detail
        write(shop__py="def f() -> int: return 1")
        assert await host.reload("shop") is None
        assert host.registry.sources["shop"].fault is None
        assert [contract.name for contract in host.registry.sources["shop"].contracts] == ["f"]
