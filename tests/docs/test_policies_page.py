"""The page of layers has each of them in the order of the stack, with every event that it counts."""

import re

import pytest

from dragoman.host.stacks import STACK
from tests.docs.tables import ROOT, bare, read_table

PAGE = "docs/reference/policies.md"
METRICS = "docs/reference/metrics.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
EVENTS = {
    bare(layer): re.findall(r"`(\w+)`", events) for layer, events, _ in read_table(METRICS, "Layer", "Events", "Values")
}


def test_the_layers_are_those_of_the_stack_in_its_order() -> None:
    assert list(SECTIONS) == [line.name for line in STACK]


@pytest.mark.parametrize("layer", EVENTS)
def test_a_layer_has_its_settings_and_each_of_its_events(layer: str) -> None:
    section = SECTIONS[layer]
    assert f"<!-- generated: python -m dragoman.config.reference {layer} -->" in section
    (counts,) = re.findall(r"^- \*\*Counts\*\* (.*?)(?=^- |\Z)", section, re.MULTILINE | re.DOTALL)
    said = re.findall(r"`(\w+)`", counts)
    assert [event for event in EVENTS[layer] if event not in said] == []


@pytest.mark.parametrize("layer", [line.name for line in STACK])
def test_a_layer_says_what_callers_see_what_it_costs_and_where_it_trips(layer: str) -> None:
    section = SECTIONS[layer]
    for lead in ("- **Callers see**", "- **Costs**", "- **The trap:**"):
        assert section.count(lead) == 1
