"""`dragoman generate`."""

from __future__ import annotations

import click

from dragoman.cli.commands import drawn
from dragoman.cli.options import json_option

LANGUAGES = ("go", "java", "node", "python", "rust", "typescript")


@click.command("generate", **drawn())
@click.argument("paths", nargs=-1, metavar="[PROJECT or SOURCE]...")
@click.option("--language", type=click.Choice(LANGUAGES), required=True, help="Of the client.")
@click.option("--out", metavar="FOLDER", required=True, help="Write the client there.")
@click.option("--package", metavar="NAME", help="For go and java. Default: the folder's name, or the project's.")
@click.option("--big-integers", is_flag=True, help="Integers without bounds are of any size, and not of 64 bits.")
@click.option("--check", is_flag=True, help="Write nothing; the exit code is 1 where the folder holds anything else.")
@click.option("--url", metavar="URL", help="A client of what a running host serves. Default: DRAGOMAN_URL.")
@click.option(
    "--cacert", metavar="FILE", help="For https and tcp+tls: trust the certificates in this PEM file, and no others."
)
@json_option("the files, and what the client cannot say,")
def command(paths: tuple[str, ...], url: str | None, cacert: str | None, **options: object) -> int:
    """Write a typed client for a project's contracts.

    Without --url the project, or the current folder, is hosted for a moment to learn them. The code is formatted by
    gofmt, rustfmt, ruff or prettier, where it is there. What a language has no type for is any value, and told on
    standard error.
    """
    from dragoman.cli.generating import Wanted, run  # noqa: PLC0415 - the host's imports, which --help does without

    return run(paths, url, cacert, Wanted(**options))  # pyright: ignore[reportArgumentType] - the options above
