from __future__ import annotations

import asyncio
import json
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core.call import Call, Codec
from dragoman.core.event import Event, Log, Progress
from dragoman.core.fault import DeadlineExceeded, InvalidArgument, Started, Unimplemented, Unknown
from dragoman.core.target import Target
from dragoman.guest.inline import InlineFunctions, load_inline
from dragoman.guest.loader import LoadFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from dragoman.guest.context import Context

SOURCE = """
    import asyncio
    from collections.abc import AsyncIterator
    from dragoman.guest.context import Context

    async def add(a: int, b: int) -> int:
        return a + b

    async def forever() -> None:
        await asyncio.Event().wait()

    async def raises() -> None:
        raise ValueError("bad luck")

    async def cancels_itself() -> None:
        raise asyncio.CancelledError

    async def count(n: int) -> AsyncIterator[int]:
        for number in range(n):
            yield number
        if n > 5:
            raise ValueError("no more")

    async def tells(ctx: Context) -> bool:
        ctx.log("priced", order=7)
        ctx.progress(1)
        return ctx.cancelled

    async def tells_late(ctx: Context, fail: bool = False) -> int:
        for step in range(10):
            ctx.progress(step / 100, str(step))
        if fail:
            raise ValueError("no good")
        return step

    async def counts(ctx: Context) -> AsyncIterator[int]:
        for step in range(10):
            ctx.progress(step / 100, str(step))
            yield step

    async def calls(ctx: Context) -> int:
        return await ctx.call("other.double", x=21)
"""


@pytest.fixture
def functions(tmp_path: Path) -> Iterator[InlineFunctions]:
    path, modules = list(sys.path), set(sys.modules)
    source = tmp_path / "inline_subject.py"
    source.write_text(textwrap.dedent(SOURCE))
    yield load_inline(str(source))
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def call_of(functions: InlineFunctions, name: str, **arguments: Any) -> Call:
    index = [contract.name for contract in functions.contracts].index(name)
    streaming = functions.contracts[index].streaming
    target = Target(f"inline.{name}", "inline", name, index, 1.0, streaming)
    return Call(target, json.dumps(arguments).encode(), id=7)


async def test_a_call_is_answered_with_its_result(functions: InlineFunctions) -> None:
    reply = await functions(call_of(functions, "add", a=1, b=2))
    assert (reply.body, reply.codec) == (b"3", Codec.JSON)
    assert 0 <= reply.run_s < 1


async def test_input_that_breaks_the_contract_never_starts(functions: InlineFunctions) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await functions(call_of(functions, "add", a="x"))
    assert caught.value.started is Started.NO
    assert caught.value.function == "add"


@pytest.mark.parametrize("name", ["raises", "cancels_itself"])
async def test_whatever_a_function_raises_is_a_fault(functions: InlineFunctions, name: str) -> None:
    with pytest.raises(Unknown) as caught:
        await functions(call_of(functions, name))
    assert caught.value.started is Started.YES


async def test_the_deadline_stops_the_function(functions: InlineFunctions) -> None:
    call = call_of(functions, "forever")
    call.deadline = time.monotonic() + 0.02
    with pytest.raises(DeadlineExceeded) as caught:
        await functions(call)
    assert caught.value.started is Started.YES


async def test_a_cancelled_call_is_cancelled(functions: InlineFunctions) -> None:
    task = asyncio.ensure_future(functions(call_of(functions, "forever")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_generator_streams_its_encoded_items(functions: InlineFunctions) -> None:
    reply = await functions(call_of(functions, "count", n=3))
    assert reply.items is not None
    assert [item async for item in reply.items] == [b"0", b"1", b"2"]
    await reply.items.aclose()


async def test_a_stream_that_fails_says_so_after_its_items(functions: InlineFunctions) -> None:
    reply = await functions(call_of(functions, "count", n=6))
    assert reply.items is not None
    items = aiter(reply.items)
    assert [await anext(items) for _ in range(6)] == [b"0", b"1", b"2", b"3", b"4", b"5"]
    with pytest.raises(Unknown, match="no more"):
        await anext(items)


async def test_events_reach_the_caller(functions: InlineFunctions) -> None:
    told: list[Event] = []
    call = call_of(functions, "tells")
    call.on_event = told.append
    assert (await functions(call)).body == b"false"
    assert told == [Log("priced", fields={"order": 7}), Progress(1.0)]


@pytest.mark.parametrize("fail", [False, True])
async def test_the_last_progress_is_told_when_the_function_ends(functions: InlineFunctions, *, fail: bool) -> None:
    told: list[Event] = []
    call = call_of(functions, "tells_late", fail=fail)
    call.on_event = told.append
    if fail:
        with pytest.raises(Unknown, match="no good"):
            await functions(call)
    else:
        await functions(call)
    assert told[-1] == Progress(0.09, "9")


async def test_the_last_progress_of_a_stream_is_told_when_it_ends(functions: InlineFunctions) -> None:
    told: list[Event] = []
    call = call_of(functions, "counts")
    call.on_event = told.append
    reply = await functions(call)
    assert reply.items is not None
    assert [item async for item in reply.items][-1] == b"9"
    assert told[-1] == Progress(0.09, "9")


async def test_other_functions_are_called_along_the_route(functions: InlineFunctions) -> None:
    with pytest.raises(Unimplemented):
        await functions(call_of(functions, "calls"))

    class Along:
        async def __call__(self, caller: Call, context: Context, function: str, arguments: dict[str, Any], /) -> Any:
            assert (caller.target.function, function) == ("calls", "other.double")
            assert context.deadline == caller.deadline
            return arguments["x"] * 2

        async def stream(
            self, caller: Call, context: Context, function: str, arguments: dict[str, Any], /
        ) -> AsyncIterator[Any]:
            yield await self(caller, context, function, arguments)

    functions.route = Along()
    assert (await functions(call_of(functions, "calls"))).body == b"42"


def test_a_synchronous_function_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "inline_refused.py"
    source.write_text("def f(a: int) -> int:\n    return a\n")
    path = list(sys.path)
    with pytest.raises(LoadFailed, match="would block the host"):
        load_inline(str(source))
    sys.path[:] = path
    del sys.modules["inline_refused"]
