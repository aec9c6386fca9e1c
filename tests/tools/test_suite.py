from pathlib import Path

import pytest

from tools.suite import HALVES, ROOT, Half, main

GOOD = "def test_good(): pass\n"
BAD = "def test_bad(): assert 'this' == 'that'\n"


def halves(folder: Path, first: str, second: str) -> tuple[Half, Half]:
    for name, text in (("first", first), ("second", second)):
        (folder / name).mkdir()
        (folder / name / f"test_{name}.py").write_text(text)
    return Half("these", ("first",)), Half("those", (".", "--ignore=first"))


def test_both_halves_run_and_their_reports_are_not_mixed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([], halves(tmp_path, GOOD, GOOD), tmp_path) == 0
    said = capfd.readouterr().out
    assert said.count("1 passed") == 2
    assert said.index("1 passed") < said.index("test: those\n") < said.rindex("1 passed")
    assert said.endswith("test: these: passed\ntest: those: passed\n")


@pytest.mark.parametrize(("first", "second", "failed"), [(BAD, GOOD, "these"), (GOOD, BAD, "those")])
def test_either_half_fails_the_whole_and_is_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], first: str, second: str, failed: str
) -> None:
    assert main([], halves(tmp_path, first, second), tmp_path) == 1
    said = capfd.readouterr().out
    assert "'this' == 'that'" in said
    assert f"test: {failed}: FAILED (1)" in said
    assert said.count(": passed") == 1


def test_arguments_name_the_tests_that_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = halves(tmp_path, GOOD, BAD)
    assert main(["first"], made, tmp_path) == 0
    assert "1 passed" in capfd.readouterr().out


def test_the_halves_are_the_whole() -> None:
    first, second = HALVES
    assert second.places == ("tests", *(f"--ignore={place}" for place in first.places))
    assert all((ROOT / place).is_dir() for place in first.places)
