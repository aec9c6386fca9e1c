import json
import textwrap
import tomllib
from pathlib import Path

import pytest

from dragoman.config.drill import Drill, drill_schema, parse_drill, read_drill, render
from dragoman.config.problem import ConfigError
from dragoman.contract.check import Checker
from dragoman.core.call import Priority
from dragoman.core.fault import Code

ROOT = Path(__file__).parents[2]
WHOLE = """
name = "bad day"
[[steps]]
name = "killing"
for = "2s"
[[steps.calls]]
function = "work.square"
input = { n = 3 }
rate = "200/s"
timeout = "500ms"
priority = "critical"
expect = { success = 0.99, p99 = "50ms", codes = ["UNAVAILABLE"] }
[steps.chaos."work.square"]
kill = 0.02
latency_for = "20ms"
[[steps.events]]
after = "500ms"
stop = "work"
"""


def parse(text: str, folder: Path = Path("/x")) -> Drill:
    return parse_drill(folder / "drill.toml", textwrap.dedent(text).encode())


def problems(text: str, folder: Path = Path("/x")) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        parse(text, folder)
    return [f"{each.line}: {each.key}: {each.message}" for each in refused.value.problems]


def test_a_whole_rehearsal_is_read() -> None:
    drill = parse(WHOLE)
    assert (drill.name, drill.needs_host) == ("bad day", True)
    (step,) = drill.steps
    assert (step.name, step.for_s) == ("killing", 2.0)
    (load,) = step.loads
    assert (load.function, load.input, load.rate, load.timeout_s) == ("work.square", b'{"n":3}', 200.0, 0.5)
    assert load.priority is Priority.CRITICAL
    assert (load.expect.success, load.expect.p99_s, load.expect.codes) == (0.99, 0.05, frozenset({Code.UNAVAILABLE}))
    assert {key: each.value for key, each in step.chaos["work.square"].items()} == {
        "chaos.kill": 0.02,
        "chaos.latency_for": 0.02,
    }
    assert [(event.after_s, event.source, event.stops) for event in step.events] == [(0.5, "work", True)]


def test_what_is_not_said_has_its_default() -> None:
    drill = parse('[[steps]]\n[[steps.calls]]\nfunction = "f"')
    (step,) = drill.steps
    assert (drill.name, step.name, step.for_s, drill.needs_host) == ("drill", "1", 10.0, False)
    assert (step.loads[0].callers, step.loads[0].input, step.loads[0].expect.success) == (1, b"{}", None)


def test_an_input_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(' {"n": 12345678901234567890}\n')
    drill = parse('[[steps]]\n[[steps.calls]]\nfunction = "f"\ninput_file = "rows.json"', tmp_path)
    assert drill.steps[0].loads[0].input == b'{"n": 12345678901234567890}'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('name = "x"', "no steps: add one"),
        ("steps = 1", "1: steps: expected tables such as [[steps]]"),
        ("[steps]", "expected tables such as [[steps]]"),
        ("[[step]]", "did you mean 'steps'?"),
        ("[[steps]]", "1: steps[0]: calls nothing"),
        ("[[steps]]\nfor = 5", "2: steps[0].for: expected a duration"),
        ("[[steps]]\n[[steps.calls]]\ninput = {}", "2: steps[0].calls[0]: needs a function"),
        ('[[steps]]\n[[steps.calls]]\nfunction = "f"\ninput = 3', "4: steps[0].calls[0].input: is no table"),
        (
            '[[steps]]\n[[steps.calls]]\nfunction = "f"\ncallers = 2\nrate = "1/s"',
            "5: steps[0].calls[0].rate: contradicts steps[0].calls[0].callers (line 4)",
        ),
        (
            '[[steps]]\n[[steps.calls]]\nfunction = "f"\nexpect = { sucess = 1 }',
            "4: steps[0].calls[0].expect.sucess: unknown key; did you mean 'success'?",
        ),
        (
            '[[steps]]\n[[steps.calls]]\nfunction = "f"\n[steps.chaos.f]\nkill = 2',
            "5: steps[0].chaos.f.kill: expected a share",
        ),
        ('[[steps]]\n[[steps.calls]]\nfunction = "f"\n[steps.chaos]\nkill = 1', "expected tables by functions"),
        ('[[steps]]\n[[steps.calls]]\nfunction = "f"\n[[steps.events]]', "names one source: kill or stop"),
        (
            '[[steps]]\n[[steps.calls]]\nfunction = "f"\n[[steps.events]]\nkill = "a"\nstop = "a"',
            "4: steps[0].events[0]: is two events",
        ),
        (
            '[[steps]]\nfor = "1s"\n[[steps.calls]]\nfunction = "f"\n[[steps.events]]\nkill = "a"\nafter = "1s"',
            "7: steps[0].events[0].after: is past the end of the step",
        ),
        ('[[steps]]\n[[steps.calls]]\nfunction = "f"\ninput_file = "none.json"', "input_file: "),
        ("steps = [[", "is not TOML"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_key(text: str, told: str) -> None:
    assert any(told in each for each in problems(text)), problems(text)


@pytest.mark.parametrize(("content", "told"), [("[1]", "holds no object"), ("{", "is no JSON")])
def test_a_file_that_is_no_input_is_told(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "rows.json").write_text(content)
    (problem,) = problems('[[steps]]\n[[steps.calls]]\nfunction = "f"\ninput_file = "rows.json"', tmp_path)
    assert told in problem


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        read_drill(tmp_path / "none.toml")


def test_the_committed_schema_is_current() -> None:
    committed = (ROOT / "docs/reference/drill.schema.json").read_text(encoding="utf-8")
    assert committed == render(), "run: python -m dragoman.config.drill > docs/reference/drill.schema.json"
    assert json.loads(committed) == drill_schema()


@pytest.mark.parametrize("file", sorted((ROOT / "examples/drills").glob("*.toml")), ids=lambda file: file.stem)
def test_the_examples_are_read_and_keep_to_the_schema(file: Path) -> None:
    assert read_drill(file).steps
    assert Checker(drill_schema()).breaches(tomllib.loads(file.read_text(encoding="utf-8"))) == ()


def test_the_schema_refuses_what_the_reader_refuses() -> None:
    checker = Checker(drill_schema())
    assert checker.breaches(tomllib.loads(WHOLE)) == ()
    assert checker.breaches(tomllib.loads("[[steps]]\n[[steps.calls]]\ninput = {}"))
    assert checker.breaches(tomllib.loads('[[steps]]\nfro = "1s"\n[[steps.calls]]\nfunction = "f"'))
