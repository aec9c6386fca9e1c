"""Dragoman as a later version may be: its stores know a step more. `newer.py PYTHON -m dragoman …`."""

from __future__ import annotations

import runpy
import sys

from dragoman.tasks import runner
from dragoman.tasks.stores.postgres import herald, migrating
from dragoman.tasks.stores.sqlite import schema, store
from dragoman.tasks.stores.sqlite.options import Options

ADDED = "ALTER TABLE tasks ADD COLUMN colour text NOT NULL DEFAULT 'grey'"
TAKEN = "CREATE TABLE grown (a integer)"
OFTEN_S = 0.3
"""How often it is looked whether older hosts are gone: minutes would be long for a test."""


def main() -> None:
    number = len(schema.MIGRATIONS) + 1
    steps = (*schema.MIGRATIONS, schema.Migration(number, (ADDED,), (TAKEN,)))
    store.Options = lambda: Options(steps=steps)
    released = migrating.released()
    migrating.released = lambda: (*released, migrating.Step(released[-1].number + 1, ADDED, TAKEN))
    herald.FINISH_S = runner.PRUNE_S = OFTEN_S
    assert sys.argv[2:4] == ["-m", "dragoman"]
    sys.argv[:] = ["dragoman", *sys.argv[4:]]
    runpy.run_module("dragoman", run_name="__main__", alter_sys=True)


main()
