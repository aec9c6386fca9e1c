"""The table `[tasks]`: where tasks are kept, for how long, and how many may wait."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.config.environment import TASKS_URL, tasks_url, with_secrets
from dragoman.config.kinds import Duration, Flag, Schema, Text, Whole, wrong
from dragoman.config.problem import Refused
from dragoman.config.setting import Setting
from dragoman.tasks.options import TasksOptions

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.config.document import Document

SQLITE = "sqlite:"
FILE_DEFAULT = ".dragoman/tasks.db"
TASKS_MAX = 1_000_000_000


@dataclass(frozen=True)
class Address:
    """The address of a store of tasks, with what it takes from the environment."""

    text: Text = TASKS_URL

    def read(self, value: object) -> str:
        """The address."""
        if not isinstance(value, str):
            raise wrong(self.text.expected, value)
        address = with_secrets(value)
        try:
            return self.text.read(address)
        except Refused:
            # What was found may hold a password.
            raise Refused(f"expected {self.text.expected}") from None

    def schema(self) -> Schema:
        """A string."""
        return {"type": "string", "minLength": 1}

    def words(self) -> str:
        """For the reference page."""
        return self.text.words()


TASKS = (
    Setting(
        "store",
        Address(),
        f'"{SQLITE}{FILE_DEFAULT}"',
        "Where tasks are kept: a SQLite file, relative to the project's folder, or a Postgres server. `${NAME}` stands "
        "for a variable of the host's environment. `DRAGOMAN_TASKS_URL` comes before it.",
        "store",
    ),
    Setting(
        "lease",
        Duration("1s", "1h"),
        "15s",
        "A host that has not been heard of for so long is taken for dead, and its tasks run elsewhere.",
        "lease_s",
    ),
    Setting("keep", Duration("1s", "3650d"), "7d", "How long tasks that have ended are kept.", "keep_s"),
    Setting("keep_count", Whole(0, TASKS_MAX), "1000000", "How many of them, the latest; 0 for all.", "keep_count"),
    Setting("backlog", Whole(1, TASKS_MAX), "1000000", "Tasks that may wait; one more is refused.", "backlog"),
    Setting(
        "callbacks_private",
        Flag(),
        "false",
        "Whether callbacks may go to private and loopback addresses too.",
        "callbacks_private",
    ),
)


def read_tasks(document: Document, folder: Path) -> TasksOptions:
    """How the tasks of a project are kept."""
    values = document.read(("tasks",), TASKS)
    fields = {each.field: values[each.key].value for each in TASKS if each.key in values}
    try:
        found = tasks_url()
    except Refused as refusal:
        document.refuse(("tasks",), refusal.message)
        found = ""
    fields["store"] = located(found or fields.get("store", ""), folder)
    return TasksOptions(**fields)


def located(store: str, folder: Path) -> str:
    """The address of a store, a file's from the root; where none is named, that of the project's own file."""
    if not store:
        store = SQLITE + FILE_DEFAULT
    if not store.startswith(SQLITE):
        return store
    return SQLITE + str(folder / re.sub(r"^//(?=/)", "", store.removeprefix(SQLITE)))
