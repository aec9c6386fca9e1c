"""The page of the Python API says what the package does: its names, its signatures, and the schema of each type."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from msgspec import Meta

import dragoman
from dragoman.client.native_remote import NativeRemote
from dragoman.client.remote import Remote
from dragoman.contract.function import NAME_CHARACTERS_MAX
from dragoman.contract.marker import Marker
from dragoman.contract.nesting import DEPTH_MAX
from dragoman.contract.schema import SchemaBuilder
from dragoman.contract.signature import bind
from dragoman.core.call import Codec
from dragoman.core.fault import InvalidArgument
from dragoman.host.blocking import BlockingProject
from tests.docs.tables import ROOT, bare, read_table

PAGE = "docs/reference/functions.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
NAMES: dict[str, Any] = {
    "Annotated": Annotated,
    "Any": Any,
    "Literal": Literal,
    **{kind.__name__: kind for kind in (Decimal, Meta, Path, Sequence, UUID, date, datetime, time, timedelta)},
}
"""What the annotations on the page may name, besides what is built in."""

TYPES = [(bare(kind), bare(schema)) for kind, schema in read_table(PAGE, "Annotation", "Schema")]


@pytest.mark.parametrize(("annotation", "schema"), TYPES, ids=[kind for kind, _ in TYPES])
def test_an_annotation_becomes_the_schema_beside_it(annotation: str, schema: str) -> None:
    kind = eval(annotation, NAMES)
    assert SchemaBuilder().schema(kind) == json.loads(schema)


def test_every_public_name_is_listed() -> None:
    listed = TEXT.partition("All names:")[2]
    assert re.findall(r"`(\w+)`", listed) == sorted(dragoman.__all__)


def test_the_options_of_function_are_those_of_the_page() -> None:
    said = [bare(row[0]) for row in read_table(PAGE, "Option", "Meaning")]
    assert said == list(inspect.signature(Marker).parameters)
    assert f"at most {NAME_CHARACTERS_MAX} characters" in TEXT


def test_the_members_of_a_context_are_those_of_the_page() -> None:
    said = {bare(row[0]).partition("(")[0] for row in read_table(PAGE, "Member", "Gives")}
    members = {name for name in dir(dragoman.Context) if not name.startswith("_")}
    assert said == members - {"entries"}  # which is for the worker itself
    for member, _ in read_table(PAGE, "Member", "Gives"):
        name, opened, parameters = bare(member).rstrip(")").partition("(")
        if opened:
            said_of_it = inspect.signature(eval(f"lambda self, {parameters}: 0")).parameters.values()
            taken = inspect.signature(getattr(dragoman.Context, name)).parameters.values()
            assert [(each.name, each.kind, each.default) for each in said_of_it if each.name != "self"] == [
                (each.name, each.kind, each.default) for each in taken if each.name != "self"
            ]


def test_open_and_connect_give_what_the_page_says() -> None:
    connect = inspect.signature(dragoman.connect)
    assert f"reply_bytes_max={connect.parameters['reply_bytes_max'].default}" in TEXT
    for face in (Remote, NativeRemote, BlockingProject):
        for name in ("call", "stream"):
            given = list(inspect.signature(getattr(face, name)).parameters)
            assert given == ["self", "function", "input", "timeout", "priority", "idempotency_key"]
        assert hasattr(face, "functions")


def test_integers_are_taken_as_the_page_says() -> None:
    def same(number: int) -> int:
        return number

    binding = bind(same)
    for text, number in (("1", 1), ("1.0", 1), (str(2**70), 2**70)):
        assert binding.invoke(b'{"number": %b}' % text.encode(), Codec.JSON) == number
    for text in ("true", '"1"', "1.5"):
        with pytest.raises(InvalidArgument):
            binding.invoke(b'{"number": %b}' % text.encode(), Codec.JSON)


def test_moments_and_objects_are_taken_as_the_page_says() -> None:
    def when(moment: datetime, members: set[int]) -> int:
        return len(members)

    binding = bind(when)
    good = b'{"moment": "2026-01-01T00:00:00Z", "members": [1, 1, 2]}'
    assert binding.invoke(good, Codec.JSON) == 2
    for bad in (good.replace(b"Z", b""), good.replace(b"}", b', "more": 1}'), good.replace(b"{", b'{"members": [], ')):
        with pytest.raises(InvalidArgument):
            binding.invoke(bad, Codec.JSON)
    assert f"at most {DEPTH_MAX} levels deep" in TEXT
