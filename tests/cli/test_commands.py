import contextlib
import os
import pty
import subprocess
import sys

import click

from dragoman.cli.commands import NAMES, commands
from tests.cli.commandline import BASE, dragoman


def test_every_command_has_help_and_takes_json() -> None:
    context = click.Context(commands)
    for name in NAMES:
        command = commands.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help
        assert "--json" in {option for parameter in command.params for option in parameter.opts}


def test_every_option_says_what_it_is_for() -> None:
    context = click.Context(commands)
    for name in NAMES:
        command = commands.get_command(context, name)
        assert command is not None
        for option in command.params:
            assert not isinstance(option, click.Option) or option.help, f"{name} {option.name}"


def test_help_is_drawn_for_people_and_plain_for_programs() -> None:
    drawn = on_terminal("--help")
    assert "╭" in drawn
    assert "serve" in drawn
    assert "╭" in on_terminal("call", "--help")
    assert "╭" not in dragoman("--help").stdout.decode()


def on_terminal(*arguments: str) -> str:
    """What the command shows on a terminal of its own."""
    ours, theirs = pty.openpty()
    line = [sys.executable, "-m", "dragoman", *arguments]
    with os.fdopen(ours, "rb", buffering=0) as shown:
        done = subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs, env={**BASE, "TERM": "xterm"})
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
            while part := shown.read(65536):
                text += part
        assert done.wait(20) == 0
    return text.decode()
