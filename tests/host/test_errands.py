"""Functions that make tasks, and wait for them without holding a worker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core.fault import FailedPrecondition, Fault, InvalidArgument, NotFound
from dragoman.core.terms import Terms
from dragoman.tasks.task import Query
from tests.host.projects import ask, hosting
from tests.host.submitting import over, result, submit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dragoman.host.host import Host
    from tests.host.conftest import Write

CODE = """
from pathlib import Path
from dragoman import Context, Fault

HERE = Path(__file__).parent

def square(x: int) -> int:
    return x * x

def note(name: str) -> str:
    with (HERE / "notes.txt").open("a") as file:
        file.write(name + "\\n")
    return name

def wrong() -> int:
    raise ValueError("no good")

def squares(xs: list[int], ctx: Context) -> int:
    with (HERE / "entered.txt").open("a") as file:
        file.write("x")
    tasks = [ctx.submit("shop.square", {"x": x}) for x in xs]
    return sum(ctx.gather(*tasks))

def all_squares(xs: list[int], ctx: Context) -> list[int]:
    tasks = ctx.submit_all("shop.square", [{"x": x} for x in xs], priority="batch")
    return [*ctx.gather(*tasks), *ctx.gather(ctx.submit("shop.square", {"x": 9}))]

async def async_squares(xs: list[int], ctx: Context) -> int:
    tasks = [await ctx.submit("shop.square", {"x": x}) for x in xs]
    return sum(await ctx.gather(*tasks))

def ping(ctx: Context) -> int:
    return ctx.gather(ctx.submit("shop.pong", {"back": ctx.call_id}))[0]

def pong(back: str, ctx: Context) -> int:
    return ctx.gather(back)[0]

def ring(left: int, ctx: Context, first: str = "") -> int:
    other = {"left": left - 1, "first": first or ctx.call_id}
    return ctx.gather(ctx.submit("shop.ring", other) if left else first)[0]

def parent(ctx: Context) -> str:
    return ctx.submit("shop.pong", {"back": ctx.call_id})["id"]

def twice(ctx: Context) -> list[int]:
    (first,) = ctx.gather(ctx.submit("shop.square", {"x": 3}))
    (second,) = ctx.gather(ctx.submit("shop.square", {"x": first}))
    return [first, second]

def wrapped(ctx: Context) -> int:
    task = ctx.submit("shop.square", {"x": 5})
    try:
        return ctx.gather(task)[0]
    except Fault as fault:
        raise RuntimeError("something of ours") from fault

def below(ctx: Context) -> int:
    return ctx.call("shop.squares", xs=[1, 2])

def strict(ctx: Context) -> list[int]:
    return ctx.gather(ctx.submit("shop.wrong"))

def lenient(ctx: Context) -> list[dict]:
    return ctx.gather(ctx.submit("shop.wrong"), ctx.submit("shop.square", {"x": 2})["id"], outcomes=True)

def fickle(ctx: Context) -> list[int]:
    count = HERE / "count.txt"
    tries = int(count.read_text()) if count.exists() else 0
    count.write_text(str(tries + 1))
    return ctx.gather(ctx.submit("shop.square", {"x": tries}))

def keyed(ctx: Context) -> str:
    first = ctx.submit("shop.note", {"name": "k"}, key="same")
    second = ctx.submit("shop.note", {"name": "k"}, key="same")
    assert first["id"] == second["id"]
    return first["id"]

def stops(ctx: Context) -> str:
    task = ctx.submit("shop.note", {"name": "never"}, delay="1h")
    assert ctx.call("tasks.status", task=task["id"])["state"] == "SCHEDULED"
    return ctx.call("tasks.cancel", task=task["id"])["state"]

def selfish(ctx: Context) -> int:
    return ctx.gather(ctx.call_id)

def anything(name: str, given: dict, ctx: Context) -> object:
    return ctx.call(name, **given)

def misfit(ctx: Context) -> object:
    return ctx.submit("shop.square", {"x": "one"})
"""
TOML = '[sources.shop]\npath = "shop.py"\nworkers = 1\n'


@pytest.fixture
def shop(write: Write) -> Path:
    return write(shop__py=CODE, dragoman__toml=TOML)


async def test_a_task_fans_out_and_gathers_with_one_worker_for_all_of_them(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        task = await submit(host, "shop.squares", xs=[1, 2, 3, 4])
        assert await result(host, task) == 30
        document = await host.tasking.tasks.show(task)
        children = (await host.tasking.tasks.find(Query(parent=task)))["tasks"]
    assert (document["attempts"], document["fault"]) == (1, None)
    assert len(children) == 4
    assert {child["parent"] for child in children} == {task}
    assert (shop / "entered.txt").read_text() == "xx"


@pytest.mark.parametrize(
    ("function", "given", "wanted"),
    [
        ("shop.async_squares", {"xs": [1, 2, 3]}, 14),
        ("shop.squares", {"xs": []}, 0),
        ("shop.all_squares", {"xs": [3, 1, 2]}, [9, 1, 4, 81]),
        ("shop.all_squares", {"xs": []}, [81]),
        ("shop.twice", {}, [9, 81]),
        ("shop.wrapped", {}, 25),
    ],
)
async def test_whoever_waits_runs_anew_until_all_is_there(
    shop: Path, function: str, given: dict[str, Any], wanted: object
) -> None:
    async with hosting(shop) as host:
        await host.start()
        assert await result(host, await submit(host, function, **given)) == wanted


async def test_what_a_task_s_function_calls_is_done_for_the_task(write: Write) -> None:
    folder = write(shop__py=CODE, dragoman__toml='[sources.shop]\npath = "shop.py"\nworkers = 2\nretry = 5\n')
    async with hosting(folder) as host:
        await host.start()
        task = await submit(host, "shop.below")
        assert await result(host, task) == 5
        assert len((await host.tasking.tasks.find(Query(parent=task)))["tasks"]) == 2


async def test_no_layer_tries_again_what_only_waits(write: Write) -> None:
    toml = TOML + 'idempotent = true\nretry = { attempts = 10, base = "1ms" }\n'
    folder = write(shop__py=CODE, dragoman__toml=toml)
    async with hosting(folder) as host:
        await host.start()
        await result(host, await submit(host, "shop.squares", xs=[5]))
    assert (folder / "entered.txt").read_text() == "xx"


async def test_outside_of_tasks_a_function_waits_itself(write: Write) -> None:
    folder = write(shop__py=CODE, dragoman__toml='[sources.shop]\npath = "shop.py"\nworkers = 2\n')
    async with hosting(folder) as host:
        await host.start()
        assert await ask(host, "shop.squares", xs=[1, 2]) == 5
        assert await ask(host, "shop.async_squares", xs=[2, 3]) == 13
        with pytest.raises(Fault, match="time"):
            await ask(host, "shop.anything", 0.5, name="tasks.gather", given={"tasks": [await late(host)]})


async def late(host: Host) -> str:
    return await submit(host, "shop.square", Terms(delay_s=60), x=1)


async def test_a_task_that_failed_fails_whoever_wants_its_result_and_not_who_asks_what_became_of_it(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        with pytest.raises(FailedPrecondition, match=r"shop\.wrong is FAILED: UNKNOWN: ValueError: no good"):
            await result(host, await submit(host, "shop.strict"))
        first, second = await result(host, await submit(host, "shop.lenient"))
    assert (first["state"], first["result"], first["fault"]["code"]) == ("FAILED", None, "UNKNOWN")
    assert (second["state"], second["result"], second["fault"]) == ("SUCCEEDED", 4, None)


async def test_an_attempt_that_submits_something_else_is_told_so(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        document = await over(host, await submit(host, "shop.fickle"))
    assert document["state"] == "FAILED"
    assert "number 1 had another input in an earlier attempt" in document["fault"]["detail"]


async def test_a_key_of_its_own_makes_submissions_one(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        note = await result(host, await submit(host, "shop.keyed"))
        await over(host, note)
    assert (shop / "notes.txt").read_text() == "k\n"


async def test_tasks_are_looked_at_and_cancelled(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        assert await result(host, await submit(host, "shop.stops")) == "CANCELLED"


@pytest.mark.parametrize("workers", [1, 4])
async def test_tasks_that_wait_for_each_other_are_told_so(write: Write, workers: int) -> None:
    toml = TOML.replace("workers = 1", f"workers = {workers}")
    async with hosting(write(shop__py=CODE, dragoman__toml=toml)) as host:
        await host.start()
        tasks = [await submit(host, "shop.ping") for _ in range(5)]
        tasks += [await submit(host, "shop.ring", left=3) for _ in range(5)]
        for each in tasks:
            await over(host, each)
        found = (await host.tasking.tasks.find(Query(limit=100)))["tasks"]
        assert {each["state"] for each in found} == {"FAILED"}
        faults = [each["fault"]["detail"] for each in found]
        assert sum("waits for it in turn" in each for each in faults) >= len(tasks)


async def test_a_task_may_wait_for_the_one_that_submitted_it_and_went_on(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        child = await result(host, await submit(host, "shop.parent"))
        assert await result(host, child) == child


async def test_a_task_does_not_wait_for_itself(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        document = await over(host, await submit(host, "shop.selfish"))
    assert "cannot wait for itself" in document["fault"]["detail"]


@pytest.mark.parametrize(
    ("function", "given", "kind", "detail"),
    [
        ("tasks.submti", {}, NotFound, "did you mean 'tasks.submit'"),
        ("tasks.submit", {}, InvalidArgument, "/function is missing"),
        ("tasks.submit", {"function": "shop.square", "inptu": {}}, InvalidArgument, "/inptu is unknown"),
        ("tasks.submit", {"function": "shop.square", "a/b": 1}, InvalidArgument, "/a~1b is unknown"),
        ("tasks.submit", {"function": "shop.nothing"}, NotFound, "shop.nothing"),
        ("tasks.submit", {"function": "shop.square", "input": {"x": "1"}}, InvalidArgument, "shop.square"),
        ("tasks.submit", {"function": "shop.wrong", "delay": "soon"}, InvalidArgument, "/delay"),
        ("tasks.submit", {"function": "shop.wrong", "delay": -1}, InvalidArgument, "/delay must be no less than 0"),
        (
            "tasks.submit",
            {"function": "shop.wrong", "delay": 1e12},
            InvalidArgument,
            "/delay must be no less than 0, and",
        ),
        ("tasks.submit", {"function": "shop.wrong", "deadline": 10**400}, InvalidArgument, "/deadline int too large"),
        ("tasks.submit", {"function": "shop.wrong", "timeout": "9999999d"}, InvalidArgument, "at most 3650d"),
        ("tasks.submit", {"function": "shop.wrong", "key": ""}, InvalidArgument, "/key must not be empty"),
        ("tasks.submit", {"function": "shop.wrong", "priority": "high"}, InvalidArgument, "/priority"),
        ("tasks.submit", {"function": "shop.wrong", "attempts": True}, InvalidArgument, "/attempts must be"),
        ("tasks.submit", {"function": "shop.wrong", "attempts": 0}, InvalidArgument, "/attempts must be 1 to 1000"),
        (
            "tasks.submit",
            {"function": "shop.wrong", "inputs": [{"x": 1}, 1]},
            InvalidArgument,
            "/inputs/1 must be an object",
        ),
        ("tasks.submit", {"function": "shop.wrong", "inputs": [], "key": "k"}, InvalidArgument, "stand beside key"),
        ("tasks.gather", {"tasks": [1]}, InvalidArgument, "/tasks/0 must be a task's id"),
        ("tasks.gather", {"tasks": ["no id"]}, NotFound, "there is no task"),
        ("tasks.status", {"task": "01a1fed3-69b0-7000-ba57-288838a0b473"}, NotFound, "there is no task"),
    ],
)
async def test_what_is_wrong_is_told(
    shop: Path, function: str, given: dict[str, Any], kind: type[Fault], detail: str
) -> None:
    async with hosting(shop) as host:
        await host.start()
        with pytest.raises(kind) as wrong:
            await ask(host, "shop.anything", name=function, given=given)
        assert detail in wrong.value.detail


async def test_a_host_that_dies_between_two_attempts_submits_nothing_twice(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        task = await submit(host, "shop.squares", xs=[1, 2, 3])
        await reached((shop / "entered.txt").exists)
    async with hosting(shop) as host:
        await host.start()
        assert await result(host, task) == 14
        assert len((await host.tasking.tasks.find(Query(parent=task)))["tasks"]) == 3


async def test_of_many_tasks_all_are_stored_or_none(shop: Path) -> None:
    async with hosting(shop) as host:
        await host.start()
        given = {"function": "shop.square", "inputs": [{"x": 1}, {"x": "two"}]}
        with pytest.raises(InvalidArgument):
            await ask(host, "shop.anything", name="tasks.submit", given=given)
        assert (await host.tasking.tasks.find(Query()))["tasks"] == []


async def test_inline_functions_make_tasks_too(write: Write, own_modules: None) -> None:
    del own_modules
    toml = TOML + '[sources.inside]\npath = "inside.py"\nmode = "inline"\n'
    inside = """
        from dragoman import Context
        async def squares(ctx: Context) -> int:
            return sum(await ctx.gather(*[await ctx.submit("shop.square", {"x": x}) for x in (1, 2)]))
    """
    async with hosting(write(shop__py=CODE, inside__py=inside, dragoman__toml=toml)) as host:
        await host.start()
        assert await result(host, await submit(host, "inside.squares")) == 5


async def reached(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - any condition
            await asyncio.sleep(0.005)
