"""`dragoman new`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dragoman.cli.commands import drawn
from dragoman.cli.options import json_option
from dragoman.cli.starters import TRIES


@click.command("new", **drawn())
@click.argument("project", metavar="PROJECT")
@click.option(
    "--language", type=click.Choice(tuple(TRIES)), default="python", help="Default: python.", show_default=False
)
@json_option("the files made")
def command(project: str, language: str, *, as_json: bool) -> int:
    """Make a small project that runs, in a new folder."""
    from dragoman.cli.scaffold import NotScaffolded, scaffold  # noqa: PLC0415 - --help does without

    try:
        made = scaffold(Path(project), language)
    except NotScaffolded as error:
        raise click.UsageError(str(error)) from None
    if as_json:
        click.echo(json.dumps({"folder": project, "files": [str(path) for path in made]}))
        return 0
    for path in made:
        click.echo(f"made {path}")
    click.echo(f"Try it: cd {project} && dragoman call {TRIES[language]}, or dragoman serve")
    return 0
