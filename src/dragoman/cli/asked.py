"""What a command line asks of a function: its words turned into the input that its contract describes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from dragoman.cli.outcome import Stop
from dragoman.cli.signature import kind, parameter
from dragoman.contract import codec
from dragoman.contract.breach import refused
from dragoman.contract.query import parse
from dragoman.core.call import Codec
from dragoman.core.fault import Breach, InvalidArgument

if TYPE_CHECKING:
    from dragoman.contract.function import Contract

INPUT_BYTES_MAX = 256 * 1024 * 1024
"""Larger than any body that a host may be set to take."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One call as it was written: INPUT's value, and the `--name value` pairs (None where no value was given).

    The value is bytes where raw ones are to be sent, else any JSON; an empty object where there was no INPUT.
    """

    function: str
    value: Any
    named: tuple[tuple[str, str | None], ...] = ()


def read_words(function: str, words: tuple[str, ...], *, raw: bool = False) -> Asked:
    """Tell INPUT and names apart, and read INPUT from where it is. Raises `Stop`."""
    if function.startswith("-"):
        raise Stop(f"name the function first: dragoman call FUNCTION {function} …")
    text: str | None = None
    named: list[tuple[str, str | None]] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--") and len(word) > len("--"):
            name, given, value = word[2:].partition("=")
            if not given and rest and not rest[0].startswith("--"):
                value, given = rest.pop(0), "="
            named.append((name, value if given else None))
        elif text is None and not named:
            text = word
        else:
            raise Stop(f"there is one INPUT too many: {word!r}; quote the JSON for the shell, or write --name value")
    if raw and (named or text is None):
        raise Stop("--raw sends one INPUT as it is, @FILE or -, and no names beside it")
    return Asked(function, _value(text, raw=raw), tuple(named))


def _value(text: str | None, *, raw: bool) -> Any:
    if text is None:
        return {}
    content = read_text(text)
    if raw:
        return content
    try:
        return codec.decode(content, Codec.JSON)
    except ValueError as error:
        hint = "give a JSON object, quoted for the shell; --raw sends bytes as they are, to a function that takes them"
        raise Stop(f"INPUT is {str(error)[:500]}; {hint}") from None


def read_text(text: str) -> bytes:
    """INPUT itself, or the file (`@name`) or standard input (`-`) that it stands for. Raises `Stop`."""
    if text == "-":
        content = sys.stdin.buffer.read(INPUT_BYTES_MAX + 1)
    elif text.startswith("@"):
        try:
            with Path(text[1:]).open("rb") as file:
                content = file.read(INPUT_BYTES_MAX + 1)
        except (OSError, ValueError) as error:
            raise Stop(
                f"cannot read the input from {text[1:]!r}: {getattr(error, 'strerror', None) or error}"
            ) from None
    else:
        content = text.encode("utf-8", "surrogateescape")
    if len(content) > INPUT_BYTES_MAX:
        raise Stop(f"the input is larger than {INPUT_BYTES_MAX} bytes")
    return content


def input_of(asked: Asked, contract: Contract | None) -> Any:
    """The input's value, with the named parameters put in.

    `contract` may be None where nothing is named. Raises `Stop` for what cannot be understood, `InvalidArgument` for
    named values that the contract refuses.
    """
    if not asked.named:
        return asked.value
    assert contract is not None, "names need a contract"
    value: object = asked.value
    if not isinstance(value, dict):
        raise Stop("INPUT must be a JSON object where parameters are named beside it")
    return {**cast("dict[str, Any]", value), **named_values(asked, contract)}


def named_values(asked: Asked, contract: Contract) -> dict[str, Any]:
    """The `--name value` pairs as the contract's types. Raises `Stop` for a name that is none of its parameters."""
    pairs = [_pair(name, text, asked.function, contract) for name, text in asked.named]
    try:
        return parse(urlencode(pairs, errors="surrogateescape"), contract.input, asked.function)
    except InvalidArgument as fault:
        breaches = tuple(
            Breach(breach.path, f"{breach.message} (--{breach.path[1:]})") if breach.path else breach
            for breach in fault.errors
        )
        raise refused(asked.function, breaches) from None


def _pair(name: str, text: str | None, function: str, contract: Contract) -> tuple[str, str]:
    properties = cast("dict[str, Any]", contract.input.get("properties", {}))
    found = next((known for known in (name, name.replace("-", "_")) if known in properties), None)
    if found is None and text is None and name.startswith("no-"):
        found = next((known for known in (name[3:], name[3:].replace("-", "_")) if known in properties), None)
        if found is not None and _is_flag(properties[found], contract):
            return found, "false"
        found = None
    if found is None:
        if contract.input.get("additionalProperties", True) is False:
            raise Stop(_unknown(name, function, contract))
        found = name
    if text is None:
        if found in properties and not _is_flag(properties[found], contract):
            raise Stop(f"--{name} needs a value: {kind(properties[found], contract.input)}")
        text = "true"
    return found, text


def _is_flag(member: Any, contract: Contract) -> bool:
    return "boolean" in kind(member, contract.input) or kind(member, contract.input) == "any"


def _unknown(name: str, function: str, contract: Contract) -> str:
    properties = cast("dict[str, Any]", contract.input.get("properties", {}))
    if not properties:
        return f"{function} takes no parameters, and so no --{name}"
    near = get_close_matches(name.replace("-", "_"), properties, n=1)
    hint = f"; did you mean --{near[0]}?" if near else "."
    lines = [f"  --{parameter(known, member, contract.input)}" for known, member in properties.items()]
    return "\n".join([f"{function} has no parameter --{name}{hint} Its parameters:", *lines])
