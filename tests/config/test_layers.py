import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.config.layers import LAYERS, TABLES, options_class, options_of
from dragoman.config.load import parse_project
from dragoman.config.project import Project
from dragoman.config.setting import Setting
from dragoman.core.fault import Code
from dragoman.policies.breaker import BreakerOptions
from dragoman.policies.bulkhead import BulkheadOptions
from dragoman.policies.cache import CacheOptions
from dragoman.policies.fallback import FallbackOptions
from dragoman.policies.rate import RateOptions
from dragoman.policies.retry import RetryOptions
from dragoman.policies.shed import ShedOptions

DERIVED = {"rate.burst", "rate.caller_burst", "rate.total_burst"}


def project(folder: Path, text: str) -> Project:
    (folder / "stats.py").touch()
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return parse_project(folder / "dragoman.toml", text.encode())


def layers(folder: Path, text: str, function: str = "stats.mean") -> dict[str, Any]:
    return dict(project(folder, text).settings(function.partition(".")[0], function).layers)


STATS = '[sources.stats]\npath = "stats.py"\n'


@pytest.mark.parametrize("layer", TABLES)
def test_every_option_of_a_layer_can_be_set(layer: str) -> None:
    kind = options_class(layer)
    assert dataclasses.is_dataclass(kind)
    known = {field.name for field in dataclasses.fields(kind)}
    assert {setting.field.rpartition(".")[2] for setting in TABLES[layer]} - {""} == known


@pytest.mark.parametrize("setting", LAYERS, ids=lambda setting: setting.key)
def test_the_documented_default_of_a_layer_is_the_real_one(setting: Setting) -> None:
    _, layer, field = setting.field.split(".")
    if not field or setting.key in DERIVED:
        return
    real = getattr(options_class(layer)(), field)
    if setting.default == "none":
        assert not real
        return
    assert setting.kind.read(documented(setting.default)) == real


def documented(text: str) -> object:
    """A default as the file would have it: durations and sizes are strings there."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("retry = 5", RetryOptions(attempts=5)),
        ("retry = true", RetryOptions()),
        ('retry = { on = ["ABORTED"], base = "1s" }', RetryOptions(on=frozenset({Code.ABORTED}), base_s=1.0)),
        ("breaker = true", BreakerOptions()),
        ("breaker.probes = 7", BreakerOptions(probes=7)),
        ('rate = "100/s"', RateOptions(limit=100.0, burst=100)),
        (
            'rate = { limit = "9/s", burst = 7, total_limit = "1.5/s" }',
            RateOptions(9.0, 7, total_limit=1.5, total_burst=1),
        ),
        ('rate = { caller_limit = "30/m", callers = 5 }', RateOptions(caller_limit=0.5, caller_burst=1, callers_max=5)),
        ("bulkhead = 10", BulkheadOptions(concurrency=10)),
        ('cache = "30s"', CacheOptions(ttl_s=30.0)),
        ('cache = { ttl = "30s" }', CacheOptions(ttl_s=30.0)),
        ('fallback = "stats.other"', FallbackOptions(function="stats.other")),
        ('fallback = { value = { a = [1, "x"] } }', FallbackOptions(value=b'{"a":[1,"x"]}')),
        ("fallback.value = 0", FallbackOptions(value=b"0")),
    ],
)
def test_a_layer_is_set_in_full_or_in_short(tmp_path: Path, text: str, expected: object) -> None:
    found = layers(tmp_path, STATS + '[functions."stats.mean"]\n' + text)
    assert list(found.values()) == [expected]


def test_a_layer_without_settings_is_none() -> None:
    assert options_of({}) == {}


def test_settings_are_merged_key_by_key_and_the_nearer_comes_first(tmp_path: Path) -> None:
    text = """
    [defaults]
    retry = { attempts = 2, base = "10ms", budget = 0.5 }
    [sources.stats]
    path = "stats.py"
    retry.base = "20ms"
    [functions."stats.mean"]
    retry = 4
    """
    assert layers(tmp_path, text) == {"retry": RetryOptions(attempts=4, base_s=0.02, budget=0.5)}
    assert layers(tmp_path, text, "stats.other") == {"retry": RetryOptions(attempts=2, base_s=0.02, budget=0.5)}


def test_false_switches_off_what_is_farther_away_and_what_is_nearer_switches_it_on(tmp_path: Path) -> None:
    text = """
    [defaults]
    retry = 5
    breaker = true
    cache = false
    [sources.stats]
    path = "stats.py"
    retry = false
    breaker.enabled = false
    [functions."stats.mean"]
    retry.base = "1ms"
    cache = "1s"
    """
    found = layers(tmp_path, text)
    assert found == {"cache": CacheOptions(ttl_s=1.0), "retry": RetryOptions(attempts=5, base_s=0.001)}
    assert layers(tmp_path, text, "stats.other") == {}


def test_layers_come_in_the_order_in_which_a_call_meets_them(tmp_path: Path) -> None:
    text = STATS + 'bulkhead = 1\nretry = 2\nrate = "1/s"\nfallback.value = 1\nshed = true'
    assert list(layers(tmp_path, text)) == ["fallback", "rate", "shed", "retry", "bulkhead"]


def test_bounds_that_nobody_set_follow_those_that_somebody_did(tmp_path: Path) -> None:
    assert layers(tmp_path, STATS + 'retry.base = "5s"')["retry"].max_s == 5.0
    assert layers(tmp_path, STATS + 'retry.max = "10ms"')["retry"].base_s == 0.01
    assert layers(tmp_path, STATS + "shed.most = 10")["shed"] == ShedOptions(most=10, first=10)
    assert layers(tmp_path, STATS + "shed.least = 2000")["shed"] == ShedOptions(2000, 2000, 2000)
    assert layers(tmp_path, STATS + "shed.normal = 0.3")["shed"] == ShedOptions(normal=0.3, batch=0.3)


def test_the_bulkhead_of_a_source_inside_the_host_needs_no_number_of_its_own(tmp_path: Path) -> None:
    text = STATS + 'mode = "inline"\nbulkhead.caller_share = 0.5'
    assert layers(tmp_path, text) == {"bulkhead": BulkheadOptions(caller_share=0.5)}


def test_a_default_that_an_executable_cannot_have_passes_it_by(tmp_path: Path) -> None:
    text = '[defaults]\nbatch = 8\n[sources.run]\ncommand = ["./run.sh"]\n' + STATS
    assert layers(tmp_path, text, "run") == {}
    assert list(layers(tmp_path, text)) == ["batch"]


def test_chaos_is_in_force_only_where_the_project_says_so(tmp_path: Path) -> None:
    text = STATS + "chaos.fault = 0.5\n[project]\nchaos = "
    assert list(layers(tmp_path, text + "true")) == ["chaos"]
    assert layers(tmp_path, text + "false") == {}


def test_an_executable_takes_inner_tables_in_its_functions_table(tmp_path: Path) -> None:
    run = '[sources.run]\ncommand = ["./run.sh"]\n[functions.run]\n'
    text = run + 'retry = { attempts = 2 }\n[functions.run.rate]\nlimit = "1/s"'
    assert list(layers(tmp_path, text, "run")) == ["rate", "retry"]


def test_where_a_setting_is_written_is_kept(tmp_path: Path) -> None:
    text = (
        '[defaults]\nretry = 5\n\n[sources.stats]\npath = "stats.py"\n\n[functions."stats.mean"]\ntimeout = "1s"\n'
        '[functions."stats.mean".retry]\nbase = "1ms"'
    )
    writings = project(tmp_path, text).settings("stats", "stats.mean").writings
    assert {key: str(each.place).rpartition("/")[2] for key, each in writings.items()} == {
        "retry.attempts": "dragoman.toml:2 [defaults]",
        "timeout": 'dragoman.toml:8 [functions."stats.mean"]',
        "retry.base": 'dragoman.toml:10 [functions."stats.mean"]',
    }
