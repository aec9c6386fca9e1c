from pathlib import Path

import pytest

from dragoman.cli.outcome import Stop
from dragoman.cli.stage import calm, check, numbers, troubled
from dragoman.config.drill import Drill, parse_drill
from dragoman.config.load import load
from dragoman.policies.chaos import ChaosOptions

PROJECT = """
[project]
chaos = false
[sources.work]
path = "work.py"
[sources.here]
path = "here.py"
mode = "inline"
[functions."work.f"]
chaos.fault = 0.5
retry.attempts = 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work.py").touch()
    (tmp_path / "here.py").touch()
    (tmp_path / "dragoman.toml").write_text(PROJECT)
    return tmp_path


def drill(text: str) -> Drill:
    return parse_drill(Path("/x/drill.toml"), text.encode())


def test_a_step_makes_its_own_troubles_and_those_of_a_project_that_switched_them_off_are_not_made(folder: Path) -> None:
    project = calm(load([folder]))
    (step,) = drill('[[steps]]\n[[steps.calls]]\nfunction = "work.g"\n[steps.chaos."work.g"]\nkill = 0.5').steps
    made = troubled(project, step.chaos)
    assert made.settings("work", "work.g").layers["chaos"] == ChaosOptions(kill=0.5)
    assert list(made.settings("work", "work.f").layers) == ["retry"]
    assert "chaos" not in troubled(made, {}).settings("work", "work.f").layers
    assert "chaos" not in troubled(project, {}).settings("work", "work.g").layers


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[steps]]\n[[steps.calls]]\nfunction = "wrok.f"', "did you mean 'work'"),
        ('[[steps]]\n[[steps.calls]]\nfunction = "work.f"\n[[steps.events]]\nkill = "wrok"', "did you mean 'work'"),
        ('[[steps]]\n[[steps.calls]]\nfunction = "here.f"\n[[steps.events]]\nkill = "here"', "has no workers"),
        ('[[steps]]\n[[steps.calls]]\nfunction = "work.f"\n[steps.chaos."no.f"]\nkill = 1', "(line 5)"),
    ],
)
def test_what_a_project_has_not_is_told_before_anything_is_started(folder: Path, text: str, told: str) -> None:
    with pytest.raises(Stop) as stop:
        check(drill(text), load([folder]), "drill.toml")
    assert told in str(stop.value)


def test_numbers_are_found_however_deep() -> None:
    assert list(numbers({"a": 1, "b": {"c": 2}, "d": "3", "e": None})) == [1, 2]
