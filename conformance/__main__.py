"""`python -m conformance guest FOLDER`: play the host to a guest, and say which cases it passes."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import play_guest
from conformance.process import Subject
from conformance.run import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.run import Outcome


def main() -> int:
    """Run what the command line says; 1 where a case fails, or none has such a name."""
    parser = argparse.ArgumentParser(prog="python -m conformance", epilog="guest -- PROGRAM ARGUMENT... has no folder")
    parser.add_argument("side", choices=["guest", "host"])
    parser.add_argument("folder", nargs="?", type=Path, help="a folder with a conformance.json")
    parser.add_argument("--level", choices=["basic", "stream", "full"], help="in place of the folder's; else full")
    parser.add_argument("--only", default="", help="part of the names of the cases to run")
    parser.add_argument("--transport", choices=["fd", "path"], help="in place of the folder's; else fd")
    words = sys.argv[1:]
    ends = words.index("--") if "--" in words else len(words)
    told, command = parser.parse_intermixed_args(words[:ends]), words[ends + 1 :]
    if told.side == "host":
        if told.folder is not None or command or told.level or told.transport:
            parser.error("host takes nothing but --only: it is always the host of this environment")
        host = (sys.executable, "-m", "dragoman")
        chosen = [name for name, _ in play_guest.cases() if told.only in name]
        return report("host", play_guest.run(host, chosen.__contains__) if chosen else [])
    if (told.folder is None) == (not command):
        parser.error("guest takes either a folder, or -- and a program with its arguments")
    if told.folder is not None and not (told.folder / "conformance.json").is_file():
        parser.error(f"{told.folder} has no conformance.json; a program comes after --")
    with tempfile.TemporaryDirectory() as out:
        if told.folder is not None:
            subject = Subject.load(told.folder.resolve(), Path(out))
        else:
            subject = Subject(command[0], tuple(command), Path.cwd())
        level, transport = told.level or subject.level, told.transport or subject.transport
        return report(
            subject.name, run(replace(subject, level=level, transport=transport), lambda name: told.only in name)
        )


def report(name: str, outcomes: Iterable[Outcome]) -> int:
    """Print what passed and what did not; 1 where something failed, or nothing was played."""
    failed = passed = 0
    for outcome in outcomes:
        if not outcome.skipped:
            print(f"{'FAIL' if outcome.why else 'ok  '} {outcome.name} {outcome.why}")
            failed += bool(outcome.why)
            passed += not outcome.why
    print(f"{name}: {passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


sys.exit(main())
