"""`dragoman completion`."""

from __future__ import annotations

import json

import click
from click.shell_completion import get_completion_class

from dragoman.cli.commands import commands, drawn
from dragoman.cli.options import json_option

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_DRAGOMAN_COMPLETE"


@click.command("completion", **drawn())
@click.argument("shell", type=click.Choice(SHELLS))
@json_option("the script")
def command(shell: str, *, as_json: bool) -> int:
    """Print the script that completes dragoman's commands, options and functions in a shell.

    For bash: put  eval "$(dragoman completion bash)"  into ~/.bashrc; zsh and fish likewise.
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click completes in each of these shells"
    script = kind(commands, {}, "dragoman", VARIABLE).source()
    click.echo(json.dumps({"shell": shell, "script": script}) if as_json else script)
    return 0
