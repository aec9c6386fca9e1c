import io
import re
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli.asked import Asked, input_of, named_values, read_text, read_words
from dragoman.cli.outcome import Stop
from dragoman.contract.function import Contract
from dragoman.core.fault import InvalidArgument

PROPERTIES: dict[str, Any] = {
    "up_to": {"type": "integer"},
    "names": {"type": "array", "items": {"type": "string"}},
    "loud": {"type": "boolean", "default": False},
    "limits": {"type": "object"},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": PROPERTIES,
    "required": ["up_to"],
    "additionalProperties": False,
}
CONTRACT = Contract("f", input=SCHEMA)


def words(*given: str) -> Any:
    return input_of(read_words("shop.f", given), CONTRACT)


def test_input_and_names_make_one_object() -> None:
    assert words() == {}
    assert words('{"up_to": 3}') == {"up_to": 3}
    assert words('{"up_to": 3}', "--loud", "--names", "a", "--names=b") == {
        "up_to": 3,
        "loud": True,
        "names": ["a", "b"],
    }


def test_values_have_the_types_of_the_contract() -> None:
    assert words("--up-to", "-5", "--limits", '{"x": [1]}', "--names", "7") == {
        "up_to": -5,
        "limits": {"x": [1]},
        "names": ["7"],
    }


def test_a_flag_may_be_switched_off() -> None:
    assert words("--no-loud") == {"loud": False}
    assert words("--loud=false") == {"loud": False}


def test_values_that_look_like_names_or_queries_are_kept() -> None:
    assert words("--names=--up-to", "--names", "a&b=c %41+é") == {"names": ["--up-to", "a&b=c %41+é"]}


def test_a_value_that_does_not_fit_is_a_breach_of_its_own() -> None:
    with pytest.raises(InvalidArgument) as fault:
        words("--up-to", "many", "--limits", "{")
    assert [breach.path for breach in fault.value.errors] == ["/up_to", "/limits"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--up-too", "3"), "did you mean --up_to? Its parameters:\n  --up_to: integer\n  --names: [string]?"),
        (("--xyzzy",), "has no parameter --xyzzy. Its"),
        (("--no-up-to",), "has no parameter --no-up-to"),
        (("--up-to",), "--up-to needs a value: integer"),
        (("--up-to", "--loud"), "--up-to needs a value: integer"),
        (("[1]", "--up-to", "3"), "must be a JSON object"),
        (("--up-to", "3", "{}"), "one INPUT too many"),
        (("{'up_to': 3}",), "quoted for the shell"),
    ],
)
def test_what_cannot_be_understood_is_said(given: tuple[str, ...], said: str) -> None:
    with pytest.raises(Stop, match=re.escape(said)):
        words(*given)


def test_an_open_contract_takes_any_name() -> None:
    asked = Asked("f", {}, (("anything", "1"), ("flag", None)))
    assert named_values(asked, Contract("f", input={"type": "object"})) == {"anything": 1, "flag": True}


def test_a_function_without_parameters_says_so() -> None:
    with pytest.raises(Stop, match="takes no parameters"):
        input_of(Asked("f", {}, (("x", "1"),)), Contract("f"))


def test_input_comes_from_a_file_or_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "input.json").write_bytes(b'{"up_to": 1}')
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"up_to": 2}')))
    assert words(f"@{tmp_path}/input.json") == {"up_to": 1}
    assert words("-") == {"up_to": 2}
    with pytest.raises(Stop, match="No such file"):
        read_text(f"@{tmp_path}/nothing")


def test_raw_input_is_bytes_as_they_are() -> None:
    assert read_words("f", ("\udcff{",), raw=True).value == b"\xff{"
    for given in ((), ("x", "--a", "1")):
        with pytest.raises(Stop, match="--raw"):
            read_words("f", given, raw=True)


def test_the_function_comes_first() -> None:
    with pytest.raises(Stop, match="name the function first"):
        read_words("--up-to", ("3", "shop.f"))
