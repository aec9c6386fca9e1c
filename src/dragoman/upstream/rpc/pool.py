"""Descriptors of a service's files as types that can be called with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from dragoman.upstream.operation import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable

FILES_MAX = 2000
"""The whole of a large company's API in one server has fewer."""
BYTES_MAX = 32 * 1024 * 1024
KNOWN = {
    module.DESCRIPTOR.name: module.DESCRIPTOR.serialized_pb
    for module in (
        *(any_pb2, descriptor_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2),
    )
}
"""Files that everyone has, and not every server tells."""


class Files:
    """Serialized descriptors of files, by name."""

    def __init__(self) -> None:
        self.found: dict[str, descriptor_pb2.FileDescriptorProto] = {}
        self._bytes = 0

    def add(self, serialized: bytes) -> None:
        """Take a file. Raises `SpecError`."""
        self._bytes += len(serialized)
        if len(self.found) >= FILES_MAX or self._bytes > BYTES_MAX:
            raise SpecError(f"it is described by more than {FILES_MAX} files, or {BYTES_MAX // 1024**2}MB of them")
        try:
            file = descriptor_pb2.FileDescriptorProto.FromString(serialized)
        except DecodeError:
            raise SpecError("a file that should describe it cannot be read") from None
        self.found.setdefault(file.name, file)

    def add_set(self, serialized: bytes) -> None:
        """Take the files of a descriptor set, as `protoc` and `buf` write them. Raises `SpecError`."""
        try:
            several = descriptor_pb2.FileDescriptorSet.FromString(serialized)
        except DecodeError:
            raise SpecError("it is no descriptor set; write one by protoc --include_imports") from None
        for file in several.file:
            self.add(file.SerializeToString())

    def missing(self) -> list[str]:
        """Names of files that others import, and that are not there."""
        wanted = {name for file in self.found.values() for name in file.dependency}
        return sorted(wanted - self.found.keys() - KNOWN.keys())

    def pool(self) -> DescriptorPool:
        """All files in a pool, each after those that it imports. Raises `SpecError`."""
        made = DescriptorPool()
        added: set[str] = set()
        for name in list(self.found):
            self._add(name, made, added)
        return made

    def services(self) -> list[str]:
        """Full names of the services of all files."""
        return [
            f"{file.package}.{service.name}".lstrip(".") for file in self.found.values() for service in file.service
        ]

    def _add(self, first: str, pool: DescriptorPool, added: set[str]) -> None:
        waiting = [first]
        opened: set[str] = set()
        while waiting:
            name = waiting[-1]
            imports = self._imports(name)
            lacking = [each for each in imports if each not in added]
            if name in added or not lacking or name in opened:
                waiting.pop()
                if name not in added:
                    self._put(name, pool)
                    added.add(name)
                continue
            opened.add(name)
            waiting += lacking

    def _imports(self, name: str) -> Iterable[str]:
        if name in self.found:
            return self.found[name].dependency
        return descriptor_pb2.FileDescriptorProto.FromString(KNOWN[name]).dependency if name in KNOWN else ()

    def _put(self, name: str, pool: DescriptorPool) -> None:
        serialized = self.found[name].SerializeToString() if name in self.found else KNOWN.get(name)
        if serialized is None:
            raise SpecError(f"{name} is imported, and is not there")
        try:
            pool.AddSerializedFile(serialized)
        except (TypeError, ValueError, KeyError) as error:
            raise SpecError(f"{name} cannot be used: {str(error)[:300]}") from None
