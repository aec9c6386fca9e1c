"""The `dragoman` command: from `sys.argv` to an exit code. Users get messages; a traceback is a bug of ours.

Only click is imported here. What a command needs, it imports when it runs: `--help` and completion stay quick.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from dragoman.cli.commands import PipeClosed, commands

USAGE = 2
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells say it."""
PIPE_CLOSED = 141
"""128 and the number of SIGPIPE: whoever read the output has enough of it."""


def main() -> NoReturn:
    """Run the command and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; its exit code."""
    try:
        status = commands.main(arguments, prog_name="dragoman", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (PipeClosed, BrokenPipeError):
        return _pipe_closed()
    except Exception as error:  # noqa: BLE001 - what is not a known failure is raised again
        from dragoman.cli.outcome import report  # noqa: PLC0415 - needed only where something failed

        return report(error)
    return status if isinstance(status, int) else 0


def _pipe_closed() -> int:
    """Leave without a word, and without another try to flush when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return PIPE_CLOSED
