"""What a host tells of its functions, as its client keeps it: contracts by full name, and how long each may run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from dragoman.contract import codec
from dragoman.contract.manifest import from_wire
from dragoman.core.call import Codec
from dragoman.core.fault import Code, Fault

if TYPE_CHECKING:
    from dragoman.contract.function import Contract


class Listed(NamedTuple):
    """One function of a remote host. `timeout_s` is None where the host sets none."""

    contract: Contract
    timeout_s: float | None


def read_function(body: bytes) -> Listed:
    """Read what `GET /v1/functions/{function}` answers. Raises the `Fault` of an answer that is something else."""
    return _listed(_decode(body))[1]


def read_functions(body: bytes) -> dict[str, Listed]:
    """Read what `GET /v1/functions` answers, by full name. Raises the `Fault` of an answer that is something else."""
    document = _decode(body)
    functions = cast("dict[str, Any]", document).get("functions") if isinstance(document, dict) else None
    if not isinstance(functions, list):
        raise _foreign("it has no list of functions")
    return dict(_listed(entry) for entry in cast("list[object]", functions))


def _listed(entry: object) -> tuple[str, Listed]:
    if not isinstance(entry, dict):
        raise _foreign("a function in it is no object")
    fields = cast("dict[str, Any]", entry)
    name = str(fields.get("name", ""))
    try:
        (contract,) = from_wire([{**fields, "name": name.rpartition(".")[2]}])
    except ValueError as error:
        raise _foreign(str(error)) from None
    timeout_s = fields.get("timeout_s")
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or timeout_s <= 0:
        timeout_s = None
    return name, Listed(contract, timeout_s)


def _decode(body: bytes) -> object:
    try:
        return codec.decode(body, Codec.JSON)
    except ValueError as error:
        raise _foreign(str(error)) from None


def _foreign(why: str) -> Fault:
    fault = Fault.of(Code.UNKNOWN, f"the list of functions cannot be read, so this may be no Dragoman host: {why}")
    fault.remote = True
    return fault
