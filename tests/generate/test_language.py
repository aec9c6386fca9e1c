"""What every language's client has in common: it says the same twice, and nothing in a contract becomes code."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dragoman.contract.function import Contract
from dragoman.generate.language import LANGUAGES
from dragoman.generate.surface import surface

MARK = "@@"
"""It is in no code of ours, and in no name that we make: where it is met outside of texts and comments, it got out."""
ESCAPES = [
    "*/", "/*", '"""', "'''", '"', "'", "`", "\\", "\n", "\r\n", "\u2028", "\u0085", "\x00", "${", "}", "{@code",
    "\\u000a", "\\u002a/", "\\", "//", "///", "#", "```", "\n```\n", "\n    ", "<", "]]>", "-->", "\n//go:embed x\n",
    "\ufeff", "\u202e", "\ud800", "😀", "é", ">>> ", "\n@", "__proto__", "constructor", "class", "self", "%s", "{}",
]  # fmt: skip
HOSTILE = (
    st.lists(st.sampled_from([*ESCAPES, MARK, "a", " "]), max_size=8).map("".join).map(lambda text: f"{text}{MARK}")
)
NAMES = HOSTILE | st.sampled_from(["type", "class", "Class", "match", "", "-", "a-b", "a_b", "aB", "1", "toString"])
LEAVES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"type": "integer"},
        {"type": "string", "contentEncoding": "base64"},
        {"type": "string", "format": "duration"},
        {"$ref": "#/$defs/Again"},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2, "maxItems": 2},
    ]
)


def described(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {**schema, "description": text, "default": text, "pattern": text}


def record(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)[::2]}


def union(tag: str, cases: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "anyOf": [
            {**each, "properties": {tag: {"const": value}, **each["properties"]}} for value, each in cases.items()
        ]
    }


SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    LEAVES
    | st.lists(NAMES, min_size=1, max_size=3).map(lambda values: {"enum": values})
    | st.lists(st.integers(-(2**70), 2**70), min_size=2, max_size=3).map(lambda values: {"enum": values}),
    lambda inner: st.builds(described, inner, HOSTILE)
    | st.dictionaries(NAMES, inner, max_size=4).map(record)
    | st.builds(union, NAMES, st.dictionaries(NAMES, st.dictionaries(NAMES, inner, max_size=2).map(record), max_size=3))
    | inner.map(lambda each: {"type": "array", "items": each})
    | inner.map(lambda each: {"anyOf": [each, {"type": "null"}]}),
    max_leaves=8,
)  # fmt: skip
OWN_NAMES = st.sampled_from(
    ["f", "class", "import", "wait", "toString", "new", "f-1", "f_1", "F1", "_", "client", "caller"]
)
_STRINGS = {
    "slashed": re.compile(r'//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|`[^`]*`', re.DOTALL),
}


@st.composite
def contracts(draw: st.DrawFn) -> dict[str, Contract]:
    made: dict[str, Contract] = {}
    for _ in range(draw(st.integers(1, 3))):
        own, source = draw(OWN_NAMES), draw(OWN_NAMES | HOSTILE)
        input_ = {**record(draw(st.dictionaries(NAMES, SCHEMAS, max_size=3))), "$defs": {"Again": draw(SCHEMAS)}}
        output = {**draw(SCHEMAS), "$defs": {"Again": draw(SCHEMAS)}}
        made[f"{source}.{own}"] = Contract(
            own, description=draw(HOSTILE), input=input_, output=output, streaming=draw(st.booleans())
        )
    return made


def code_of(name: str, text: str) -> str:
    """What is neither text nor comment."""
    if name.endswith(".py"):
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                node.value = ""
        return ast.unparse(tree)
    return _STRINGS["slashed"].sub('""', text)


@pytest.mark.parametrize("language", LANGUAGES)
@settings(
    deadline=None,
    max_examples=60,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # making such contracts smaller takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(found=contracts(), service=HOSTILE, big=st.booleans())
def test_nothing_in_a_contract_becomes_code(language: str, found: dict[str, Contract], service: str, big: bool) -> None:  # noqa: FBT001 - drawn
    render = LANGUAGES[language].render
    files = render(surface(service, found, big_integers=big), "shop", "0.1.0")
    again = render(surface(service, dict(reversed(found.items())), big_integers=big), "shop", "0.1.0")
    assert files == again
    for name, text in files.items():
        text.encode("utf-8")
        assert MARK not in code_of(name, text)
        # Comments are whole lines or boxes of ours: none is left open, and none goes on where its line does not.
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\u202e]", text)
        if not name.endswith(".py"):
            assert "*/" not in re.sub(r"//[^\n]*", "", code_of(name, text))
