"""Options that several commands share, and the kinds of values that they take."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Callable


class Duration(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - generic in newer versions only
    """Seconds, written as everywhere: `250ms`, `2s`, `1m`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or fail with what was expected."""
        if isinstance(value, float):
            return value
        from dragoman.core.units import duration  # noqa: PLC0415 - imports fractions, which --help can do without

        try:
            seconds = duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not 0 < seconds < math.inf:
            self.fail("expected more than 0", param, ctx)
        return seconds


DURATION = Duration()


class Whose(NamedTuple):
    """Whose tasks are asked about, as it was given."""

    url: str | None
    project: str | None
    cacert: str | None


def json_option(what: str) -> Callable[[Any], Any]:
    """`--json`, which every command has; `what` says what it prints."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what} as JSON, for programs.")


def place_options(command: Any) -> Any:
    """`--url` and `--project`: where the function is."""
    url = click.option(
        "--url", metavar="URL", help="Call a running host, such as http://127.0.0.1:8700. Default: DRAGOMAN_URL."
    )
    project = click.option(
        "--project",
        metavar="PATH",
        help="Host this project, or this one source, just for now. Default: the current folder.",
    )
    authority = click.option(
        "--cacert",
        metavar="FILE",
        help="For https and tcp+tls: trust the certificates in this PEM file, and no others.",
    )
    return url(project(authority(command)))


def host_options(command: Any) -> Any:
    """`--project` and `--url`: which hosts are asked."""
    project = click.option(
        "--project", metavar="PATH", help="The project whose hosts are asked. Default: the current folder."
    )
    url = click.option(
        "--url", metavar="URL", help="Ask this control socket, unix://…, and not those of the project's hosts."
    )
    return project(url(command))


def input_arguments(command: Any) -> Any:
    """FUNCTION, INPUT and `--name value`: everything that is no option of the command itself."""
    words = click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[INPUT] [--name value]...")
    function = click.argument("function", metavar="FUNCTION", shell_complete=complete_function)
    return function(words(command))


def complete_function(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The functions whose names begin so; none where that cannot be told quickly."""
    from dragoman.cli.names import known_functions  # noqa: PLC0415 - only for completion

    return [name for name in known_functions(ctx.params.get("project")) if name.startswith(incomplete)]


WORDS: dict[str, Any] = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""Context settings of a command with `input_arguments`."""
