from pathlib import Path
from typing import Any

import pytest

from dragoman.cli.modes import COMPARED, Scales, advice, compared, fitting_modes, why_not
from dragoman.config.languages import MODES
from dragoman.config.project import Source
from dragoman.upstream.options import UpstreamOptions


def of(language: str) -> Source:
    return Source("a", "guest", Path("/"), language=language)


def a_run(mode: str, rate: float, *, failed: int = 0) -> dict[str, Any]:
    return {
        "mode": mode,
        "calls": 1000,
        "failed": {"UNKNOWN": failed} if failed else {},
        "p50_ms": 1.5,
        "p99_ms": None,
        "calls_per_s": rate,
        "memory_bytes": 2_600_000,
        "first_start_ms": 50.0,
        "next_start_ms": None,
    }


@pytest.mark.parametrize(
    ("language", "modes"),
    [
        ("python", ("warm", "fork", "inline")),
        ("java", ("warm", "fork")),
        ("wire", ("warm", "fork")),
        ("exec", ("exec",)),
    ],
)
def test_which_modes_fit_is_known_by_the_language(language: str, modes: tuple[str, ...]) -> None:
    assert fitting_modes(of(language)) == modes
    assert all(why_not(of(language), mode) for mode in MODES if mode not in modes)


def test_a_service_has_its_own_mode_alone() -> None:
    service = Source("a", "upstream", Path("/"), mode="upstream", upstream=UpstreamOptions("http", url="http://x"))
    assert fitting_modes(service) == ("upstream",)
    assert "runs elsewhere" in why_not(service, "warm")


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ({"warm": 100.0, "fork": 50.0}, "pick fork: a clean process for each call serves 50% "),
        ({"warm": 100.0, "fork": 49.0}, "pick warm: it serves 2 times the calls of fork"),
        ({"warm": 100.0}, "pick warm: of the modes"),
        ({"exec": 3.0}, "pick exec: it is the only one that fits"),
        ({"fork": 3.0, "inline": 5.0}, "pick inline: it serves most calls"),
    ],
)
def test_the_advice_follows_the_rates(rates: dict[str, float], said: str) -> None:
    assert advice([a_run(mode, rate) for mode, rate in rates.items()]).startswith(said)


def test_inline_is_named_where_it_serves_twice_as_much() -> None:
    rest = [a_run("warm", 100.0), a_run("fork", 10.0)]
    assert advice([*rest, a_run("inline", 200.0)]).endswith(
        "inline serves 2 times the calls of warm, for code that you trust in the host"
    )
    assert "inline" not in advice([*rest, a_run("inline", 199.0)])


def test_a_mode_in_which_calls_fail_is_not_recommended() -> None:
    assert advice([a_run("warm", 100.0, failed=20), a_run("fork", 1.0)]).startswith("pick fork")
    assert advice([a_run("warm", 100.0, failed=1), a_run("fork", 1.0)]).startswith("pick warm")
    assert advice([a_run("exec", 100.0, failed=20)]).startswith("pick none")


def test_a_row_has_a_dash_where_nothing_is_known() -> None:
    row = compared(a_run("warm", 12.4, failed=2))
    assert row == ("warm", "1000", "2 UNKNOWN", "1.500", "-", "12", "3", "50.0", "-")
    assert len(row) == len(COMPARED)


async def test_what_has_no_workers_has_no_weight() -> None:
    scales = Scales(object())
    await scales.weigh(0.0)
    assert scales.figures() == {"memory_bytes": None, "first_start_ms": None, "next_start_ms": None}
