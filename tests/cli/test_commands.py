import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import click

from dragoman.cli.commands import NAMES, commands
from tests.cli.commandline import BASE, dragoman


def every_command() -> Iterator[tuple[str, click.Command]]:
    """All commands by their names; of a group those in it too."""
    context = click.Context(commands)
    for name in NAMES:
        command = commands.get_command(context, name)
        assert command is not None
        assert command.name == name
        yield from below(name, command)


def below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from below(f"{name} {each.name}", each)


def test_every_command_has_help_and_takes_json() -> None:
    for name, command in every_command():
        assert command.help, name
        if isinstance(command, click.Group) and not command.invoke_without_command:
            continue
        assert "--json" in {option for parameter in command.params for option in parameter.opts}, name


def test_every_option_says_what_it_is_for() -> None:
    for name, command in every_command():
        for option in command.params:
            assert not isinstance(option, click.Option) or option.help, f"{name} {option.name}"


def test_a_slip_of_the_hand_is_answered_with_what_was_meant() -> None:
    for words, near in ((("taks",), "task"), (("task", "wacht"), "watch"), (("task", "dead", "rety"), "retry")):
        done = dragoman(*words)
        assert done.returncode == 2
        assert f"did you mean {near}?" in done.stderr.decode()


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
