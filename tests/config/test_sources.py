import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.config.load import parse_project
from dragoman.config.problem import ConfigError
from dragoman.config.project import Source
from dragoman.config.sources import placeholders, processors
from dragoman.sandbox.confinement import Limits


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stats.py").touch()
    (tmp_path / "w.mjs").touch()
    (tmp_path / "plain").touch()
    (tmp_path / "thumb.sh").write_text("#!/bin/sh\n")
    (tmp_path / "thumb.sh").chmod(0o755)
    return tmp_path


def sources(folder: Path, text: str) -> dict[str, Source]:
    return dict(parse_project(folder / "dragoman.toml", text.encode()).sources)


def source(folder: Path, settings: str, above: str = "") -> Source:
    return sources(folder, f"{above}\n[sources.it]\n{settings}\n")["it"]


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        sources(folder, text)
    return [str(problem).removeprefix(f"{folder}/dragoman.toml:") for problem in error.value.problems]


def test_a_python_source_has_the_defaults(folder: Path) -> None:
    found = source(folder, 'path = "stats.py"')
    assert (found.kind, found.language, found.mode, found.path) == ("guest", "python", "warm", folder / "stats.py")
    assert (found.pool.workers_min, found.pool.workers_max) == (1, max(2, processors()))
    assert (found.timeout_s, found.idempotent, found.command, found.folder) == (30.0, None, (), folder)


def test_a_command_is_one_process_per_call_with_a_pool_of_its_own_size(folder: Path) -> None:
    found = source(folder, 'command = ["./thumb.sh", "{width}"]')
    assert (found.kind, found.language, found.mode, found.path) == ("command", "exec", "exec", None)
    assert found.command == (str(folder / "thumb.sh"), "{width}")
    assert (found.pool.workers_min, found.pool.workers_max) == (1, max(4, processors()))
    assert (found.stdin, found.stdout) == ("none", "json")


def test_a_program_without_a_folder_is_left_for_the_path(folder: Path) -> None:
    assert source(folder, 'command = ["awk", "{print}"]\ninput = { print = "string" }').command[0] == "awk"


def test_every_setting_arrives(folder: Path) -> None:
    found = source(
        folder,
        """
        path = "stats.py"
        timeout = "2s"
        idempotent = true
        env = { A = 1, B = true }
        workers = { min = 2, max = 3, idle = "5s" }
        concurrency = 7
        queue = 0
        start_timeout = "4s"
        cancel_grace = "0s"
        drain_timeout = "6s"
        recycle = { calls = 8, age = "9m", memory = "10MB" }
        body_max = "1MB"
        limits = { memory = "64MB", files = 99, processes = 10, file_size = "1KB" }
        """,
    )
    pool = found.pool
    assert (found.timeout_s, found.idempotent, found.env) == (2.0, True, {"A": "1", "B": "true"})
    assert (pool.workers_min, pool.workers_max, pool.idle_s, pool.concurrency, pool.queue) == (2, 3, 5.0, 7, 0)
    assert (pool.start_timeout_s, pool.cancel_grace_s, pool.drain_timeout_s) == (4.0, 0.0, 6.0)
    assert (pool.recycle_calls, pool.recycle_age_s, pool.recycle_memory_bytes) == (8, 540.0, 10 << 20)
    assert pool.body_bytes_max == 1 << 20
    assert found.limits == Limits(memory_bytes=64 << 20, files=99, processes=10, file_bytes=1024)


def test_every_setting_of_an_executable_arrives(folder: Path) -> None:
    found = source(
        folder,
        """
        command = ["./thumb.sh"]
        description = "Makes\\nthumbnails."
        stdin = "json"
        stdout = "jsonl"
        input = { width = "integer" }
        output = "number"
        output_max = "2MB"
        """,
    )
    assert (found.description, found.stdin, found.stdout) == ("Makes\nthumbnails.", "json", "jsonl")
    assert found.input == {
        "type": "object",
        "properties": {"width": {"type": "integer"}},
        "required": ["width"],
        "additionalProperties": False,
    }
    assert (found.output, found.output_bytes_max) == ({"type": "number"}, 2 << 20)


def test_a_command_without_an_input_needs_a_string_for_each_placeholder(folder: Path) -> None:
    found = source(folder, 'command = ["echo", "{b}-{a}", "{b}", "{{c}}", "{ d }", "{1}"]')
    assert found.input == {
        "type": "object",
        "properties": {"b": {"type": "string"}, "a": {"type": "string"}},
        "required": ["b", "a"],
        "additionalProperties": False,
    }


def test_an_executable_by_path_takes_arguments_and_a_body(folder: Path) -> None:
    found = source(folder, 'path = "thumb.sh"')
    assert found.command == (str(folder / "thumb.sh"), "{args}")
    assert (found.kind, found.stdin, found.stdout) == ("command", "body", "text")
    assert found.input is not None
    assert found.input["properties"] == {"args": {"type": "array", "items": {"type": "string"}, "default": []}}


def test_an_executable_by_path_may_say_otherwise(folder: Path) -> None:
    found = source(folder, 'path = "thumb.sh"\nstdin = "json"\ninput = { width = "integer" }\nstdout = "bytes"')
    assert found.command == (str(folder / "thumb.sh"),)
    assert (found.stdin, found.stdout) == ("json", "bytes")


def test_a_schema_file_is_read_from_the_project(folder: Path) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
    (folder / "in.json").write_text(json.dumps(schema))
    assert source(folder, 'command = ["echo", "{a}"]\ninput = "in.json"').input == schema
    (folder / "in.json").write_text('{"type": "object", "required": 3}')
    assert (
        "in.json is not a usable JSON Schema"
        in problems(folder, '[sources.it]\ncommand = ["echo"]\ninput = "in.json"')[0]
    )
    assert "cannot be read: No such file" in problems(folder, '[sources.it]\ncommand = ["ls"]\noutput = "out.json"')[0]
    (folder / "in.json").write_text(" " * 300_000)
    assert "in.json is larger than 256KB" in problems(folder, '[sources.it]\ncommand = ["ls"]\noutput = "in.json"')[0]


def test_defaults_are_inherited_key_by_key(folder: Path) -> None:
    above = """
    [defaults]
    timeout = "5s"
    workers = { min = 2, max = 6 }
    recycle.calls = 10
    env = { A = "default", B = "default" }
    """
    found = source(folder, 'path = "stats.py"\nworkers.max = 3\nenv = { B = "own" }\nrecycle.age = "1m"', above)
    assert found.timeout_s == 5.0
    assert (found.pool.workers_min, found.pool.workers_max) == (2, 3)
    assert (found.pool.recycle_calls, found.pool.recycle_age_s) == (10, 60.0)
    assert found.env == {"A": "default", "B": "own"}


def test_defaults_that_mean_nothing_to_a_source_pass_it_by(folder: Path) -> None:
    above = '[defaults]\nmode = "inline"\nconcurrency = 9\nstdin = "json"\nlanguage = "exec"\nlimits.files = 64'
    command = source(folder, 'command = ["ls"]', above)
    assert (command.mode, command.stdin, command.limits.files, command.pool.concurrency) == ("exec", "json", 64, 1)
    python = source(folder, 'path = "stats.py"', above)
    assert (python.mode, python.stdin, python.limits.files, python.pool.concurrency) == ("inline", "none", 1024, 9)


def test_a_least_number_of_workers_lifts_the_default_of_the_most(folder: Path) -> None:
    pool = source(folder, 'path = "stats.py"\nworkers.min = 90').pool
    assert (pool.workers_min, pool.workers_max) == (90, 90)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[sources.a]", '1: sources.a: needs a path (path = "stats.py") or a command'),
        (
            '[sources.a]\npath = "stats.py"\ncommand = ["ls"]',
            "2: sources.a.path: cannot stand beside sources.a.command (line 3)",
        ),
        ('[sources.a]\npath = "none.py"', "2: sources.a.path: no such file: "),
        ('[sources.a]\npath = "plain"', "2: sources.a.path: "),
        ('[sources.a]\npath = "a\\u0000b"', "2: sources.a.path: expected a path, found control characters"),
        ('[sources.a]\ncommand = ["./plain"]', "2: sources.a.command[0]: "),
        ('[sources.a]\ncommand = ["{cmd}"]', "2: sources.a.command[0]: the program itself cannot come from the input"),
        (
            '[sources.a]\ncommand = ["ls"]\nlanguage = "python"',
            "3: sources.a.language: cannot stand beside sources.a.command (line 2)",
        ),
        ('[sources.a]\ncommand = ["ls"]\nmode = "warm"', '3: sources.a.mode: mode "warm" is for code in a language'),
        ('[sources.a]\npath = "stats.py"\nmode = "exec"', '3: sources.a.mode: mode "exec" is for executables'),
        ('[sources.a]\ncommand = ["ls"]\nmode = "fork"', '3: sources.a.mode: mode "fork" is for code in a language'),
        (
            '[sources.a]\npath = "stats.py"\nmode = "fork"\nconcurrency = 4',
            "4: sources.a.concurrency: cannot stand beside sources.a.mode (line 3): each call has a process of its own",
        ),
        (
            '[defaults]\nmode = "fork"\n[sources.a]\npath = "stats.py"\ngrow = "start"',
            "5: sources.a.grow: cannot stand beside defaults.mode (line 2)",
        ),
        (
            '[sources.a]\npath = "stats.py"\npreload = ["json"]',
            '3: sources.a.preload: is for mode = "fork", and sources.a.path (line 2) is run by workers that live on',
        ),
        (
            '[sources.a]\npath = "w.mjs"\nmode = "fork"\npreload = ["json"]',
            "4: sources.a.preload: is for Python, and sources.a.path (line 2) is JavaScript",
        ),
        (
            '[sources.a]\npath = "w.mjs"\nfork_safe = true',
            "3: sources.a.fork_safe: is for Python, and sources.a.path (line 2) is JavaScript",
        ),
        (
            '[sources.a]\npath = "w.mjs"\ngrow = "fork"',
            "3: sources.a.grow: is for Python, and sources.a.path (line 2) is JavaScript",
        ),
        (
            '[sources.a]\npath = "w.mjs"\nmode = "fork"\nconcurrency = 4',
            "4: sources.a.concurrency: cannot stand beside sources.a.mode (line 3): each call has a process of its own",
        ),
        (
            '[sources.a]\npath = "w.mjs"\nmode = "fork"\nrecycle.age = "1h"',
            "4: sources.a.recycle.age: cannot stand beside sources.a.mode (line 3): each call has a process of its own",
        ),
        (
            '[sources.a]\npath = "w.mjs"\nmode = "inline"',
            '3: sources.a.mode: mode "inline" is for Python',
        ),
        (
            '[sources.a]\npath = "stats.py"\nmode = "fork"\npreload = ["not a module"]',
            "4: sources.a.preload[0]: expected a module such as pandas",
        ),
        (
            '[sources.a]\npath = "stats.py"\nstdin = "json"',
            "3: sources.a.stdin: is for executables, and sources.a.path (line 2) is Python",
        ),
        (
            '[sources.a]\ncommand = ["ls"]\nrecycle.calls = 3',
            "3: sources.a.recycle.calls: means nothing to sources.a.command (line 2)",
        ),
        (
            '[sources.a]\npath = "stats.py"\nmode = "inline"\nworkers = 3',
            "4: sources.a.workers: cannot stand beside sources.a.mode (line 3)",
        ),
        (
            '[defaults]\nmode = "inline"\n[sources.a]\npath = "stats.py"\nenv.A = "b"',
            "5: sources.a.env: cannot stand beside defaults.mode (line 2)",
        ),
        (
            '[sources.a]\npath = "stats.py"\nworkers = { min = 3, max = 2 }',
            "3: sources.a.workers.min: 3 is more than sources.a.workers.max (line 3), which is 2",
        ),
        (
            '[defaults]\nworkers.min = 3\n[sources.a]\npath = "stats.py"\nworkers.max = 2',
            "5: sources.a.workers.max: 2 is less than defaults.workers.min (line 2), which is 3",
        ),
        (
            '[sources.a]\ncommand = ["ls"]\nstdout = "bytes"\noutput = "string"',
            "4: sources.a.output: cannot stand beside sources.a.stdout (line 3)",
        ),
        (
            '[sources.a]\ncommand = [\n"ls",\n"{wdith}"]\ninput = { width = "integer" }',
            "4: sources.a.command[1]: {wdith} is no property of the input; did you mean 'width'?",
        ),
        (
            '[sources.a]\ncommand = ["ls", "{{max-count}}", "--n={max-count}"]\ninput = { max-count = "integer" }',
            "2: sources.a.command[2]: {max-count} stands for nothing: a name in braces is letters, digits and unde",
        ),
        (
            '[sources.a]\ncommand = ["awk", "{print}"]\ninput = {}',
            "2: sources.a.command[1]: {print} is no property of the input; the input has none (literal",
        ),
        (
            '[sources.a]\ncommand = ["ls"]\ninput = { a = { type = "integer", default = "x" } }',
            "3: sources.a.input: the default of 'a' breaks its own schema",
        ),
        (
            '[sources.a]\ncommand = ["ls"]\ninput = { a = { pattern = "(" } }',
            "3: sources.a.input: is not a usable JSON Schema",
        ),
    ],
)
def test_what_cannot_stand_is_refused_naming_both_places(folder: Path, text: str, expected: str) -> None:
    (found,) = problems(folder, text)
    assert found.startswith(expected)


@pytest.mark.parametrize("name", ["w.mjs", "w.go", "w.rs", "w.ts", "W.java"])
def test_a_clean_process_for_each_call_is_for_every_language_that_has_guests(folder: Path, name: str) -> None:
    (folder / name).touch()
    text = '[defaults]\nmode = "fork"\nrecycle.calls = 9\nconcurrency = 3\n[sources.a]\npath = "%s"' % name  # noqa: UP031 - one line
    found = parse_project(folder / "dragoman.toml", text.encode()).sources["a"]
    assert (found.mode, found.pool.recycle_calls) == ("fork", 0)
    assert found.pool.concurrency != 3


def test_a_wrong_default_is_told_once_however_many_sources_inherit_it(folder: Path) -> None:
    text = '[defaults]\nworkers = { min = 3, max = 2 }\n[sources.a]\npath = "stats.py"\n[sources.b]\npath = "stats.py"'
    assert len(problems(folder, text)) == 1


def test_a_source_may_be_a_link_or_stand_outside_the_folder(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner/link.py").symlink_to(folder / "stats.py")
    text = b'[sources.a]\npath = "link.py"\n[sources.b]\npath = "../stats.py"'
    found = parse_project(folder / "inner/dragoman.toml", text).sources
    assert found["a"].path == folder / "inner/link.py"
    assert found["b"].path is not None
    assert found["b"].path.samefile(folder / "stats.py")


def test_placeholders_are_named_with_their_arguments() -> None:
    assert placeholders(("ls", "{a}{b}", "{{c}}", "{{{d}}}", "{", "{-}", "{a b}")) == [(1, "a"), (1, "b"), (3, "d")]
