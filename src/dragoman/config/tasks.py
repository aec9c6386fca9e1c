"""The table `[tasks]`: where tasks are kept, for how long, and how many may wait."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from dragoman.config.environment import TASKS_URL, Address, tasks_url, with_secrets
from dragoman.config.kinds import ITEMS_MAX, Duration, Flag, Names, Schema, Text, Whole
from dragoman.config.problem import Refused
from dragoman.config.setting import Setting
from dragoman.tasks.options import SECRET_EXPECTED, SQLITE, TasksOptions

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.config.document import Document

FILE_DEFAULT = ".dragoman/tasks.db"
TASKS_MAX = 1_000_000_000
SECRETS_MAX = 10
"""While one is replaced there are two; each is a signature in every request."""
ATTEMPTS_MAX = 1000
"""Six weeks of an attempt every hour."""


@dataclass(frozen=True)
class Allowed:
    """Where callbacks may go although it is private: addresses and hosts."""

    def read(self, value: object) -> tuple[str, ...]:
        """The list."""
        from dragoman.tasks.reach import read_allowed  # noqa: PLC0415 - for projects that say it

        entries = Names(Text('addresses such as "10.1.0.0/16", or a host such as "hooks.internal"')).read(value)
        for index, entry in enumerate(entries):
            try:
                read_allowed(entry)
            except ValueError as error:
                raise Refused(str(error), (index,)) from None
        return entries

    def schema(self) -> Schema:
        """An array of strings."""
        return {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": ITEMS_MAX}

    def words(self) -> str:
        """For the reference page."""
        return "list of addresses (`10.1.0.0/16`) and hosts (`hooks.internal`, `*.internal`)"


@dataclass(frozen=True)
class Secrets:
    """One secret or several, with what they take from the environment. None of them is ever told."""

    def read(self, value: object) -> tuple[str, ...]:
        """The secrets."""
        items = cast("list[object]", value if isinstance(value, list) else [value])
        if not 0 < len(items) <= SECRETS_MAX:
            raise Refused(f"expected 1 to {SECRETS_MAX} secrets, found {len(items)}")
        many = isinstance(value, list)
        return tuple(self._secret(item, (index,) if many else ()) for index, item in enumerate(items))

    def _secret(self, item: object, below: tuple[int, ...]) -> str:
        if not isinstance(item, str):
            raise Refused(f"expected {SECRET_EXPECTED}, best from the environment: ${{NAME}}", below)
        from dragoman.tasks.message import read_secret  # noqa: PLC0415 - for projects that have one

        try:
            text = with_secrets(item)
            read_secret(text)
        except Refused as refusal:
            raise Refused(refusal.message, below) from None
        except ValueError as error:
            raise Refused(str(error), below) from None
        return text

    def schema(self) -> Schema:
        """A string, or an array of them."""
        one: Schema = {"type": "string", "minLength": 1}
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": SECRETS_MAX}]}

    def words(self) -> str:
        """For the reference page."""
        return "`whsec_` and 24 to 64 bytes in base64, or a list of such"


TASKS = (
    Setting(
        "store",
        Address(TASKS_URL),
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
    Setting(
        "callbacks_allow",
        Allowed(),
        "[]",
        "Addresses, and hosts wherever they are, to which callbacks may go although they are not public.",
        "callbacks_allow",
    ),
    Setting(
        "callback_secret",
        Secrets(),
        "none",
        "What callbacks are signed with. Of several, each makes a signature, so that one can be replaced. `${NAME}` "
        "stands for a variable of the host's environment. Without it they are not signed.",
        "callback_secrets",
    ),
    Setting(
        "callback_timeout",
        Duration("100ms", "5m"),
        "15s",
        "How long one attempt of a callback may take.",
        "callback_timeout_s",
    ),
    Setting(
        "callback_attempts",
        Whole(1, ATTEMPTS_MAX),
        "16",
        "Attempts of a callback, after pauses that grow from seconds to an hour. The last one leaves it undelivered.",
        "callback_attempts",
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
