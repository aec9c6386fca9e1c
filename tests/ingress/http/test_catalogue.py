"""An entry is shown with everything that a caller has to know."""

from dataclasses import replace

from dragoman.contract.function import Contract
from dragoman.ingress.http.catalogue import described

from .shelf import CORRELATION, TAIL, entry


def test_an_entry_shows_its_contract_and_where_it_runs() -> None:
    shown = described(CORRELATION)
    assert shown["name"] == "stats.correlation"
    assert (shown["version"], shown["source"], shown["language"], shown["mode"]) == ("1.2.0", "stats", "python", "warm")
    assert (shown["streaming"], shown["idempotent"], shown["raw_input"], shown["raw_output"]) == (
        False,
        True,
        False,
        False,
    )
    assert (shown["input"], shown["output"]) == (CORRELATION.contract.input, CORRELATION.contract.output)
    assert described(TAIL)["streaming"] is True


def test_a_function_without_a_timeout_says_null() -> None:
    limited = entry("a", Contract("f"))
    assert described(limited)["timeout_s"] == 5.0
    assert described(replace(limited, timeout_s=float("inf")))["timeout_s"] is None
