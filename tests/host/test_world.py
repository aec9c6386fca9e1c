from itertools import count

from dragoman.host.world import World
from dragoman.policies.surroundings import Surroundings
from dragoman.stores.options import StoreOptions
from dragoman.testing import ManualClock


def surroundings() -> Surroundings:
    clock = ManualClock()
    return Surroundings(clock, clock.call_later, lambda: 0.5, count(1).__next__)


async def test_a_project_without_a_store_has_none() -> None:
    world = World(surroundings())
    assert (world.store, world.state(), world.route("stats.mean")) == (None, None, None)
    await world.close()


async def test_a_store_is_made_when_it_is_asked_for_and_once() -> None:
    world = World(surroundings(), shared=StoreOptions("redis://127.0.0.1:1"))
    assert world.state() is None
    assert world.store is world.store
    state = world.state()
    assert state is not None
    assert not state["up"]
    await world.close()
