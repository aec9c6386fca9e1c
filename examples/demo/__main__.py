"""The examples, hosted and called: `make demo`.

Starts a server of its own, which builds what has to be built, calls every function once to show its answer, then again
and again to show how fast it answers. Then it has the long report run as a task, shows the schedule and the pipeline. A
language or a server that this machine has no tools for is named, and left out. On a terminal it goes on serving until
Ctrl-C, elsewhere it ends. What it makes is in a folder of its own, and goes with it; what it starts ends with it, even
where it is killed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from examples.demo.functions import show
from examples.demo.leash import end_with
from examples.demo.pipeline import server, show_pipeline
from examples.demo.server import free_port, own_environment, serving
from examples.demo.tasks import Demo, show_schedules, show_tasks

INTERRUPTED = 130


def _stop(number: int, _frame: object) -> None:
    """Leave by way of every `finally`, so that the server ends too."""
    sys.exit(128 + number)


def run(console: Console, *, watched: bool) -> int:
    """Serve, show, and go on serving where somebody watches."""
    with tempfile.TemporaryDirectory(prefix="dragoman-demo-") as made:
        folder = Path(made)
        with server(folder, console) as queue:
            demo = Demo(free_port(), own_environment(folder, queue), console)
            with serving(demo.port, demo.environment, console) as missing:
                well = show(demo.port, console, missing)
                well = show_tasks(demo) and well
                well = show_schedules(demo) and well
                well = show_pipeline(demo, folder, queue) and well
                if watched:
                    console.print(f"Serving on {demo.url} (documentation: /docs). Ctrl-C ends it.")
                    with contextlib.suppress(KeyboardInterrupt):
                        signal.pause()
    return 0 if well else 1


def main() -> int:
    """Show it; Ctrl-C ends it at any time."""
    parser = argparse.ArgumentParser(prog="examples.demo", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--with-parent", action="store_true", help="end where the process that starts it dies")
    options = parser.parse_args()
    for each in (signal.SIGTERM, signal.SIGHUP):  # the latter as a terminal is closed
        signal.signal(each, _stop)
    if options.with_parent:
        end_with(os.getppid(), signal.SIGTERM)
    watched = sys.stdin.isatty() and sys.stdout.isatty()
    console = Console(width=None if watched else 160)
    try:
        return run(console, watched=watched)
    except KeyboardInterrupt:
        console.print("stopped")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
