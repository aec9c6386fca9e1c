"""`python -m conformance guest FOLDER`: play the host to a guest, and say which cases it passes."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import play_guest
from conformance.process import Subject
from conformance.run import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.run import Outcome


def main() -> int:
    """Run what the command line says; 1 where a case fails."""
    parser = argparse.ArgumentParser(prog="python -m conformance")
    parser.add_argument("side", choices=["guest", "host"])
    parser.add_argument("folder", nargs="?", type=Path, help="a folder with a conformance.json")
    parser.add_argument("--level", choices=["basic", "stream", "full"])
    parser.add_argument("--only", default="", help="part of the names of the cases to run")
    parser.add_argument("--transport", choices=["fd", "path"], default="fd")
    parser.add_argument("command", nargs="*", help="after --: a program and its arguments")
    told, rest = parser.parse_known_args()
    command = [part for part in [*told.command, *rest] if part != "--"]
    with tempfile.TemporaryDirectory() as out:
        if told.side == "host":
            outcomes = play_guest.run((sys.executable, "-m", "dragoman"), lambda name: told.only in name)
            return report("host", outcomes)
        if told.folder is not None and told.folder.is_dir():
            subject = Subject.load(told.folder.resolve(), Path(out))
        else:
            words = ([str(told.folder)] if told.folder else []) + command
            subject = Subject(words[0], tuple(words), Path.cwd(), told.transport, told.level or "full")
        return report(subject.name, run(subject, lambda name: told.only in name))


def report(name: str, outcomes: Iterable[Outcome]) -> int:
    """Print what passed and what did not; 1 where something failed."""
    failed = passed = 0
    for outcome in outcomes:
        if not outcome.skipped:
            print(f"{'FAIL' if outcome.why else 'ok  '} {outcome.name} {outcome.why}")
            failed += bool(outcome.why)
            passed += not outcome.why
    print(f"{name}: {passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
