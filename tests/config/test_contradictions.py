from pathlib import Path

import pytest

from dragoman.config.load import parse_project
from dragoman.config.problem import ConfigError

STATS = '[sources.stats]\npath = "stats.py"\n'
RUN = '[sources.run]\ncommand = ["./run.sh"]\n'
MEAN = '[functions."stats.mean"]\n'


def read(folder: Path, text: str) -> list[str]:
    (folder / "stats.py").touch()
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    try:
        parse_project(folder / "dragoman.toml", text.encode())
    except ConfigError as error:
        return [f"{each.line}: {each.key}: {each.message}" for each in error.problems]
    return []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            STATS + 'retry = { base = "3s", max = "1s" }',
            "3: sources.stats.retry.max: is less than sources.stats.retry.base (line 3), which is 3s",
        ),
        (
            '[defaults]\nretry.max = "1s"\n' + STATS + MEAN + 'retry.base = "3s"',
            '6: functions."stats.mean".retry.base: is more than defaults.retry.max (line 2), which is 1s',
        ),
        (
            STATS + 'retry = { base = "50ms", max = "10ms" }',
            "3: sources.stats.retry.max: is less than sources.stats.retry.base (line 3), which is 50ms",
        ),
        (
            '[defaults]\ntimeout = "9s"\n' + RUN + 'retry.base = "9s"',
            "5: sources.run.retry.base: never comes: a call is over by then, by defaults.timeout (line 2), which is 9s",
        ),
        (
            STATS + "shed = { normal = 0.2, batch = 0.35 }",
            "3: sources.stats.shed.normal: is less than sources.stats.shed.batch (line 3), which is 0.35",
        ),
        (STATS + "shed = { least = 9, most = 3 }", "3: sources.stats.shed.most: is less than sources.stats.shed.least"),
        (STATS + "shed = { first = 9, most = 3 }", "3: sources.stats.shed.most: is less than sources.stats.shed.first"),
        (STATS + "shed = { normal = 0.2, batch = 0.3 }", "3: sources.stats.shed.normal: is less than"),
        (
            STATS + 'idempotent = false\ncache = "1s"',
            "4: sources.stats.cache: is for idempotent functions, and sources.stats.idempotent (line 3) says false",
        ),
        (STATS + "idempotent = false\n" + MEAN + "coalesce = true", '5: functions."stats.mean".coalesce: is for idem'),
        (STATS + MEAN + "idempotent = false\nhedge = true", '5: functions."stats.mean".hedge: is for idempotent'),
        ("[defaults]\nidempotent = false\nhedge = true\n" + STATS, "3: defaults.hedge: is for idempotent functions"),
        (STATS + "breaker.slow_rate = 0.5", "3: sources.stats.breaker.slow_rate: needs breaker.slow beside it"),
        (STATS + "bulkhead.queue = 5", "3: sources.stats.bulkhead.queue: needs bulkhead.concurrency beside it"),
        ("[defaults]\nbulkhead.queue = 5\n" + STATS, "2: defaults.bulkhead.queue: needs bulkhead.concurrency"),
        (STATS + "bulkhead.caller_share = 0.5", "3: sources.stats.bulkhead.caller_share: needs bulkhead.concurrency"),
        (STATS + "rate.burst = 5", "3: sources.stats.rate.burst: needs rate.limit beside it"),
        (
            STATS + 'rate = { limit = "1/s", caller_burst = 3 }',
            "3: sources.stats.rate.caller_burst: needs rate.caller_l",
        ),
        (STATS + "rate = true", "3: sources.stats.rate: does nothing without rate.limit or rate.caller_limit or"),
        (
            STATS + 'fallback.on = ["ABORTED"]',
            "3: sources.stats.fallback.on: does nothing without fallback.function or",
        ),
        (
            STATS + "cache.shared = true",
            "3: sources.stats.cache.shared: needs a store that hosts share: the table [shared]",
        ),
        (STATS + 'rate = { limit = "1/s", shared = true }', "3: sources.stats.rate.shared: needs a store"),
        (STATS + "idempotency.shared = true", "3: sources.stats.idempotency.shared: needs a store"),
        (
            STATS + 'fallback = "stat.mean"',
            "3: sources.stats.fallback: 'stat.mean': no source is called 'stat'; did you mean 'stats'?",
        ),
        (STATS + RUN + 'fallback = "run"', "5: sources.run.fallback: is the function itself"),
        (STATS + RUN + 'fallback = "stats"', "5: sources.run.fallback: 'stats': name the function too"),
        (STATS + MEAN + 'fallback = "stats.mean"', '4: functions."stats.mean".fallback: is the function itself'),
        (
            STATS + MEAN + 'fallback = "stats.b"\n[functions."stats.b"]\nfallback = "stats.mean"',
            '6: functions."stats.b".fallback: leads back to stats.b, by functions."stats.mean".fallback (line 4)',
        ),
        (
            STATS + 'fallback = "run"\n' + RUN + 'fallback = "stats.b"',
            "3: sources.stats.fallback: leads back to stats.b, by sources.run.fallback (line 6)",
        ),
        (
            STATS + 'fallback = "run"\n' + RUN + 'fallback = "stats.b"',
            "6: sources.run.fallback: leads back to run, by sources.stats.fallback (line 3)",
        ),
        (
            STATS + 'fallback = { function = "stats.b", value = 3 }',
            "3: sources.stats.fallback.value: cannot stand beside sources.stats.fallback.function (line 3)",
        ),
        (RUN + "batch = 8", "3: sources.run.batch: means nothing to sources.run.command (line 2), an executable"),
        (
            RUN + "[functions.run]\nbatch.delay = '1ms'",
            "4: functions.run.batch.delay: means nothing to sources.run, an",
        ),
        (
            STATS + 'timeout = "1s"\nbreaker.slow = "2s"',
            "4: sources.stats.breaker.slow: never comes: a call is over by then",
        ),
        (
            STATS + 'hedge.delay_min = "1m"',
            "3: sources.stats.hedge.delay_min: never comes: a call is over by then, by the timeout, 30s",
        ),
        (STATS + "chaos.kill = 0.1", "3: sources.stats.chaos.kill: needs chaos = true in [project]"),
        (STATS + "priority = 'high'", '3: sources.stats.priority: expected "critical" or "normal" or "batch"'),
        ("[shared]\n" + STATS, "1: shared: needs a url"),
    ],
)
def test_what_contradicts_is_refused_with_both_places(tmp_path: Path, text: str, expected: str) -> None:
    assert any(each.startswith(expected) for each in read(tmp_path, text)), read(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        '[defaults]\ncache = "1s"\nhedge = true\n' + STATS + "idempotent = false",
        STATS + 'cache = "1s"\n' + MEAN + "idempotent = false",
        "[defaults]\nidempotent = false\n" + STATS + 'cache = "1s"\n' + MEAN + "idempotent = true",
        "[defaults]\nbulkhead.queue = 5\n" + STATS + "bulkhead.concurrency = 3",
        STATS + "bulkhead.queue = 5\n" + MEAN + "bulkhead.concurrency = 3",
        STATS + 'breaker.slow = "5s"\n' + MEAN + 'timeout = "1s"',
        STATS + "bulkhead = { queue = 5, enabled = false }",
        STATS + 'mode = "inline"\nbulkhead.queue = 5',
        STATS + 'fallback = "stats.safe"\n[functions."stats.safe"]\nidempotent = true',
        '[shared]\nurl = "redis://127.0.0.1:6379"\n' + STATS + "cache.shared = true",
        STATS + "fallback.value = 1\n" + MEAN + 'fallback = "stats.safe"',
        "[project]\nchaos = false\n" + STATS + "chaos.kill = 0.1",
    ],
)
def test_what_only_looks_so_is_let_through(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == []


def test_a_store_named_by_the_environment_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_SHARED_URL", "redis://127.0.0.1:6379")
    assert read(tmp_path, STATS + "cache.shared = true") == []
