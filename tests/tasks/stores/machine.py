"""Any order of operations, found and made small by Hypothesis, beside the model of what stores promise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from dragoman.testing.task_store.hosts import Makes, hosting
from dragoman.testing.task_store.twin import Twin


def explore(make: Callable[[], Makes], examples: int = 25, steps: int = 40) -> None:
    """Try orders of operations on stores over new data each time. Raises where a store does as the model does not."""

    class Machine(StoreMachine):
        def stores(self) -> Makes:
            return make()

    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    run_state_machine_as_test(Machine, settings=limits)


class StoreMachine(RuleBasedStateMachine):
    """A store as three hosts, and the model."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()

    def stores(self) -> Makes:
        """Where the stores of one example come from."""
        raise NotImplementedError

    @initialize(random=st.randoms(use_true_random=False))
    def open(self, random: Random) -> None:
        async def opened() -> Twin:
            return Twin(await self._stack.enter_async_context(hosting(self.stores(), 3)), random)

        self._twin = self._runner.run(opened())
        self._do(self._twin.begin)

    @rule()
    def submit(self) -> None:
        self._do(self._twin.submit)

    @rule()
    def claim(self) -> None:
        self._do(self._twin.claim)

    @rule()
    def settle(self) -> None:
        self._do(self._twin.settle)

    @rule()
    def tell(self) -> None:
        self._do(self._twin.tell)

    @rule()
    def cancel(self) -> None:
        self._do(self._twin.cancel)

    @rule()
    def replay(self) -> None:
        self._do(self._twin.replay)

    @rule()
    def tick(self) -> None:
        self._do(self._twin.tick)

    @rule()
    def hurry(self) -> None:
        self._do(self._twin.hurry)

    @rule()
    def reap(self) -> None:
        self._do(self._twin.reap)

    @rule()
    def deliver(self) -> None:
        self._do(self._twin.deliver)

    @rule()
    def prune(self) -> None:
        self._do(self._twin.prune)

    @rule()
    def fire(self) -> None:
        self._do(self._twin.fire)

    @rule()
    def look(self) -> None:
        self._do(self._twin.look)

    @rule()
    def compare(self) -> None:
        self._do(self._twin.compare)

    def teardown(self) -> None:
        async def closed() -> None:
            await self._stack.aclose()

        try:
            if hasattr(self, "_twin"):
                self._do(self._twin.finish)
        finally:
            self._runner.run(closed())
            self._runner.close()

    def _do(self, operation: Callable[[], Awaitable[None]]) -> None:
        async def done() -> None:
            await operation()

        self._runner.run(done())
