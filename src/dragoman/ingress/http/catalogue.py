"""What the HTTP pages ask of the host: which functions there are, and whether it can serve them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dragoman.contract.function import Contract


@dataclass(frozen=True, slots=True)
class FunctionEntry:
    """One function as the pages show it; `name` is the full one, `timeout_s` infinite where there is none."""

    name: str
    contract: Contract
    source: str
    language: str
    mode: str
    timeout_s: float


class Catalogue(Protocol):
    """The functions of a host."""

    @property
    def service(self) -> str:
        """The name of the project."""
        ...

    @property
    def version(self) -> int:
        """A number that changes whenever the functions do, so that what is made from them can be kept till then."""
        ...

    def functions(self) -> Mapping[str, FunctionEntry]:
        """The functions by full name, in the order in which they are shown. The mapping is never changed later."""
        ...

    def messages(self) -> dict[str, Any]:
        """The AsyncAPI document: the queues that calls come from and results go to. Called in a thread."""
        ...


class Health(Protocol):
    """Whether a host can take calls."""

    def ready(self) -> tuple[bool, Mapping[str, str]]:
        """True when every source can take calls; else why not, by source (`host` for the host itself)."""
        ...


class Exposition(Protocol):
    """Where the page of metrics comes from."""

    async def gather(self) -> None:
        """Ask for what only others know, in the loop, before they are written."""
        ...

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics of this moment and their content type; called in a thread."""
        ...


def described(entry: FunctionEntry) -> dict[str, Any]:
    """An entry as JSON: what `GET /v1/functions/{function}` answers."""
    contract = entry.contract
    return {
        "name": entry.name,
        "version": contract.version,
        "description": contract.description,
        "source": entry.source,
        "language": entry.language,
        "mode": entry.mode,
        "timeout_s": entry.timeout_s if entry.timeout_s < float("inf") else None,
        "streaming": contract.streaming,
        "input_stream": contract.input_stream,
        "idempotent": contract.idempotent,
        "raw_input": contract.raw_input,
        "raw_output": contract.raw_output,
        "input": contract.input,
        "output": contract.output,
    }
