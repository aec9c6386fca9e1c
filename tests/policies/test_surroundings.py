import asyncio

from dragoman.core.clock import SystemClock
from dragoman.policies.surroundings import Surroundings


async def test_a_program_of_its_own_has_real_clocks_timers_chance_and_ids() -> None:
    here = Surroundings.here()
    assert isinstance(here.clock, SystemClock)
    assert 0 <= here.random() < 1
    assert (here.next_id(), here.next_id()) == (1, 2)
    rung = asyncio.Event()
    here.call_later(10, rung.clear).cancel()
    here.call_later(0, rung.set)
    await asyncio.wait_for(rung.wait(), 5)
