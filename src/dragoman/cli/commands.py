"""The commands, each a module of its own that is imported when its name is met."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, TypeVar, cast

import click

NAMES = (
    "serve",
    "call",
    "list",
    "task",
    "check",
    "explain",
    "apply",
    "breaker",
    "cache",
    "schedule",
    "new",
    "generate",
    "bench",
    "drill",
    "completion",
)
Kind = TypeVar("Kind", bound="Group")


class PipeClosed(Exception):  # noqa: N818 - a reader that has enough is no error
    """Whoever read the output has gone."""


class Group(click.Group):
    """A group of commands that helps over a slip of the hand."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was named. Raises `UsageError` with the nearest name where there is none."""
        name, names = args[0], self.list_commands(ctx)
        if name not in names and not name.startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415 - needed only for a slip of the hand

            near = get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
            ctx.fail(f"There is no command {name!r}; {hint}")
        return super().resolve_command(ctx, args)


class Commands(Group):
    """The group of all commands."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises `PipeClosed` in place of what click would take for a failure (exit code 1)."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise PipeClosed from error

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the base class's signature
        """The names, in the order in which people meet them."""
        return list(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """The command of that name."""
        if cmd_name not in NAMES:
            return None
        return getattr(import_module(f"dragoman.cli.{cmd_name}"), "command")  # noqa: B009 - of a module not known here


def _draws() -> bool:
    """Whether this process is one that shows help to a person; nobody else waits for what draws it."""
    return sys.stdout.isatty() and (len(sys.argv) == 1 or not {"--help", "-h"}.isdisjoint(sys.argv))


def drawn() -> dict[str, Any]:
    """How commands draw their help: with rich on a terminal, plainly elsewhere. Arguments of click's decorators."""
    if not _draws():
        return {}
    import rich_click  # noqa: PLC0415 - 15 ms that only help on a terminal has a use for

    return {"cls": rich_click.RichCommand}


def drawn_group(kind: type[Kind]) -> type[Kind]:
    """The same for a group of commands of a kind."""
    if not _draws():
        return kind
    import rich_click  # noqa: PLC0415 - as above

    return cast("type[Kind]", type(f"Rich{kind.__name__}", (kind, rich_click.RichGroup), {}))


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value and not ctx.resilient_parsing:
        from dragoman.host.version import VERSION  # noqa: PLC0415 - reading the version takes 10 ms

        click.echo(f"dragoman {VERSION}")
        ctx.exit()


@click.group(cls=drawn_group(Commands), context_settings={"help_option_names": ["--help", "-h"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version, and end."
)
def commands() -> None:
    """Call any function, in any language, from anywhere."""
