from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dragoman.config.load import parse_project
from dragoman.config.project import Project, Source
from dragoman.config.written import declared as said
from dragoman.contract.batch import Batch
from dragoman.contract.function import Contract
from dragoman.host.misfits import misfit, misplaced
from dragoman.host.registry import target_of
from dragoman.policies.batch import BatchOptions
from dragoman.policies.cache import CacheOptions
from dragoman.policies.chaos import ChaosOptions
from dragoman.policies.coalesce import CoalesceOptions
from dragoman.policies.hedge import HedgeOptions
from dragoman.policies.idempotency import IdempotencyOptions
from dragoman.policies.retry import RetryOptions

if TYPE_CHECKING:
    from dragoman.config.layers import Options


STATS = '[sources.stats]\npath = "stats.py"\n'

XS = {"type": "object", "properties": {"xs": {"type": "array"}}}
KEYED = Contract("f", idempotent=True, input={**XS, "additionalProperties": False})
OPEN = Contract("f", idempotent=True, input={**XS, "additionalProperties": True})
REFERRING = Contract("f", idempotent=True, input={"$ref": "#/$defs/Order", "$defs": {"Order": XS}})


@pytest.mark.parametrize(
    ("layer", "options", "contract", "mode", "why"),
    [
        ("cache", CacheOptions(), Contract("f", idempotent=True), "warm", ""),
        ("cache", CacheOptions(), Contract("f"), "warm", "it is not idempotent"),
        ("cache", CacheOptions(key=("xs",)), KEYED, "warm", ""),
        ("cache", CacheOptions(key=("xs", "x")), KEYED, "warm", "its input has no property 'x' to be its key; did you"),
        ("coalesce", CoalesceOptions(key=("user",)), KEYED, "warm", "its input has no property 'user' to be its key"),
        ("coalesce", CoalesceOptions(key=("user",)), Contract("f", idempotent=True), "warm", "its input has no prop"),
        ("cache", CacheOptions(key=("user",)), OPEN, "warm", ""),
        ("cache", CacheOptions(key=("user",)), REFERRING, "warm", ""),
        ("hedge", HedgeOptions(), Contract("f", idempotent=True, streaming=True), "warm", "its answer is a stream"),
        ("idempotency", IdempotencyOptions(), Contract("f"), "warm", ""),
        ("idempotency", IdempotencyOptions(), Contract("f", streaming=True), "warm", ""),
        ("batch", BatchOptions(), Contract("f", streaming=True), "warm", "its answer is a stream"),
        ("batch", BatchOptions(), Contract("f"), "warm", "exactly one property"),
        ("retry", RetryOptions(), Contract("f", streaming=True), "warm", ""),
        ("chaos", ChaosOptions(kill=0.1), Contract("f"), "warm", ""),
        ("chaos", ChaosOptions(fault=0.1), Contract("f"), "inline", ""),
        ("chaos", ChaosOptions(kill=0.1, cpu=1), Contract("f"), "inline", "it has no worker, and so no kill, cpu"),
    ],
)
def test_a_layer_fits_a_function_or_there_is_a_reason(
    layer: str, options: Options, contract: Contract, mode: str, why: str
) -> None:
    source = Source("stats", "guest", Path("/"), mode="inline" if mode == "inline" else "warm")
    settings = Project("shop", Path("/"), {"stats": source}).settings("stats", "stats.f")
    target = target_of("stats.f", source, contract, 0, settings)
    found = misfit(layer, options, (settings, target, source, contract))
    assert found.startswith(why)
    assert bool(found) is bool(why)


LISTS = Contract(
    "f",
    input={"type": "object", "properties": {"xs": {"type": "array", "items": {"type": "integer"}}}, "required": ["xs"]},
    output={"type": "array", "items": {"type": "integer"}},
)


@pytest.mark.parametrize(
    ("text", "declared", "fits"),
    [
        ("[defaults]\nbatch = 8\n" + STATS, False, False),
        (STATS + "batch = 8", False, False),
        (STATS + '[functions."stats.f"]\nbatch = 8', False, True),
        ("[defaults]\nbatch = 8\n" + STATS, True, True),
        (STATS, True, True),
    ],
)
def test_a_list_is_gathered_only_where_the_function_or_its_own_table_says_so(
    tmp_path: Path, text: str, *, declared: bool, fits: bool
) -> None:
    (tmp_path / "stats.py").touch()
    project = parse_project(tmp_path / "dragoman.toml", text.encode())
    contract = replace(LISTS, batch=Batch() if declared else None)
    settings = project.settings("stats", "stats.f", said(contract, "stats.py"))
    target = target_of("stats.f", project.sources["stats"], contract, 0, settings)
    placed = (settings, target, project.sources["stats"], contract)
    assert (misfit("batch", settings.layers["batch"], placed) == "") is fits


def told(folder: Path, text: str) -> list[str]:
    """What is told of a source with a function that is idempotent, and one that is not."""
    (folder / "stats.py").touch()
    project = parse_project(folder / "dragoman.toml", text.encode())
    source = project.sources["stats"]
    functions = [
        (settings, target_of(name, source, contract, 0, settings), source, contract)
        for name, contract in (("stats.pure", Contract("pure", idempotent=True)), ("stats.pay", Contract("pay")))
        for settings in (project.settings("stats", name),)
    ]
    return [each.rpartition("/")[2] for each in misplaced(functions)]


def test_a_default_that_does_not_fit_passes_by(tmp_path: Path) -> None:
    assert told(tmp_path, "[defaults]\nhedge = true\n" + STATS) == []


def test_a_setting_of_a_source_is_told_only_where_it_fits_none_of_its_functions(tmp_path: Path) -> None:
    assert told(tmp_path, STATS + "hedge = true") == []
    assert len(told(tmp_path, STATS + 'hedge = true\n[functions."stats.pure"]\nidempotent = false')) == 2


def test_a_setting_of_the_function_is_told_with_its_place(tmp_path: Path) -> None:
    (line,) = told(tmp_path, STATS + '[functions."stats.pay"]\ncache = "1s"')
    assert line.startswith('dragoman.toml:4 [functions."stats.pay"]: stats.pay cannot have cache: it is not idempotent')
