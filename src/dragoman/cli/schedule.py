"""`dragoman schedule`."""

from __future__ import annotations

import click

from dragoman.cli.commands import drawn
from dragoman.cli.options import host_options, json_option


@click.command("schedule", **drawn())
@click.argument("what", metavar="list|run", type=click.Choice(["list", "run"]))
@click.argument("name", metavar="[NAME]", required=False)
@host_options
@json_option("the schedules, or the task,")
def command(what: str, name: str | None, url: str | None, project: str | None, *, as_json: bool) -> int:
    """List the schedules of a host that runs, or run the function of one now.

    The list says when each ran last and runs next. To rest one, set enabled = false in the project file, and apply it.
    """
    from dragoman.cli.operating import schedules, trigger  # noqa: PLC0415 - a client's imports, which --help does without

    paths = (project,) if project else ()
    if what == "run":
        if name is None:
            raise click.UsageError("Which one? dragoman schedule run NAME")
        return trigger(name, paths, url, as_json=as_json)
    if name is not None:
        raise click.UsageError(f"list shows all schedules; leave {name!r} out")
    return schedules(paths, url, as_json=as_json)
