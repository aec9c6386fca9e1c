import json
from pathlib import Path

from dragoman.sandbox.confinement import Limits
from dragoman.workers.runtimes import command


def test_a_command_worker_is_told_what_to_run_and_gets_the_programs_environment() -> None:
    launch = command.launch({"command": ["wc", "{path}"]}, Path("/p"), {"A": "1"}, Limits())
    assert (launch.argv, launch.entry, launch.cwd) == ((), command.ENTRY, "/p")
    assert launch.env["A"] == "1"
    assert json.loads(launch.env["DRAGOMAN_COMMAND"]) == {"command": ["wc", "{path}"], "env": {"A": "1"}, "cwd": "/p"}


def test_what_is_imported_beforehand_holds_the_entry() -> None:
    assert command.ENTRY.startswith(f"{command.PRELOAD}:")
