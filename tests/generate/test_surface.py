from __future__ import annotations

from typing import Any

from dragoman.contract.function import Contract
from dragoman.generate.model import Integer, Named
from dragoman.generate.surface import surface

POINT: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}


def test_functions_are_grouped_by_source_and_one_of_a_source_alone_stands_for_itself() -> None:
    made = surface("shop", {"b.g": Contract("g"), "b.f": Contract("f"), "wordcount": Contract("wordcount")})
    assert [(each.source, [f.own for f in each.functions]) for each in made.groups] == [
        ("b", ["f", "g"]),
        ("", ["wordcount"]),
    ]
    assert all(f.input is None for each in made.groups for f in each.functions)


def test_a_type_that_two_functions_name_is_one() -> None:
    definitions = {"$defs": {"Point": POINT}, "$ref": "#/$defs/Point"}
    made = surface("shop", {name: Contract(name, output=definitions) for name in ("f", "g")})
    assert [each.name for each in made.declarations] == ["Point"]
    assert {f.output for each in made.groups for f in each.functions} == {Named("Point")}


def test_an_input_that_is_a_type_met_elsewhere_is_taken_whole() -> None:
    made = surface(
        "shop", {"f": Contract("f", input=POINT, output={"$ref": "#/$defs/Point", "$defs": {"Point": POINT}})}
    )
    ((function,),) = [each.functions for each in made.groups]
    assert (function.input, function.output, function.whole) == (Named("Point"), Named("Point"), True)


def test_no_type_has_the_name_of_the_client_or_of_a_type_of_a_language() -> None:
    names = ["ShopClient", "Promise", "Vec", "BigInteger"]
    made = surface("shop", {"f": Contract("f", output={"type": "object", "properties": {n: {**POINT} for n in names}})})
    taken = surface(
        "shop", {n: Contract(n, output={"$ref": f"#/$defs/{n}", "$defs": {n: POINT}}) for n in names}
    ).declarations
    assert not {each.name for each in taken} & set(names)
    assert len(made.declarations) == 1 + len(names)


def test_an_input_stream_is_known_by_its_property() -> None:
    items = {"type": "array", "items": {"type": "integer"}}
    contract = Contract(
        "f", input={"type": "object", "properties": {"items": items}}, output={"type": "integer"}, input_stream="items"
    )
    ((function,),) = [each.functions for each in surface("shop", {"f": contract}).groups]
    assert (function.input_stream, function.output) == ("items", Integer())
