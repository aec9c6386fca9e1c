"""`dragoman bench`: a function called over and over, by many callers at once, for a while."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from dragoman.cli.asked import Asked, input_of, read_words
from dragoman.cli.latency import Latencies
from dragoman.cli.local import StderrJournal, hosted, unknown
from dragoman.cli.modes import COMPARED, Scales, advice, compared, fitting_modes, why_not
from dragoman.cli.outcome import Stop, complain
from dragoman.cli.place import Place, place_of
from dragoman.cli.screen import console, on_terminal, show_table
from dragoman.cli.volley import DRAIN_S_MAX, Caller, fire, request_bytes
from dragoman.config.languages import MODES
from dragoman.config.load import load
from dragoman.contract import codec
from dragoman.core.call import Codec
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault, Unavailable
from dragoman.host.run import run as run_loop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from dragoman.cli.local import LocalHost
    from dragoman.config.project import Project, Source
    from dragoman.contract.function import Contract

HEADINGS = ("function", "mode", "calls", "failed", "p50 ms", "p90 ms", "p99 ms", "longest ms", "calls/s")
TICK_S = 0.1
NOW = SystemClock().monotonic


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """The options as given; None where they were not."""

    url: str | None
    project: str | None
    cacert: str | None
    connections: int
    duration: float
    modes: tuple[str, ...]
    every_mode: bool
    as_json: bool


def run(function: str, words: tuple[str, ...], options: BenchOptions) -> int:
    """Measure and print. Raises the `Fault` of a function that fails to begin with."""
    asked = read_words(function, words)
    place = place_of(options.url, options.project, options.cacert)
    if place.url and (options.modes or options.every_mode):
        option = "--mode" if options.modes else "--modes"
        raise Stop(f"{option} is for a function that is hosted here: a running host has chosen its modes")
    if options.modes and options.every_mode:
        raise Stop("--mode names some, --modes means all that fit: give one of the two")
    if not on_terminal(sys.stderr):
        complain(f"measuring {function} for {options.duration:g}s, {options.connections} calls at a time")
    if options.every_mode:
        return _compare(place, asked, options)
    figures = [_at_url(place, asked, options)] if place.url else _hosted(place, asked, options)
    if options.as_json:
        click.echo(json.dumps({"connections": options.connections, "duration_s": options.duration, "runs": figures}))
    else:
        show_table(HEADINGS, [_row(each) for each in figures], right=7)
    return 0


def _compare(place: Place, asked: Asked, options: BenchOptions) -> int:
    """Measure in every mode that fits, and print that with some advice."""
    project, source = _source(place, asked)
    fitting = fitting_modes(source)
    unfit = {mode: why_not(source, mode) for mode in MODES if mode not in fitting}
    figures: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for mode in fitting:
        try:
            figures.append(run_loop(_one_mode(_in_mode(project, source, mode), asked, options)))
        except Fault as fault:
            faults.append(fault)
            unfit[mode] = fault.detail
    if not figures:
        raise faults[0]
    said = advice(figures)
    if options.as_json:
        told = {"connections": options.connections, "duration_s": options.duration, "runs": figures}
        unfitting = [{"mode": mode, "why": why} for mode, why in unfit.items()]
        click.echo(json.dumps({**told, "unfit": unfitting, "advice": said}))
        return 0
    show_table(COMPARED, [compared(each) for each in figures], right=5)
    for mode, why in unfit.items():
        complain(f"not {mode}: {why}")
    complain(said)
    return 0


def _source(place: Place, asked: Asked) -> tuple[Project, Source]:
    project = load(place.paths)
    source = project.sources.get(asked.function.partition(".")[0])
    if source is None:
        raise unknown(asked.function, project.sources)
    return project, source


def _in_mode(project: Project, source: Source, mode: str) -> Project:
    changed: Any = replace(source, mode=mode)  # one of those that fit
    return replace(project, sources={**project.sources, source.name: changed})


def _hosted(place: Place, asked: Asked, options: BenchOptions) -> list[dict[str, Any]]:
    project, source = _source(place, asked)
    modes = fitting_modes(source)
    for mode in options.modes:
        if mode not in modes:
            fitting = " or ".join(modes)
            raise Stop(f"{source.name} cannot run in mode {mode}: this version runs it in {fitting}")
    return [
        run_loop(_one_mode(_in_mode(project, source, mode), asked, options)) for mode in options.modes or (source.mode,)
    ]


async def _one_mode(project: Project, asked: Asked, options: BenchOptions) -> dict[str, Any]:
    async with hosted(project, StderrJournal(quiet=True)) as local:
        entry = await local.entry(asked.function)
        body = codec.encode(input_of(asked, entry.contract), Codec.JSON)
        await _call(local, asked.function, body)
        found = Latencies()
        scales = Scales(local.host.registry.sources[entry.source.name])
        begun = NOW()
        async with _bar(asked.function, entry.source.mode, options):
            until = begun + options.duration
            async with asyncio.TaskGroup() as callers:
                weighing = callers.create_task(scales.weigh(options.duration))
                calling = [
                    callers.create_task(_caller(local, asked.function, body, until, found))
                    for _ in range(options.connections)
                ]
                await asyncio.wait(calling)
                took_s = NOW() - begun
                await weighing
        return {**_figures(asked.function, entry.source.mode, found, took_s), **scales.figures()}


async def _caller(local: LocalHost, function: str, body: bytes, until: float, found: Latencies) -> None:
    while (begun := NOW()) < until:
        try:
            await _call(local, function, body)
        except Fault as fault:
            found.failed[fault.code.value] += 1
            await asyncio.sleep(0)  # a refusal may come without any wait: let others run
        else:
            found.add(NOW() - begun)


async def _call(local: LocalHost, function: str, body: bytes) -> None:
    """Call once and take the whole reply."""
    entry = local.host.registry.find(function)
    reply = await entry.service(local.host.call(entry.target, body, Codec.JSON, Codec.JSON))
    if reply.items is not None:
        try:
            async for _ in reply.items:
                pass
        finally:
            await reply.items.aclose()


def _at_url(place: Place, asked: Asked, options: BenchOptions) -> dict[str, Any]:
    with place.connect() as remote:
        contract = remote.contract(asked.function)
        value = input_of(asked, contract)
        remote.call(asked.function, value)
    return run_loop(_volleys(place, asked.function, contract, codec.encode(value, Codec.JSON), options))


async def _volleys(
    place: Place, function: str, contract: Contract, body: bytes, options: BenchOptions
) -> dict[str, Any]:
    accept = "application/jsonl" if contract.streaming else "application/json"
    request = request_bytes(place.url, function, body, "application/json", accept)
    found = Latencies()
    begun = NOW()
    until = begun + options.duration
    async with _bar(function, "http", options):
        try:
            async with asyncio.timeout(options.duration + DRAIN_S_MAX):
                await fire(place.url, place.cacert, options.connections, lambda: Caller(request, until, NOW, found))
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"cannot keep {options.connections} connections to {place.url}: {error}") from None
    return _figures(function, "http", found, NOW() - begun)


@asynccontextmanager
async def _bar(function: str, mode: str, options: BenchOptions) -> AsyncGenerator[None]:
    """A progress bar meanwhile, on a terminal."""
    if not on_terminal(sys.stderr):
        yield
        return
    drawing = asyncio.ensure_future(_draw(f"{function} ({mode})", options.duration))
    try:
        yield
    finally:
        drawing.cancel()
        await asyncio.wait((drawing,))


async def _draw(title: str, duration_s: float) -> None:
    from rich.progress import Progress  # noqa: PLC0415 - rich only where it draws

    with Progress(console=console(sys.stderr), transient=True, auto_refresh=False) as progress:
        task = progress.add_task(title, total=duration_s)
        while True:
            await asyncio.sleep(TICK_S)
            progress.update(task, advance=TICK_S, refresh=True)


def _figures(function: str, mode: str, found: Latencies, seconds: float) -> dict[str, Any]:
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    times = {f"{name}_ms": found.percentile(share) * 1e3 if found.total else None for name, share in shares.items()}
    return {
        "function": function,
        "mode": mode,
        "calls": found.total,
        "failed": dict(found.failed),
        **times,
        "longest_ms": found.longest_s * 1e3,
        "calls_per_s": found.total / seconds,
    }


def _row(figures: dict[str, Any]) -> tuple[str, ...]:
    failed = ", ".join(f"{count} {what}" for what, count in figures["failed"].items())
    times = (figures[name] for name in ("p50_ms", "p90_ms", "p99_ms", "longest_ms"))
    shown = ("-" if time is None else f"{time:.3f}" for time in times)
    return (
        figures["function"],
        figures["mode"],
        str(figures["calls"]),
        failed or "0",
        *shown,
        f"{figures['calls_per_s']:.0f}",
    )
