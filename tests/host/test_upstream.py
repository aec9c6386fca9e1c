"""What the host knows of a service: how it is launched, its one contract, and that calls in flight are waited for."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from dragoman.config.project import Source
from dragoman.host.upstream import alone_contract, asks_for_port, launch
from dragoman.upstream.options import UpstreamOptions
from tests.host.projects import ask, hosting
from tests.upstream.services import Exchange, serving


def source(options: UpstreamOptions) -> Source:
    return Source("it", "upstream", Path("/srv"), language="http", mode="upstream", upstream=options)


def test_the_port_goes_into_arguments_and_environment() -> None:
    options = UpstreamOptions(url="http://127.0.0.1:{port}", command=("serve", "--port={port}", "{other}"))
    started = launch(source(options), {"PORT": "{port}", "A": "b"}, 81)
    assert started.argv == ("serve", "--port=81", "{other}")
    assert started.env == {"PORT": "81", "A": "b"}
    assert (started.cwd, started.wired) == ("/srv", False)
    assert asks_for_port(options)


def test_braces_stay_where_no_port_is_chosen() -> None:
    options = UpstreamOptions(url="http://127.0.0.1:80", command=("serve", "{port}"))
    assert launch(source(options), {}, 0).argv == ("serve", "{port}")
    assert not asks_for_port(options)


def test_a_service_of_one_function_takes_any_object_unless_declared() -> None:
    contract = alone_contract(source(UpstreamOptions(url="http://a", streaming=True)))
    assert (contract.name, contract.input, contract.output) == ("it", {"type": "object"}, {})
    assert contract.streaming


@pytest.mark.parametrize("command", ["", 'command = ["sleep", "60"]\n'])
async def test_a_missing_library_keeps_one_source_from_starting_and_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    for name in [name for name in sys.modules if name.startswith("dragoman.upstream.rpc")]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "dragoman.toml").write_text(
        f'[sources.it]\ngrpc = "grpc://127.0.0.1:9"\n{command}[sources.other]\nurl = "http://a"\n'
    )
    async with hosting(tmp_path) as host:
        faults = await host.start()
        begun = time.monotonic()
        await asyncio.to_thread(int)  # the loop turns while it is tried again
        assert time.monotonic() - begun < 5
    assert list(faults) == ["it"]
    assert "pip install 'dragoman[grpc]'" in faults["it"].detail


async def test_a_stop_waits_for_calls_in_flight(tmp_path: Path) -> None:
    came, go = asyncio.Event(), asyncio.Event()

    async def respond(exchange: Exchange) -> None:
        came.set()
        await go.wait()
        await exchange.answer(b"1")

    async with serving() as service:
        service.respond = respond
        (tmp_path / "dragoman.toml").write_text(f'[sources.it]\nurl = "{service.url}"\n')
        async with hosting(tmp_path) as host:
            assert await host.start() == {}
            calling = asyncio.ensure_future(ask(host, "it"))
            await asyncio.wait_for(came.wait(), 5)
            stopping = asyncio.ensure_future(host.stop(5))
            done, _ = await asyncio.wait((stopping,), timeout=0.05)
            assert not done
            go.set()
            assert await calling == 1
            await asyncio.wait_for(stopping, 5)
