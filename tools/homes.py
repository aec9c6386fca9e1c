"""An import-linter contract: each third-party package is imported by one home, and a package without a home by nobody.

import-linter's own `protected` contract names packages one by one and cannot say "and no others"; this one is
exhaustive, so that a new dependency cannot slip in unnoticed.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple, cast

from importlinter import Contract, ContractCheck, fields, output

if TYPE_CHECKING:
    from grimp import ImportGraph


STANDARD = sys.stdlib_module_names | {"_typeshed", "annotationlib"}
"""With what only checkers see, and what joined the standard library after the Python that runs this check (3.14)."""


class Stray(NamedTuple):
    """An import that is not at home: who, what, and where it should be (empty: nowhere)."""

    importer: str
    line: int
    package: str
    home: str


class HomesContract(Contract):
    """Options: `homes`, lines of `package: module`, the module standing for itself and everything beneath it."""

    type_name = "homes"

    homes = fields.ListField(subfield=fields.StringField())
    broken_contract_guidance = fields.TextField(required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001 - the port's signature
        """Compare every import of an outside package with the table."""
        lines = cast("list[str]", self.homes)
        strays = sorted(find_strays(graph, parse_homes(lines)))
        return ContractCheck(kept=not strays, metadata={"strays": strays})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each stray with where it belongs."""
        strays: list[Stray] = check.metadata["strays"]
        for stray in strays:
            place = f"its home is {stray.home}" if stray.home else "it has no home in .importlinter"
            output.print_error(f"{stray.importer}:{stray.line} imports {stray.package}: {place}", bold=False)
        output.new_line()
        output.print(str(self.broken_contract_guidance or ""))


def parse_homes(lines: list[str]) -> dict[str, str]:
    """Read `package: module` lines."""
    homes: dict[str, str] = {}
    for line in lines:
        package, _, home = line.partition(":")
        homes[package.strip()] = home.strip()
    return homes


def find_strays(graph: ImportGraph, homes: dict[str, str]) -> list[Stray]:
    """Find the imports of outside packages that are not made at their home."""
    packages = {module.partition(".")[0] for module in graph.modules if graph.is_module_squashed(module)}
    strays: list[Stray] = []
    for package in packages - STANDARD:
        home = homes.get(package, "")
        for importer in graph.find_modules_that_directly_import(package):
            if home and (importer == home or importer.startswith(f"{home}.")):
                continue
            line = graph.get_import_details(importer=importer, imported=package)[0]["line_number"]
            strays.append(Stray(importer, line, package, home))
    return strays
