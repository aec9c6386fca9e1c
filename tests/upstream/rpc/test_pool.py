from __future__ import annotations

import pytest
from google.protobuf import descriptor_pb2

from dragoman.upstream.operation import SpecError
from dragoman.upstream.rpc.pool import FILES_MAX, Files
from tests.upstream.rpc.shops import files


def a_file(name: str, *imports: str) -> bytes:
    return descriptor_pb2.FileDescriptorProto(name=name, dependency=imports).SerializeToString()


def of(*serialized: bytes) -> Files:
    made = Files()
    for each in serialized:
        made.add(each)
    return made


def test_files_come_after_what_they_import_in_whatever_order_they_are_told() -> None:
    made = of(a_file("a", "b", "c"), a_file("b", "c"), a_file("c", "google/protobuf/empty.proto"))
    assert made.missing() == []
    assert made.pool().FindFileByName("a").name == "a"


def test_a_set_tells_its_services() -> None:
    made = Files()
    made.add_set(files())
    assert made.services() == ["acme.shop.v1.Shop", "acme.shop.v1.Other"]
    assert made.pool().FindMessageTypeByName("acme.shop.v1.Everything").fields


def test_what_is_missing_or_goes_in_a_circle_is_refused() -> None:
    assert of(a_file("a", "b")).missing() == ["b"]
    with pytest.raises(SpecError, match="b is imported"):
        of(a_file("a", "b")).pool()
    with pytest.raises(SpecError, match="cannot be used"):
        of(a_file("a", "b"), a_file("b", "a")).pool()


def test_what_cannot_be_read_and_what_is_too_much_is_refused() -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        of(b"\xff\xff")
    with pytest.raises(SpecError, match="descriptor set"):
        Files().add_set(b"\xff\xff")
    with pytest.raises(SpecError, match="more than"):
        of(*(a_file(str(number)) for number in range(FILES_MAX + 1)))
