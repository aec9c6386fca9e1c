"""Calls gathered into one for real functions, in workers and inside the host."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

import dragoman
from dragoman.core.call import Call, Codec
from dragoman.core.draft import whole
from dragoman.core.fault import Fault, Internal, InvalidArgument, NotFound, Started, StartFailed, Unknown
from dragoman.core.service import Pending, settle
from dragoman.host.host import Host
from dragoman.policies.batch import Batch, BatchOptions
from dragoman.policies.surroundings import Surroundings
from tests.integration.conftest import Write, hosted, pool_of, soon

SOURCE = """
from dragoman import Batch, Fault, NotFound, function

@function(batch=Batch(max=64, delay="2ms"))
def double(xs: list[float], scale: float = 2.0) -> list[float]:
    return [x * scale for x in xs]

@function(batch=Batch())
def sizes(xs: list[int]) -> list[int]:
    return [len(xs)] * len(xs)

@function(batch=Batch())
def lookup(keys: list[int]) -> list[int | Fault]:
    return [key if key >= 0 else NotFound(f"no {key}") for key in keys]

@function(batch=Batch())
def short(xs: list[int]) -> list[int]:
    return xs[1:]

@function(batch=Batch())
def fails(xs: list[int]) -> list[int]:
    raise ValueError("all of it")

@function(batch=Batch(), idempotent=True)
def picky(xs: list[int]) -> list[int]:
    if 13 in xs:
        raise ValueError("not 13")
    return xs
"""
INLINE = SOURCE.replace("\ndef ", "\nasync def ")
TOML = """
[sources.work]
path = "work.py"
"""
CODECS = [Codec.JSON, Codec.MSGPACK]
ENCODE = {Codec.JSON: msgspec.json.encode, Codec.MSGPACK: msgspec.msgpack.encode}
DECODE = {Codec.JSON: msgspec.json.decode, Codec.MSGPACK: msgspec.msgpack.decode}


def layered(host: Host, name: str, options: BatchOptions | None = None) -> Batch:
    """Gather a function's calls."""
    entry = host.registry.entries[name]
    declared = entry.contract.batch
    assert declared is not None
    options = options or BatchOptions(declared.max, declared.delay_s)
    batch = Batch(options, replace(Surroundings.here(), next_id=iter(range(10**6, 10**7)).__next__), entry.contract)
    host.registry.entries[name] = replace(entry, service=batch(entry.hosted.service))
    return batch


def begin(host: Host, name: str, codec: Codec, value: Any) -> Pending:
    entry = host.registry.find(name)
    call: Call = host.call(entry.target, ENCODE[codec](value), codec, codec, None)
    return settle(entry.service(call))


async def outcomes(host: Host, name: str, codec: Codec, *values: Any) -> list[Any]:
    """What each of several callers gets, who call at once: the value or the fault."""

    async def one(pending: Pending) -> Any:
        try:
            reply = await pending
        except Fault as fault:
            return fault
        return DECODE[reply.codec](whole(reply.body))

    return await asyncio.gather(*[one(begin(host, name, codec, value)) for value in values])


def project(write: Write, mode: str) -> Any:
    inline = mode == "inline"
    return write(work__py=INLINE if inline else SOURCE, dragoman__toml=TOML + ('mode = "inline"\n' if inline else ""))


@pytest.mark.parametrize("mode", ["warm", "inline"])
@pytest.mark.parametrize("codec", CODECS)
async def test_each_of_many_callers_gets_its_own(write: Write, mode: str, codec: Codec) -> None:
    async with hosted(project(write, mode)) as host:
        batch = layered(host, "work.double")
        inputs = [{"xs": [float(n), 0.5]} for n in range(200)]
        found = await outcomes(host, "work.double", codec, *inputs)
        assert found == [[2.0 * n, 1.0] for n in range(200)]
        assert batch.counts["sent"] < 12
        found = await outcomes(host, "work.double", codec, {"xs": [1.0], "scale": 3.0}, {"xs": [1.0], "scale": 4.0})
        assert found == [[3.0], [4.0]]


@pytest.mark.parametrize("codec", CODECS)
async def test_the_function_is_run_once_for_all(write: Write, codec: Codec) -> None:
    async with hosted(project(write, "warm")) as host:
        layered(host, "work.sizes")
        assert await outcomes(host, "work.sizes", codec, {"xs": [1]}, {"xs": [2, 3]}) == [[3], [3, 3]]
        big = {"xs": [2**63 - 1]}
        assert await outcomes(host, "work.sizes", codec, big, big) == [[2], [2]]


@pytest.mark.parametrize("mode", ["warm", "inline"])
@pytest.mark.parametrize("codec", CODECS)
async def test_a_fault_that_is_returned_for_an_item_is_one_callers(write: Write, mode: str, codec: Codec) -> None:
    async with hosted(project(write, mode)) as host:
        layered(host, "work.lookup")
        good, bad, mixed = await outcomes(
            host, "work.lookup", codec, {"keys": [1, 2]}, {"keys": [-3]}, {"keys": [4, -5]}
        )
        assert good == [1, 2]
        assert isinstance(bad, NotFound)
        assert (bad.detail, bad.started, bad.function) == ("no -3", Started.YES, "work.lookup")
        assert isinstance(mixed, NotFound)
        assert mixed.detail == "no -5"
        (alone,) = await outcomes(host, "work.lookup", codec, {"keys": [-7]})
        assert isinstance(alone, NotFound)
        assert (alone.detail, alone.started) == ("no -7", Started.YES)


async def test_without_gathering_a_returned_fault_is_the_calls(write: Write) -> None:
    async with dragoman.open(project(write, "warm")) as work:
        assert await work.work.lookup(keys=[1]) == [1]
        with pytest.raises(NotFound, match="no -1") as fault:
            await work.work.lookup(keys=[1, -1])
        assert fault.value.started is Started.YES


@pytest.mark.parametrize("mode", ["warm", "inline"])
@pytest.mark.parametrize("codec", CODECS)
async def test_one_bad_input_fails_nobody_else(write: Write, mode: str, codec: Codec) -> None:
    async with hosted(project(write, mode)) as host:
        batch = layered(host, "work.double")
        good, bad, other = await outcomes(
            host, "work.double", codec, {"xs": [1.0]}, {"xs": [1.0, "two"]}, {"xs": [3.0, 4.0]}
        )
        assert (good, other) == ([2.0], [6.0, 8.0])
        assert isinstance(bad, InvalidArgument)
        assert [breach.path for breach in bad.errors] == ["/xs/1"]
        assert batch.counts["split"] == 1


async def test_what_fails_as_a_whole_fails_all_unless_it_may_be_tried_again(write: Write) -> None:
    async with hosted(project(write, "warm")) as host:
        layered(host, "work.fails")
        found = await outcomes(host, "work.fails", Codec.JSON, {"xs": [1]}, {"xs": [2]})
        assert [type(each) for each in found] == [Unknown, Unknown]
        layered(host, "work.picky")
        good, bad = await outcomes(host, "work.picky", Codec.JSON, {"xs": [1]}, {"xs": [13]})
        assert good == [1]
        assert isinstance(bad, Unknown)


async def test_a_result_of_the_wrong_length_is_told(write: Write) -> None:
    async with hosted(project(write, "warm")) as host:
        layered(host, "work.short")
        for fault in await outcomes(host, "work.short", Codec.JSON, {"xs": [1]}, {"xs": [2, 3]}):
            assert isinstance(fault, Internal)
            assert "a list of 2 for 3 items" in fault.detail


async def test_callers_that_leave_take_nothing_with_them(write: Write) -> None:
    async with hosted(project(write, "warm")) as host:
        batch = layered(host, "work.double", BatchOptions(8, 0.005))
        for round_ in range(50):
            begun = [begin(host, "work.double", Codec.JSON, {"xs": [float(n)]}) for n in range(6)]
            if round_ % 2:
                await asyncio.sleep(0.005)
            for pending in begun[round_ % 6 :: 2]:
                pending.cancel()
            stayed = [pending for pending in begun if not pending.cancelled]
            for pending in stayed:
                await pending
        await soon(lambda: batch.state() == {"waiting": 0, "open": 0, "in_flight": 0})
        await soon(lambda: pool_of(host, "work").idle)


async def test_a_declared_batch_that_does_not_fit_is_refused_at_the_start(write: Write) -> None:
    source = "from dragoman import Batch, function\n@function(batch=Batch())\ndef mean(xs: list[float]) -> float: ...\n"
    folder = write(work__py=source)
    with pytest.raises(StartFailed, match=r"mean.*batch.*result must be a list"):
        async with dragoman.open(folder / "work.py"):
            pass
