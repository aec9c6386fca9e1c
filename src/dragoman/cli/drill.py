"""`dragoman drill`."""

from __future__ import annotations

import click

from dragoman.cli.commands import drawn
from dragoman.cli.options import json_option


@click.command("drill", **drawn())
@click.argument("file", metavar="FILE")
@click.argument("project", metavar="[PROJECT]", required=False)
@click.option("--url", metavar="URL", help="Call a running host, and do nothing else to it. Default: DRAGOMAN_URL.")
@click.option(
    "--cacert", metavar="FILE", help="For https and tcp+tls: trust the certificates in this PEM file, and no others."
)
@json_option("the report")
def command(file: str, project: str | None, **options: object) -> int:
    """Rehearse bad days: what callers see while workers die, calls are slow, and frames are lost.

    FILE describes the rehearsal, in TOML: its steps, who calls what, which troubles are made, and what is expected. The
    project is hosted for it. The exit code is 1 where something was not as expected, or is left over.
    """
    from dragoman.cli.drilling import DrillOptions, run  # noqa: PLC0415 - the host's imports, which --help does without

    return run(file, project, DrillOptions(**options))  # pyright: ignore[reportArgumentType] - the options above
