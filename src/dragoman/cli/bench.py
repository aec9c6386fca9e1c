"""`dragoman bench`."""

from __future__ import annotations

import click

from dragoman.cli.commands import drawn
from dragoman.cli.options import DURATION, WORDS, input_arguments, json_option, place_options

CONNECTIONS_MAX = 10_000
MODES = ("warm", "fork", "exec", "inline")
"""Those of `dragoman.config.languages`, which --help does without."""


@click.command("bench", **drawn(), context_settings=WORDS)
@input_arguments
@place_options
@click.option(
    "--connections", type=click.IntRange(1, CONNECTIONS_MAX), default=16, help="Calls in flight. Default: 16."
)
@click.option("--duration", type=DURATION, default=3.0, help="How long to measure. Default: 3s.", metavar="DURATION")
@click.option(
    "--mode",
    "modes",
    type=click.Choice(MODES),
    multiple=True,
    help="Host the function's source in this mode; repeat it to compare. Default: the source's own.",
)
@click.option(
    "--modes",
    "every_mode",
    is_flag=True,
    help="Host it in every mode that fits, one after the other, and say which to pick.",
)
@json_option("the figures")
def command(function: str, words: tuple[str, ...], **options: object) -> int:
    """Measure how fast a function answers: latency percentiles and calls per second.

    The input is given as for call. With --url the host's HTTP is measured, else the function, hosted in this process.
    With --modes it is hosted in each mode that fits its source; the memory of its workers (shared pages counted in
    proportion) and the time of their starts stand beside the rest.
    Anything else that the machine does shows in the figures.
    """
    from dragoman.cli.measuring import BenchOptions, run  # noqa: PLC0415 - the host's imports, which --help does without

    return run(function, words, BenchOptions(**options))  # pyright: ignore[reportArgumentType] - the options above
