"""A rehearsal as it is carried out: step after step, with callers, and with what happens to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from dragoman.cli.tally import Tally, disappointments
from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault

if TYPE_CHECKING:
    from dragoman.cli.stage import Stage
    from dragoman.config.drill import Drill, Event, Load, Step

ON_THEIR_WAY_MAX = 10_000
"""Calls at a rate that may be on their way; more would measure this process."""
NOW = SystemClock().monotonic


class Rehearsal:
    """Carries a drill out. `failed` says what was not as expected; `told` hears of what happens."""

    def __init__(self, drill: Drill, stage: Stage, told: Callable[[str], object]) -> None:
        self.failed: list[str] = []
        self._drill = drill
        self._stage = stage
        self._told = told

    async def run(self) -> list[dict[str, Any]]:
        """Carry out all steps; what there is to report of each."""
        return [await self._step(step) for step in self._drill.steps]

    async def _step(self, step: Step) -> dict[str, Any]:
        stage = self._stage
        self._told(f"{step.name}: {step.for_s:g}s")
        stage.begin(step)
        before = [stage.counts(load.function) for load in step.loads]
        tallies = [Tally() for _ in step.loads]
        happened: list[str] = []
        loop = asyncio.get_running_loop()
        timers = [loop.call_later(event.after_s, self._strike, event, happened) for event in step.events]
        until = NOW() + step.for_s
        try:
            async with asyncio.TaskGroup() as calling:
                for load, tally in zip(step.loads, tallies, strict=True):
                    for work in self._callers(load, tally, until):
                        calling.create_task(work)
        finally:
            for timer in timers:
                timer.cancel()
        functions: list[dict[str, Any]] = []
        for load, tally, old in zip(step.loads, tallies, before, strict=True):
            new = stage.counts(load.function)
            counts = {name: grown for name in new if (grown := new[name] - old.get(name, 0))}
            functions.append({"function": load.function, **tally.figures(), "counts": counts})
            self.failed += [f"{step.name}, {load.function}: {each}" for each in disappointments(tally, load.expect)]
        return {"step": step.name, "for_s": step.for_s, "events": happened, "functions": functions}

    def _strike(self, event: Event, happened: list[str]) -> None:
        what = self._stage.strike(event)
        happened.append(what)
        self._told(what)

    def _callers(self, load: Load, tally: Tally, until: float) -> list[Coroutine[Any, Any, None]]:
        if load.rate:
            return [self._at_rate(load, tally, until)]
        return [self._again_and_again(load, tally, until) for _ in range(load.callers)]

    async def _again_and_again(self, load: Load, tally: Tally, until: float) -> None:
        while NOW() < until:
            await self._call(load, tally)
            # An answer may come without any wait: let others run.
            await asyncio.sleep(0)

    async def _at_rate(self, load: Load, tally: Tally, until: float) -> None:
        """Begin calls evenly, late ones at once; wait for the last of them."""
        begun_at, begun = NOW(), 0
        running: set[asyncio.Task[None]] = set()
        try:
            while (now := NOW()) < until:
                due = int((now - begun_at) * load.rate) + 1 - begun
                room = min(due, ON_THEIR_WAY_MAX - len(running))
                tally.held_back += due - room
                for _ in range(room):
                    task = asyncio.ensure_future(self._call(load, tally))
                    running.add(task)
                    task.add_done_callback(running.discard)
                begun += due
                await asyncio.sleep(max(begun_at + begun / load.rate - NOW(), 0))
            if running:
                await asyncio.wait(running)
        finally:
            for task in running:
                task.cancel()

    async def _call(self, load: Load, tally: Tally) -> None:
        begun = NOW()
        try:
            await self._stage.call(load)
        except Fault as fault:
            tally.failed(fault)
        else:
            tally.succeeded(NOW() - begun)
