"""What a user may set about a source that is a service of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

CONCURRENCY_DEFAULT = 64
"""Calls in flight to one service, and so connections: what its own server takes without a second thought."""


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """Where a service is, what describes it, and how the host starts it if that is the host's to do.

    `url` and `address` (of gRPC) may hold `{port}`, which stands for a free one where the host starts the service by
    `command`. `document` is an OpenAPI document: a file, or the URL of one. `proto` describes a gRPC service; without
    one it is asked by reflection. `headers` may hold keys, and are never shown. `health` is a path that must answer
    2xx, `"tcp"` or `"grpc"`.
    """

    kind: Literal["http", "grpc"] = "http"
    url: str = ""
    document: Path | str = ""
    address: str = ""
    proto: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    streaming: bool = False
    command: tuple[str, ...] = ()
    health: str = ""

    @property
    def alone(self) -> bool:
        """Whether it is one function, called by the source's name."""
        return self.kind == "http" and not self.document
