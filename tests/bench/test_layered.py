from collections.abc import Callable

import pytest

from bench import layered
from bench.comparisons import layers
from bench.outcome import Plan
from dragoman.core.service import Layer
from dragoman.policies import Surroundings


@pytest.mark.parametrize("name", layered.OURS)
def test_a_layer_passes_replies_on_and_costs_something_sane(name: str) -> None:
    assert -5 < layered.own_us(layered.OURS[name], 200) < 1000


@pytest.mark.parametrize(("layer", "peer"), [(layer, peer) for layer, peers in layered.PEERS.items() for peer in peers])
def test_a_peer_passes_replies_on_too(layer: str, peer: str) -> None:
    assert layer in {*layered.OURS, layered.KEPT}
    assert -5 < layered.peer_us(layered.PEERS[layer][peer], 50) < 10_000


def test_an_answer_that_is_kept_costs_something_sane() -> None:
    assert 0 < layered.kept_us(200) < 1000


def test_a_layer_that_loses_the_reply_is_not_measured() -> None:
    lossy: Callable[[Surroundings], Layer] = lambda _: lambda service: lambda call: layered.Pending()  # noqa: E731 - one of many
    with pytest.raises(RuntimeError, match="did not pass"):
        layered.own_us(lossy, 10)


def test_all_are_compared_in_one_table() -> None:
    (found,) = layers.run(Plan(turns=1, seconds=0.1, calls=20, quick=True))
    peers = [layers.called(layer, peer) for layer, peers in layered.PEERS.items() for peer in peers]
    assert [row.contestant for row in found.rows] == [
        *layered.OURS,
        layered.KEPT,
        layered.GATHERED,
        layered.GUARDED,
        *peers,
    ]
    assert not [note for note in found.notes if "not measured" in note]
    assert len(found.targets) == len(peers)
