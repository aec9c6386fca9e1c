"""`dragoman check`."""

from __future__ import annotations

import click

from dragoman.cli.commands import drawn
from dragoman.cli.options import json_option


@click.command("check", **drawn())
@click.argument("paths", nargs=-1, metavar="[PROJECT or SOURCE]...")
@json_option("every finding")
def command(paths: tuple[str, ...], *, as_json: bool) -> int:
    """Check a project: its file, its programs, whether each source starts, its contracts, what confines it.

    Says what is wrong or missing, and the command that mends it. The exit code is 1 where something is wrong.
    """
    from dragoman.cli.checking import run  # noqa: PLC0415 - the host's imports, which --help does without

    return run(paths, as_json=as_json)
