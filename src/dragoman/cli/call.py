"""`dragoman call`."""

from __future__ import annotations

import click

from dragoman.cli.commands import drawn
from dragoman.cli.options import DURATION, WORDS, input_arguments, json_option, place_options


@click.command("call", **drawn(), context_settings=WORDS)
@input_arguments
@place_options
@click.option("--timeout", type=DURATION, metavar="DURATION", help="Give up after this long: 500ms, 2s, 1m.")
@click.option("--stream/--no-stream", default=None, help="Print items as they come, or one list of them at the end.")
@click.option(
    "--stream-input",
    is_flag=True,
    help="Send standard input, JSON Lines, as the input stream of a function that has one, item by item.",
)
@click.option("--raw", is_flag=True, help="Send INPUT as raw bytes, to a function that takes them.")
@json_option("the reply compactly, and a fault as a problem document,")
def command(function: str, words: tuple[str, ...], **options: object) -> int:
    """Call one function, and print its reply.

    INPUT is a JSON object, @FILE to read it from a file, or - for standard input. Parameters may be given by name as
    well: --name value, typed by the function's contract; a list by repeating it, a flag by its name alone. Names that
    are options here (--url …) go behind --.

    The reply goes to standard output, what the function logs to standard error. The exit code is 0, or 64 and the
    number of the fault's gRPC code.
    """
    from dragoman.cli.calling import CallOptions, run  # noqa: PLC0415 - the host's imports, which --help does without

    return run(function, words, CallOptions(**options))  # pyright: ignore[reportArgumentType] - the options above
