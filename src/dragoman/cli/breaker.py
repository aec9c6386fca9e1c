"""`dragoman breaker`."""

from __future__ import annotations

import click

from dragoman.cli.commands import drawn
from dragoman.cli.options import host_options, json_option


@click.command("breaker", **drawn())
@click.argument("function", metavar="FUNCTION")
@click.argument("force", metavar="open|closed|auto", type=click.Choice(["open", "closed", "auto"]))
@host_options
@json_option("one line for each host, with the breaker's state,")
def command(function: str, force: str, url: str | None, project: str | None, *, as_json: bool) -> int:
    """Hold the breaker of a function open or closed on the hosts that run, or let it decide again (auto).

    It stays so until it is let go, or its host ends.
    """
    from dragoman.cli.operating import breaker  # noqa: PLC0415 - a client's imports, which --help does without

    return breaker(function, force, (project,) if project else (), url, as_json=as_json)
