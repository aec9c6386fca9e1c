"""The reference page's tables, from the commands themselves: `python -m dragoman.cli.reference PART`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

import click

from dragoman.cli.commands import commands
from dragoman.cli.outcome import FAULT_BASE, NUMBERS
from dragoman.core.fault import BY_CODE

if TYPE_CHECKING:
    from collections.abc import Sequence


def render(part: str) -> str:
    """One part in Markdown: a command's usage and options, or `exit-codes`. Raises `KeyError` for no such part."""
    if part == "exit-codes":
        return _exit_codes()
    context = click.Context(commands, info_name="dragoman")
    command = commands.get_command(context, part)
    if command is None:
        raise KeyError(part)
    return _command(part, command)


def _command(name: str, command: click.Command) -> str:
    """A command; a group, and each of its commands under a heading of its own."""
    usage = " ".join(command.collect_usage_pieces(click.Context(command, info_name=name)))
    options = [option for option in command.params if isinstance(option, click.Option)]
    rows = [(_spelled(option), (option.help or "").rstrip(".") + ".") for option in options]
    paragraphs = [" ".join(text.split()) for text in (command.help or "").split("\n\n")]
    table = _table("Option", "Meaning", rows) if rows else ""
    own = f"```text\ndragoman {name} {usage}\n```\n\n" + "\n\n".join(paragraphs) + "\n\n" + table
    if not isinstance(command, click.Group):
        return own
    parts = [
        f"### dragoman {name} {each}\n\n{_command(f'{name} {each}', command.commands[each])}"
        for each in command.commands
    ]
    return "\n".join([own if rows else own.rstrip() + "\n", *parts])


def _spelled(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if option.is_flag or option.secondary_opts:
        return names
    choices = cast("Sequence[str]", option.type.choices) if isinstance(option.type, click.Choice) else ()
    return f"{names} {' or '.join(f'`{choice}`' for choice in choices) or option.metavar or 'N'}"


def _exit_codes() -> str:
    rows = [
        ("0", "It worked."),
        ("1", "`check` found something wrong; `list` met a source that cannot start."),
        ("2", "The command line, the environment or the project file is wrong; the port is taken. Nothing was called."),
        *(
            (str(FAULT_BASE + number), f"`{code}`: {(BY_CODE[code].__doc__ or '').strip()}")
            for code, number in NUMBERS.items()
        ),
        ("130, 143", "Ctrl-C; a second SIGTERM to `serve`, which ends it at once."),
        ("141", "Whoever read the output has enough of it (`dragoman call … | head`)."),
    ]
    return _table("Exit code", "Meaning", rows)


def _table(first: str, second: str, rows: Sequence[tuple[str, str]]) -> str:
    lines = [(first, second), ("---", "---"), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(render(sys.argv[1]))
