"""`dragoman cache clear`."""

from __future__ import annotations

import click

from dragoman.cli.commands import drawn
from dragoman.cli.options import host_options, json_option


@click.command("cache", **drawn())
@click.argument("what", metavar="clear", type=click.Choice(["clear"]), expose_value=False)
@click.argument("function", metavar="FUNCTION")
@click.option("--tag", metavar="TAG", help="Forget the answers of the function if it has this tag (cache.tags).")
@click.option(
    "--input", "given", metavar="JSON", help="Forget the answer to this input alone; @FILE reads it from there."
)
@host_options
@json_option("one line for each host, with how many answers it forgot,")
def command(
    function: str, tag: str | None, given: str | None, url: str | None, project: str | None, *, as_json: bool
) -> int:
    """Have the hosts that run forget answers of a function, and all hosts that share a store with them.

    Calls from now on are answered by what begins from now on.
    """
    from dragoman.cli.operating import clear  # noqa: PLC0415 - a client's imports, which --help does without

    return clear(function, (tag, given), (project,) if project else (), url, as_json=as_json)
