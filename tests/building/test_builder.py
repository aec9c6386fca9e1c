import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.building.code import Code
from dragoman.building.tool import Tool
from dragoman.core.fault import StartFailed
from tests.building.conftest import SHELL, MakeBuilder, Told, count, recipe
from tests.workers.peer import until


async def test_what_is_built_is_built_once(make_builder: MakeBuilder, code: Code, told: Told) -> None:
    first = await make_builder().build(code, recipe(code))
    again = await make_builder().build(code, recipe(code))
    assert again.folder == first.folder
    assert (first.folder / "out").read_text() == "one"
    assert count(code) == 1
    assert told.steps[0] == "it: building: sh build"
    assert told.steps[1].startswith("it: built in ")
    assert len(told.steps) == 2


async def test_a_changed_file_is_another_build_and_changing_it_back_is_none(
    make_builder: MakeBuilder, code: Code
) -> None:
    builder = make_builder()
    first = await builder.build(code, recipe(code))
    (code.path / "main.txt").write_text("two")
    second = await builder.build(code, recipe(code))
    assert (second.folder / "out").read_text() == "two"
    (code.path / "main.txt").write_text("one")
    assert (await builder.build(code, recipe(code))).folder == first.folder
    assert count(code) == 2


async def test_an_option_a_flag_and_a_tools_version_are_part_of_the_key(make_builder: MakeBuilder, code: Code) -> None:
    made = recipe(code)
    versioned = Tool("sh", "", ask=("-c", "echo 1.2"))
    builds = [
        await make_builder().build(code, made),
        await make_builder().build(code, replace(made, options=("fast",))),
        await make_builder(CFLAGS="-O3").build(code, made),
        await make_builder().build(code, replace(made, tools=(versioned,))),
    ]
    assert len({built.folder for built in builds}) == 4


async def test_two_hosts_that_build_at_once_build_once(make_builder: MakeBuilder, code: Code) -> None:
    slow = recipe(code, 'sleep 0.3; echo built >> "$1/../builds.log"; cp "$1/main.txt" "$2"')
    one, two = await asyncio.gather(*(make_builder().build(code, slow) for _ in range(2)))
    assert one.folder == two.folder
    assert count(code) == 1


async def test_a_failure_tells_what_the_tool_said_and_is_not_repeated_in_vain(
    make_builder: MakeBuilder, code: Code, cache_folder: Path
) -> None:
    builder = make_builder()
    failing = recipe(code, 'echo built >> "$1/../builds.log"; echo "main.txt:1: no such thing" >&2; exit 3')
    for _ in range(3):
        with pytest.raises(StartFailed, match=r"sh build ended with exit code 3:\nmain\.txt:1: no such thing"):
            await builder.build(code, failing)
    assert count(code) == 1
    assert not list((cache_folder / "work").iterdir())
    (code.path / "main.txt").write_text("mended")
    assert await builder.build(code, recipe(code))


async def test_a_long_message_keeps_its_beginning_and_its_end(make_builder: MakeBuilder, code: Code) -> None:
    with pytest.raises(StartFailed) as fault:
        await make_builder().build(code, recipe(code, "seq 1 100000; exit 1"))
    assert ":\n1\n2\n" in fault.value.detail
    assert fault.value.detail.endswith("\n100000")
    assert len(fault.value.detail) < 5000


async def test_a_build_has_a_time_in_which_it_must_be_done(
    make_builder: MakeBuilder, code: Code, cache_folder: Path
) -> None:
    late = replace(code, build_timeout_s=0.2)
    with pytest.raises(StartFailed, match=r"was not done within its build_timeout of 0\.2s:\nstuck"):
        await make_builder().build(late, recipe(code, "echo stuck; sleep 60"))
    assert not list((cache_folder / "work").iterdir())


async def test_a_build_that_is_given_up_leaves_nothing(
    make_builder: MakeBuilder, code: Code, cache_folder: Path
) -> None:
    task = asyncio.ensure_future(make_builder().build(code, recipe(code, 'touch "$1/../begun"; sleep 60')))
    await until((code.path.parent / "begun").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list((cache_folder / "work").iterdir())
    assert not list((cache_folder / "builds").iterdir())


async def test_files_that_change_under_a_build_are_built_as_they_are_in_the_end(
    make_builder: MakeBuilder, code: Code
) -> None:
    script = 'cp "$1/main.txt" "$2"; echo two > "$1/main.txt"'
    built = await make_builder().build(code, recipe(code, script))
    assert (built.folder / "out").read_text() == "two\n"


async def test_files_that_never_rest_cannot_be_built(make_builder: MakeBuilder, code: Code) -> None:
    with pytest.raises(StartFailed, match="files change while it is being built"):
        await make_builder().build(code, recipe(code, 'echo x >> "$1/main.txt"; touch "$2"'))


async def test_a_build_without_its_product_has_failed(make_builder: MakeBuilder, code: Code) -> None:
    with pytest.raises(StartFailed, match="sh build made no out"):
        await make_builder().build(code, recipe(code, "true"))


async def test_a_missing_tool_is_named_with_the_command_that_installs_it(make_builder: MakeBuilder, code: Code) -> None:
    made = recipe(code, tools=(SHELL, Tool("no-such-compiler", "apt-get install it")))
    with pytest.raises(StartFailed, match=r"no-such-compiler is needed, and is not on PATH \(.*\); to install it: apt"):
        await make_builder().build(code, made)
    found, missing = await make_builder().look((Tool("sh", "apt-get upgrade", (9,), ("-c", "echo sh 3.1")),))
    assert not found
    assert (
        str(missing[0]) == f"sh 9 or newer is needed, and {SHELL.locate('')} is sh 3.1; to install it: apt-get upgrade"
    )


async def test_without_its_tools_a_host_runs_what_was_built_before(make_builder: MakeBuilder, code: Code) -> None:
    known = await make_builder().build(code, recipe(code))
    bare = make_builder(PATH="/nowhere")
    assert (await bare.build(code, recipe(code))).folder == known.folder
    (code.path / "main.txt").write_text("two")
    with pytest.raises(StartFailed, match="sh is needed"):
        await bare.build(code, recipe(code))


async def test_a_tool_that_does_not_work_is_missing(make_builder: MakeBuilder) -> None:
    shim = Tool("sh", "choose a version", ask=("-c", "echo no version is chosen; echo more; exit 1"))
    _, (missing,) = await make_builder().look([shim])
    assert "sh does not work: no version is chosen; to install it: choose a version" in str(missing)
    killed = Tool("sh", "", ask=("-c", "echo 1.2; kill -9 $$"))
    found, _ = await make_builder().look([killed])
    assert found["sh"].version == "1.2"


@pytest.fixture
def file_in_the_way(cache_folder: Path) -> None:
    cache_folder.write_text("a file")


async def test_a_place_that_cannot_be_written_to_is_named(
    make_builder: MakeBuilder, code: Code, file_in_the_way: None
) -> None:
    with pytest.raises(StartFailed, match=r"there is no folder to build in .*File exists"):
        await make_builder().build(code, recipe(code))
