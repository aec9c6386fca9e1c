"""`dragoman explain`."""

from __future__ import annotations

import click

from dragoman.cli.commands import drawn
from dragoman.cli.options import complete_function, json_option


@click.command("explain", **drawn())
@click.argument("function", metavar="FUNCTION", shell_complete=complete_function)
@click.argument("paths", nargs=-1, metavar="[PROJECT or SOURCE]...")
@click.option("--url", metavar="URL", help="Ask this control socket, unix://…, and not those of the project's hosts.")
@click.option("--no-host", is_flag=True, help="Look at the files as they are now, whatever hosts run.")
@json_option("one line for each host, with the whole stack,")
def command(function: str, paths: tuple[str, ...], url: str | None, *, no_host: bool, as_json: bool) -> int:
    """Show what stands around a function: its layers from the outside in, each value, and where it comes from.

    A host of the project that runs is asked, and says what the layers know now. Without one the project, or the
    current folder, is hosted for a moment.
    """
    from dragoman.cli.explaining import run  # noqa: PLC0415 - the host's imports, which --help does without

    return run(function, paths, url, local=no_host, as_json=as_json)
