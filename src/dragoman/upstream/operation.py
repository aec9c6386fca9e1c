"""One operation of an HTTP service: the contract that its callers see, and where each part of an input goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dragoman.contract.function import Contract

Place = Literal["path", "query", "header", "cookie"]
PLACES: tuple[Place, ...] = ("path", "query", "header", "cookie")

ACCEPT_JSON = "application/json, application/*+json;q=0.9, */*;q=0.1"


class SpecError(ValueError):
    """A description of a service that cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: `name` is the service's, `key` the input's property. `as_json` comes of a `content` entry."""

    name: str
    key: str
    place: Place
    style: str = "simple"
    explode: bool = False
    reserved: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request. `key` is the property that it is; empty where it is all that is no parameter."""

    media: str
    kind: Literal["json", "form", "text", "bytes"]
    key: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """How one function is called.

    `url` is absolute, or a path below the service's own address; `{name}` in it stands for a parameter of its path.
    `promises` are the kinds of body that its description knows; none, and anything may come.
    """

    contract: Contract
    method: str
    url: str
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    accept: str = ACCEPT_JSON
    promises: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the input is the body, as it is."""
        return not self.parameters and self.body is not None and self.body.kind == "json" and not self.body.key
