from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dragoman.cli.explaining import lines, origin
from tests.cli.commandline import dragoman, start
from tests.cli.test_operating import CODE, TOML, run, shop

ROW = {"key": "retry.attempts", "value": 3, "from": "default"}
TOLD: dict[str, Any] = {
    "function": "shop.f",
    "language": "python",
    "mode": "warm",
    "version": "1.2.0",
    "host": 17,
    "settings": [ROW],
    "stack": [
        {
            "layer": "breaker",
            "why": "sees each attempt",
            "settings": [],
            "state": {"state": "open", "in_flight": {"normal": 2}, "delay_s": None},
            "counts": {"opened": 1, "closed": 0},
        }
    ],
    "workers": [ROW],
    "called_by": [
        {"table": "schedules.nightly", "when": "30 2 * * * Europe/Berlin", "catch_up": "last"},
        {"table": "queues.in", "broker": "redis", "from": "orders", "to": "prices", "as": "call", "by_name": False},
        {"table": "queues.any", "broker": "nats", "from": "calls", "to": None, "as": "task", "by_name": True},
    ],
    "left_out": [{"layer": "cache", "why": "it is not idempotent"}],
}


def test_an_explanation_is_a_page_of_lines() -> None:
    assert list(lines(TOLD)) == [
        "shop.f 1.2.0  [python, warm, on host 17]",
        "  retry.attempts           3              default",
        "",
        "breaker: sees each attempt",
        "  now: state open, in_flight.normal 2",
        "  so far: 1 opened",
        "",
        "workers: run what comes through",
        "  retry.attempts           3              default",
        "",
        "called by: besides those who ask for it",
        "  [schedules.nightly]      30 2 * * * Europe/Berlin, catches up with the last that was missed",
        "  [queues.in]              each message of orders (redis), results to prices",
        "  [queues.any]             messages that name it of calls (nats), as a task, results are dropped",
        "",
        "cache is set, and not there: it is not idempotent",
    ]


def test_a_value_comes_from_a_file_the_code_or_nowhere() -> None:
    place = {"file": str(Path.cwd() / "dragoman.toml"), "line": 3, "table": "defaults"}
    assert origin(ROW) == "default"
    assert origin({**ROW, "default": "one second's worth"}) == "default: one second's worth"
    assert origin({"from": "file", **place}) == "dragoman.toml:3 [defaults]"
    assert origin({"from": "file", "applied": True, **place}) == "dragoman.toml:3 [defaults], applied while it ran"
    assert (
        origin({"from": "code", "file": "/elsewhere/a.py", "declared": "@function(x)"})
        == "/elsewhere/a.py: @function(x)"
    )


def test_a_function_of_a_project_is_explained_without_a_host(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(CODE)
    (tmp_path / "dragoman.toml").write_text(TOML)
    text = run(tmp_path, "explain", "shop.f")
    assert "as its files have it" in text
    assert "cache.ttl                1m             dragoman.toml:4 [sources.shop]" in text
    assert "idempotent               true           shop.py: @function(idempotent=True)" in text
    told = json.loads(run(tmp_path, "explain", "shop.f", "--json"))
    assert [layer["layer"] for layer in told["stack"]] == ["cache", "breaker"]
    assert "there is no function 'shop.g'" in run(tmp_path, "explain", "shop.g", status=69)


def test_a_host_that_runs_is_asked_for_what_its_layers_know(tmp_path: Path) -> None:
    with shop(tmp_path) as (server, _):
        text = run(tmp_path, "explain", "shop.f")
        assert f"on host {server.pid}" in text
        assert "now: state closed" in text
        told = json.loads(run(tmp_path, "explain", "shop.f", "--json"))
        assert told["host"] == server.pid
        assert "as its files have it" in run(tmp_path, "explain", "shop.f", "--no-host")
        (tmp_path / "dragoman.toml").write_text(TOML.replace("1m", "3m"))
        run(tmp_path, "apply")
        assert "3m             dragoman.toml:4 [sources.shop], applied while it ran" in run(
            tmp_path, "explain", "shop.f"
        )


def test_sources_by_themselves_are_explained_too(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(CODE)
    done = dragoman("explain", "shop.f", "shop.py", cwd=tmp_path)
    assert b"idempotent               true" in done.stdout
    with start("serve", "shop.py", "--port", "0", "--json", cwd=tmp_path) as server:
        assert server.stdout is not None
        server.stdout.readline()
        assert f"on host {server.pid}" in run(tmp_path, "explain", "shop.f", "shop.py")
        server.terminate()
        server.communicate(timeout=30)
