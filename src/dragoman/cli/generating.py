"""`dragoman generate`: contracts learned, printed in a language, formatted, and written or compared."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dragoman.cli.listing import learned
from dragoman.cli.outcome import FAILED, Stop, complain
from dragoman.cli.place import place_of
from dragoman.contract.check import Checker
from dragoman.contract.function import ContractError
from dragoman.generate.folder import NotOurs, differing, write
from dragoman.generate.formatting import NotFormatted
from dragoman.generate.language import LANGUAGES, Language
from dragoman.generate.loss import losses
from dragoman.generate.naming import snake
from dragoman.generate.surface import surface
from dragoman.host.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.contract.function import Contract

_PACKAGE = {"go": re.compile(r"[a-z][a-z0-9_]*"), "java": re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)}
SHOWN_MAX = 50
"""Places told that have no type; more are in the JSON."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options as given."""

    language: str
    out: str
    package: str | None
    big_integers: bool
    check: bool
    as_json: bool


def run(paths: tuple[str, ...], url: str | None, cacert: str | None, wanted: Wanted) -> int:
    """Write or compare; the exit code. Raises `Stop`, `ConfigError`, or the `Fault` of a host that does not answer."""
    folder = Path(wanted.out)
    package_of(wanted, folder, "x")
    document, contracts, faults = learned(place_of(url, paths, cacert))
    for source, why in faults.items():
        complain(f"{source} cannot start: {why}")
    if faults:
        complain("nothing was written: a client would lack what these sources offer")
        return FAILED
    service = str(document.get("service") or "dragoman")
    files, notes = made(service, contracts, wanted)
    for note in notes[:SHOWN_MAX]:
        complain(note)
    if len(notes) > SHOWN_MAX:
        complain(f"… and {len(notes) - SHOWN_MAX} more; --json tells them all")
    return _kept(folder, files, notes, wanted)


def made(service: str, contracts: Mapping[str, Contract], wanted: Wanted) -> tuple[dict[str, str], list[str]]:
    """The files, and what is to be said about them. Raises `Stop` for a contract that is none."""
    language = LANGUAGES[wanted.language]
    for name, contract in contracts.items():
        try:
            _ = Checker(contract.input), Checker(contract.output)
        except ContractError as error:
            raise Stop(f"{name}: its contract cannot be read: {error}") from None
    whole = surface(service, contracts, big_integers=wanted.big_integers)
    notes = losses(whole, language.sayable, language.odd)
    files = language.render(whole, package_of(wanted, Path(wanted.out), service), VERSION)
    return _formatted(language, files, Path(wanted.out), notes), notes


def package_of(wanted: Wanted, folder: Path, service: str) -> str:
    """The name of the package. Raises `Stop` for one that is none."""
    shape = _PACKAGE.get(wanted.language)
    if wanted.package is None:
        return snake(service if wanted.language == "java" else folder.absolute().name)
    if shape is None:
        raise Stop(f"--package is for go and java: a client in {wanted.language} is named by its folder")
    if shape.fullmatch(wanted.package) is None:
        raise Stop(f"--package: {wanted.package!r} is no name of a package in {wanted.language}")
    return wanted.package


def _formatted(language: Language, files: dict[str, str], folder: Path, notes: list[str]) -> dict[str, str]:
    if language.formatter is None:
        return files
    try:
        return {name: language.formatter.format(name, text, folder) for name, text in files.items()}
    except NotFormatted as why:
        notes.append(str(why))
        return files


def _kept(folder: Path, files: dict[str, str], notes: list[str], wanted: Wanted) -> int:
    try:
        changed = differing(folder, files) if wanted.check else write(folder, files)
    except NotOurs as error:
        raise Stop(str(error)) from None
    except OSError as error:
        raise Stop(f"--out: {error.filename or folder}: {error.strerror}") from None
    if wanted.as_json:
        click.echo(json.dumps({"folder": str(folder), "files": list(files), "changed": changed, "notes": notes}))
    elif not wanted.check:
        for name in files:
            click.echo(f"{'made' if name in changed else 'kept'} {folder / name}")
    if not wanted.check or not changed:
        return 0
    if not wanted.as_json:
        for name in changed:
            complain(f"{folder / name} is not what the contracts say; run dragoman generate without --check")
    return FAILED
