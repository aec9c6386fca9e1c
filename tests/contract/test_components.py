"""Schemas from many contracts share one place without meaning anything else than before."""

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dragoman.contract.components import PREFIX, Components

ORDER = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Order"}}}


def names(components: Components) -> set[str]:
    return set(components.schemas)


def references(value: object) -> list[str]:
    """Every reference in a value, wherever it stands."""
    return re.findall(r'"\$ref": "([^"]*)"', json.dumps(value))


def test_a_schema_becomes_a_component_called_after_its_function() -> None:
    components = Components({})
    reference = components.add("stats.mean", "Input", {"type": "object"})
    assert reference == {"$ref": "#/components/schemas/stats.mean.Input"}
    assert components.schemas == {"stats.mean.Input": {"type": "object"}}


def test_definitions_move_out_and_references_follow_them() -> None:
    components = Components({})
    schema = {"type": "object", "properties": {"order": {"$ref": "#/$defs/Order"}}, "$defs": {"Order": ORDER}}
    components.add("shop.buy", "Input", schema)
    assert components.schemas["Order"]["properties"] == {"next": {"$ref": PREFIX + "Order"}}
    assert components.schemas["shop.buy.Input"]["properties"] == {"order": {"$ref": PREFIX + "Order"}}
    assert "$defs" not in components.schemas["shop.buy.Input"]


def test_the_contracts_own_schema_is_left_as_it_was() -> None:
    schema = {"properties": {"order": {"$ref": "#/$defs/Order"}}, "$defs": {"Order": ORDER}}
    before = json.dumps(schema)
    Components({}).add("f", "Input", schema)
    assert json.dumps(schema) == before


def test_functions_share_a_definition_that_means_the_same() -> None:
    components = Components({})
    schema = {"$ref": "#/$defs/Order", "$defs": {"Order": ORDER}}
    for number in range(5):
        assert components.add(f"shop.f{number}", "Output", schema) == {"$ref": PREFIX + "Order"}
    assert names(components) == {"Order"}


def test_another_definition_of_the_same_name_gets_its_own_component() -> None:
    components = Components({"Problem": {"type": "object"}})
    for function, kind in (("a.f", "string"), ("b.f", "integer"), ("c.f", "string")):
        components.add(function, "Input", {"properties": {"x": {"$ref": "#/$defs/X"}}, "$defs": {"X": {"type": kind}}})
    assert components.schemas["X"] == {"type": "string"}
    assert components.schemas["b.f.X"] == {"type": "integer"}
    assert components.schemas["b.f.Input"]["properties"]["x"] == {"$ref": PREFIX + "b.f.X"}
    assert components.schemas["c.f.Input"]["properties"]["x"] == {"$ref": PREFIX + "X"}
    components.add("d.f", "Input", {"items": {"$ref": "#/$defs/Problem"}, "$defs": {"Problem": {"type": "null"}}})
    assert components.schemas["Problem"] == {"type": "object"}
    assert components.schemas["d.f.Input"]["items"] == {"$ref": PREFIX + "d.f.Problem"}


def test_definitions_alike_that_refer_to_different_ones_are_not_the_same() -> None:
    components = Components({})
    outer = {"type": "array", "items": {"$ref": "#/$defs/Inner"}}
    for function, kind in (("a.f", "string"), ("b.f", "integer")):
        components.add(
            function, "Input", {"not": {"$ref": "#/$defs/Outer"}, "$defs": {"Outer": outer, "Inner": {"type": kind}}}
        )
    assert components.schemas["b.f.Input"]["not"] == {"$ref": PREFIX + "b.f.Outer"}
    assert components.schemas["b.f.Outer"]["items"] == {"$ref": PREFIX + "b.f.Inner"}


def test_references_to_the_root_and_into_it_are_kept() -> None:
    components = Components({})
    tree: dict[str, Any] = {
        "$id": "https://example.org/tree",
        "properties": {
            "left": {"$ref": "#"},
            "right": {"$ref": "https://example.org/tree#"},
            "value": {"type": "integer"},
            "other": {"$ref": "#/properties/value"},
            "part": {"$ref": "#/$defs/Node/properties/x"},
        },
        "$defs": {"Node": {"type": "object", "properties": {"x": {"$ref": "#"}}}},
    }
    components.add("tree.a", "Input", tree)
    components.add("tree.b", "Input", tree | {"type": "object"})
    properties = components.schemas["tree.a.Input"]["properties"]
    assert properties["left"] == properties["right"] == {"$ref": PREFIX + "tree.a.Input"}
    assert properties["other"] == {"$ref": PREFIX + "tree.a.Input/properties/value"}
    assert properties["part"] == {"$ref": PREFIX + "Node/properties/x"}
    assert components.schemas["tree.b.Node"]["properties"]["x"] == {"$ref": PREFIX + "tree.b.Input"}


def test_data_that_looks_like_a_schema_is_left_alone() -> None:
    components = Components({})
    schema = {
        "properties": {"$ref": {"type": "string"}, "title": {"const": {"$ref": "#"}}},
        "default": {"$ref": "#/$defs/X"},
        "enum": [{"$ref": "#"}],
        "required": ["title"],
    }
    components.add("f", "Input", schema)
    assert components.schemas["f.Input"] == {"title": "f.Input", **schema}


def test_a_definition_may_be_called_anything() -> None:
    components = Components({})
    schema = {"items": {"$ref": "#/$defs/A~1b%20[c]"}, "$defs": {"A/b [c]": {"type": "null"}}}
    components.add("f", "Input", schema)
    (name,) = names(components) - {"f.Input"}
    assert components.schemas["f.Input"]["items"] == {"$ref": PREFIX + name}
    assert all(character.isalnum() or character in "._-" for character in name)


DEFINITIONS = st.dictionaries(
    st.sampled_from("ABCD"),
    st.lists(st.sampled_from("ABCD"), max_size=2).map(
        lambda targets: {"anyOf": [{"$ref": f"#/$defs/{target}"} for target in targets] or [True]}
    ),
    min_size=4,
    max_size=4,
)


@given(st.lists(DEFINITIONS, min_size=1, max_size=5))
def test_every_reference_leads_to_a_component_and_unfolds_to_what_it_meant(drawn: list[dict[str, Any]]) -> None:
    components = Components({})
    roots = [
        components.add(f"f{number}", "Input", {"$ref": "#/$defs/A", "$defs": definitions})
        for number, definitions in enumerate(drawn)
    ]

    def unfolded(schema: Any, schemas: dict[str, Any], prefix: str, depth: int) -> Any:
        if "$ref" in schema:
            return unfolded(schemas[schema["$ref"].removeprefix(prefix)], schemas, prefix, depth)
        if depth == 0 or schema["anyOf"] == [True]:
            return []
        return [unfolded(branch, schemas, prefix, depth - 1) for branch in schema["anyOf"]]

    assert all(reference.removeprefix(PREFIX) in components.schemas for reference in references(components.schemas))
    for root, definitions in zip(roots, drawn, strict=True):
        assert unfolded(root, components.schemas, PREFIX, 4) == unfolded(
            {"$ref": "#/$defs/A"}, definitions, "#/$defs/", 4
        )


def test_words_that_leave_more_open_than_functions_take_come_with_a_pattern() -> None:
    components = Components({})
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "bytes": {"type": "string", "contentEncoding": "base64"},
            "price": {"type": "string", "format": "decimal"},
            "wait": {"type": "string", "format": "duration"},
            "at": {"type": "string", "format": "time"},
            "own": {"type": "string", "format": "duration", "pattern": "^P"},
            "other": {"type": "string", "format": "uuid"},
        },
    }
    components.add("a.b", "Input", schema)
    made = components.schemas["a.b.Input"]["properties"]
    for name, fit, unfit in (
        ("bytes", ("", "QUFB", "QQ=="), ("QQ", "QQ==QQ==", "-_==")),
        ("price", ("1", "-1.50", ".5", "1e5"), ("", "x", "1,5")),
        ("wait", ("P1D", "-PT1.5S", "P1DT1H2M3S", "PT2M"), ("P", "PT", "P1DT", "P1W", "P1Y", "1D")),
        ("at", ("12:30:00", "12:30:00.5Z", "00:00:00+02:00"), ("24:00:00", "12:30", "x")),
    ):
        pattern = made[name]["pattern"]
        assert all(re.search(pattern, text) for text in fit), name
        assert not any(re.search(pattern, text) for text in unfit), name
    assert "format" not in made["wait"]
    assert made["own"] == schema["properties"]["own"]
    assert made["other"] == schema["properties"]["other"]
