"""`dragoman list`: the functions of a running host, or of a project that is hosted to learn them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from dragoman.cli.outcome import FAILED, Stop, complain
from dragoman.cli.place import place_of
from dragoman.cli.screen import show_json, show_table
from dragoman.cli.signature import signature
from dragoman.client.listing import read_functions

if TYPE_CHECKING:
    from dragoman.cli.place import Place
    from dragoman.contract.function import Contract

HEADINGS = ("function", "language", "mode", "description")
DESCRIPTION_CHARACTERS_MAX = 80


def run(paths: tuple[str, ...], url: str | None, cacert: str | None, *, as_json: bool) -> int:
    """List them; the exit code. Raises `Stop`, `ConfigError`, or the `Fault` of a host that does not answer."""
    document, contracts, faults = learned(place_of(url, paths, cacert))
    if as_json:
        show_json(json.dumps({**document, "faults": faults}, ensure_ascii=False), compact=True)
    else:
        show_table(HEADINGS, rows(document["functions"], contracts))
    for source, why in faults.items():
        complain(f"{source} cannot start: {why}")
    return FAILED if faults else 0


def learned(place: Place) -> tuple[dict[str, Any], dict[str, Contract], dict[str, str]]:
    """What a place offers: the listing, the contracts by full name, and why sources do not start."""
    if not place.url:
        return _hosted(place.paths)
    with place.connect() as remote:
        page = remote.page()
    contracts = {name: listed.contract for name, listed in read_functions(page).items()}
    return cast("dict[str, Any]", json.loads(page)), contracts, {}


def rows(functions: list[dict[str, Any]], contracts: dict[str, Contract]) -> list[tuple[str, ...]]:
    """A row for each function: name with signature, language, mode, and the description's first line."""
    return [
        (
            f"{entry['name']}{signature(contracts[entry['name']])}",
            str(entry.get("language", "")),
            str(entry.get("mode", "")),
            _first_line(str(entry.get("description", ""))),
        )
        for entry in functions
    ]


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= DESCRIPTION_CHARACTERS_MAX else line[: DESCRIPTION_CHARACTERS_MAX - 1] + "…"


def _hosted(paths: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Contract], dict[str, str]]:
    """Host the project for a moment: the listing, the contracts, and why sources do not start."""
    from dragoman.cli.local import StderrJournal, hosted  # noqa: PLC0415 - the host, which --url does without
    from dragoman.config.load import load  # noqa: PLC0415 - as above
    from dragoman.host.doors import HostCatalogue  # noqa: PLC0415 - as above
    from dragoman.host.run import run as run_loop  # noqa: PLC0415 - as above
    from dragoman.ingress.http.catalogue import described  # noqa: PLC0415 - as above

    project = load(paths)
    if not project.sources:
        raise Stop("there are no sources to list")

    async def learn() -> tuple[dict[str, Any], dict[str, Contract], dict[str, str]]:
        async with hosted(project, StderrJournal(quiet=True)) as local:
            faults = {name: fault.detail for name, fault in (await local.started()).items()}
            entries = HostCatalogue(local.host).functions()
        functions = [described(entry) for entry in entries.values()]
        contracts = {name: entry.contract for name, entry in entries.items()}
        return {"service": project.name, "functions": functions}, contracts, faults

    return run_loop(learn())
