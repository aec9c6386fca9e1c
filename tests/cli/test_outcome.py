import json

import pytest

from dragoman.cli.outcome import FAULT_BASE, NUMBERS, Stop, exit_code, fault_lines, problem_json, report
from dragoman.config.problem import ConfigError
from dragoman.core.fault import Breach, Code, Fault, InvalidArgument


def test_every_code_has_an_exit_code_of_its_own() -> None:
    assert set(NUMBERS) == set(Code)
    assert sorted(NUMBERS.values()) == list(range(1, 17))
    assert exit_code(Fault.not_found("no")) == FAULT_BASE + 5 == 69


def test_a_fault_is_told_with_each_breach_on_its_line() -> None:
    breaches = (Breach("/a", "must be an integer"), Breach("", "must be an object"))
    fault = InvalidArgument("it breaks its contract", errors=breaches, function="shop.add", retry_after_s=2)
    assert fault_lines(fault) == [
        "shop.add: INVALID_ARGUMENT (it never ran)",
        "  it breaks its contract",
        "  /a: must be an integer",
        "  (the whole input): must be an object",
        "  try again in 2s",
    ]


def test_what_a_remote_host_says_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(Fault.unknown("red \x1b[31m and\a bell\nnext")) == 66
    assert capsys.readouterr().err == "UNKNOWN (it ran)\n  red \\x1b[31m and\\x07 bell\n  next\n"


def test_a_problem_for_programs_is_one_line_of_what_http_carries() -> None:
    document = json.loads(problem_json(Fault.aborted("no")))
    assert (document["code"], document["status"], document["started"]) == ("ABORTED", 409, "yes")


def test_known_ends_have_their_exit_codes_and_a_bug_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(Stop("enough\nof this", 7)) == 7
    assert report(ConfigError.of("x.toml", "wrong")) == 2
    assert capsys.readouterr().err == "enough\nof this\nx.toml: wrong\n"
    with pytest.raises(ZeroDivisionError):
        report(ZeroDivisionError())
