import sys

import pytest

from tools.check import STEPS, Step, main


def step(name: str, script: str) -> Step:
    return Step(name, (sys.executable, "-c", script), "mend it")


def test_every_check_runs_though_an_earlier_one_failed(capfd: pytest.CaptureFixture[str]) -> None:
    assert main((step("first", "raise SystemExit('broken')"), step("second", "pass"))) == 1
    out = capfd.readouterr().out
    assert "broken" in out
    assert "FAILED (to mend: mend it)" in out
    assert "check: second" in out
    assert out.endswith("check: first failed\n")


def test_checks_that_pass_print_one_line_each(capfd: pytest.CaptureFixture[str]) -> None:
    assert main((step("first", "print('noise')"),)) == 0
    out = capfd.readouterr().out
    assert "noise" not in out
    assert out.endswith("check: all passed\n")


def test_nothing_that_the_house_asks_for_is_left_out() -> None:
    assert {step.name for step in STEPS} == {"format", "lint", "types", "imports", "tidy", "docs", "lock"}
