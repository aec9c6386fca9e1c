"""The report says in both forms what was found."""

from __future__ import annotations

import json

from bench.outcome import Comparison, Plan, Row
from bench.report import as_json, as_markdown, machine, section

PLAN = Plan(turns=3, seconds=1, calls=10, quick=True)


def comparison() -> Comparison:
    found = Comparison("A race", [Row("ours", {"rate_s": 123456.0, "p50_us": 9.04}, 3), Row("theirs", {}, 3)])
    found.aim("twice as fast", 2.5, "at least", 2)
    found.aim("half the memory", None, "at most", 0.5)
    found.notes.append("somebody was not measured: no wrk")
    return found


def test_section_shows_figures_targets_and_notes() -> None:
    text = section(comparison())
    assert "| ours | 123,456 | 9.04 |" in text
    assert "| theirs |  |  |" in text
    assert "| twice as fast | ≥ 2 | 2.50 | pass |" in text
    assert "| half the memory | ≤ 0.5 |  | not measured |" in text
    assert "- somebody was not measured: no wrk" in text


def test_markdown_names_the_machine() -> None:
    text = as_markdown([comparison()], {"processor": "a fast one"}, PLAN)
    assert "| processor | a fast one |" in text
    assert "3 turns" in text


def test_json_holds_the_same_with_verdicts() -> None:
    value = json.loads(as_json([comparison()], {"date": "today"}, PLAN))
    assert value["machine"] == {"date": "today"}
    assert [target["verdict"] for target in value["comparisons"][0]["targets"]] == ["pass", "not measured"]
    assert value["comparisons"][0]["rows"][0]["figures"]["rate_s"] == 123456


def test_machine_states_host_versions_and_date() -> None:
    assert {"date", "processor", "system", "commit", "Python", "dragoman", "fastapi", "grpcio", "go", "wrk"} <= set(
        machine()
    )
