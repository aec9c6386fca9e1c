"""`dragoman list`."""

from __future__ import annotations

import click

from dragoman.cli.commands import drawn
from dragoman.cli.options import json_option


@click.command("list", **drawn())
@click.argument("paths", nargs=-1, metavar="[PROJECT or SOURCE]...")
@click.option("--url", metavar="URL", help="List what a running host serves. Default: DRAGOMAN_URL.")
@click.option(
    "--cacert", metavar="FILE", help="For https and tcp+tls: trust the certificates in this PEM file, and no others."
)
@json_option("the functions with their contracts")
def command(paths: tuple[str, ...], url: str | None, cacert: str | None, *, as_json: bool) -> int:
    """List functions with signature, language and mode.

    Without --url the project, or the current folder, is hosted for a moment to learn what it offers. The exit code is 1
    where a source cannot start.
    """
    from dragoman.cli.listing import run  # noqa: PLC0415 - the host's imports, which --help does without

    return run(paths, url, cacert, as_json=as_json)
