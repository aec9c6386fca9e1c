"""`dragoman apply`."""

from __future__ import annotations

import click

from dragoman.cli.commands import drawn
from dragoman.cli.options import json_option


@click.command("apply", **drawn())
@click.argument("paths", nargs=-1, metavar="[PROJECT]")
@click.option("--url", metavar="URL", help="Ask this control socket, unix://…, and not those of the project's hosts.")
@json_option("one line for each host, with what has changed,")
def command(paths: tuple[str, ...], url: str | None, *, as_json: bool) -> int:
    """Put a changed project file in force on the hosts that run, without losing a call.

    Every host that this user runs for PROJECT, or the project in the current folder, reads its file again. A file that
    is wrong changes nothing. What takes a restart is said.
    """
    from dragoman.cli.operating import apply  # noqa: PLC0415 - a client's imports, which --help does without

    return apply(paths, url, as_json=as_json)
