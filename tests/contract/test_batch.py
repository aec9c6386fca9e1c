import re
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.contract.batch import Batch, faults_in, fits, list_of, parted
from dragoman.contract.function import Contract, ContractError
from dragoman.contract.manifest import from_wire, to_wire
from dragoman.contract.marker import function
from dragoman.contract.signature import bind
from dragoman.core.fault import Breach, Fault, InvalidArgument, NotFound, Unavailable

LIST = {"type": "array", "items": {"type": "number"}}


def contract(output: Any = LIST, *, streaming: bool = False, **properties: Any) -> Contract:
    return Contract("f", input={"type": "object", "properties": properties}, output=output, streaming=streaming)


def test_one_list_in_and_one_out_fits_whatever_stands_beside_it() -> None:
    fitting = contract(xs=LIST, scale={"type": "number"})
    assert fits(fitting) == ""
    assert list_of(fitting) == "xs"


@pytest.mark.parametrize(
    ("unfit", "why"),
    [
        (contract(scale={"type": "number"}), "there is none"),
        (contract(xs=LIST, ys=LIST), r"2 \(xs, ys\)"),
        (contract({"type": "number"}, xs=LIST), "its result must be a list"),
        (contract({}, xs=LIST), "its result must be a list"),
        (contract(xs=LIST, streaming=True), "streams"),
        (contract(xs={"type": "array", "maxItems": 3}), "maxItems"),
        (contract(xs={"type": "array", "minItems": 2}), "minItems"),
        (contract(xs={"type": "array", "uniqueItems": True}), "uniqueItems"),
        (contract({"type": "array", "prefixItems": [{}]}, xs=LIST), "prefixItems"),
    ],
)
def test_what_does_not_fit_is_told_why(unfit: Contract, why: str) -> None:

    assert re.search(why, fits(unfit))


def test_types_that_are_named_are_looked_up() -> None:
    schema = {"type": "object", "properties": {"xs": {"$ref": "#/$defs/Xs"}}, "$defs": {"Xs": LIST}}
    assert fits(Contract("f", input=schema, output={"$ref": "#/$defs/Xs", "$defs": {"Xs": LIST}})) == ""
    endless = {"$ref": "#/$defs/Xs", "$defs": {"Xs": {"$ref": "#/$defs/Xs"}}}
    assert "must be a list" in fits(Contract("f", input=schema, output=endless))


@pytest.mark.parametrize("options", [{"max": 1}, {"max": 100_001}, {"delay": "2"}, {"delay": "2m"}])
def test_a_batch_out_of_bounds_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"takes|expected"):
        Batch(**options)


@pytest.mark.parametrize("options", [{"max": "64"}, {"max": True}, {"delay": 2}])
def test_a_batch_of_the_wrong_type_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="takes a"):
        Batch(**options)


def test_a_declared_batch_travels_in_the_manifest() -> None:
    @function(batch=Batch(max=8, delay="5ms"))
    def double(xs: list[float], scale: float = 1.0) -> list[float]:
        return [x * scale for x in xs]

    binding = bind(double)
    assert binding.contract.batch == Batch(8, "5ms")
    listed = to_wire([binding.contract])
    assert listed[0]["batch"] == {"max": 8, "delay": "5ms"}
    assert from_wire(listed)[0].batch == Batch(8, "5ms")


def test_a_declared_batch_of_a_function_that_does_not_fit_is_refused_when_it_is_bound() -> None:
    @function(batch=Batch())
    def mean(xs: list[float]) -> float:
        return sum(xs) / len(xs)

    with pytest.raises(ContractError, match=r"mean.*batch.*its result must be a list"):
        bind(mean)


@pytest.mark.parametrize("given", [[], 64, {"max": "64"}, {"max": 0}, {"delay": "soon"}])
def test_a_bad_batch_in_a_manifest_is_refused_with_its_function(given: object) -> None:
    entry = to_wire([contract(xs=LIST)])[0]
    with pytest.raises(ValueError, match=r"'f'.*batch"):
        from_wire([entry | {"batch": given}])


def test_keys_of_a_newer_batch_are_let_pass() -> None:
    entry = to_wire([contract(xs=LIST)])[0] | {"batch": {"max": 4, "fair": True}}
    assert from_wire([entry])[0].batch == Batch(4)


def test_the_option_takes_a_batch_only() -> None:
    wrong: Any = 64
    with pytest.raises(TypeError, match="takes a Batch"):
        function(batch=wrong)


def one() -> list[float | Fault]:
    raise NotImplementedError


def other() -> list[float | NotFound | InvalidArgument]:
    raise NotImplementedError


@pytest.mark.parametrize("returning", [one, other])
def test_faults_in_a_result_are_no_part_of_its_schema(returning: Callable[[], object]) -> None:
    assert bind(returning).contract.output == {"type": "array", "items": {"type": "number"}}


def test_faults_are_told_from_items_and_stand_beside_them() -> None:
    fault = InvalidArgument("negative", errors=(Breach("/price", "is negative"),))
    value = [1.0, fault, Unavailable("gone", retry_after_s=2)]
    faults = faults_in(value)
    assert faults == {1: fault, 2: value[2]}
    assert parted(value, faults) == {
        "items": [1.0, None, None],
        "faults": {
            "1": {
                "code": "INVALID_ARGUMENT",
                "detail": "negative",
                "errors": [{"path": "/price", "message": "is negative"}],
            },
            "2": {"code": "UNAVAILABLE", "detail": "gone", "retry_after_s": 2.0},
        },
    }
    assert faults_in({"a": fault}) == faults_in("text") == {}
