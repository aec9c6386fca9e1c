"""Lists of tasks, the newest first, by an index whatever is asked for, so that a million others cost nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.tasks.state import State
from dragoman.tasks.stores.postgres.statements import filled
from dragoman.tasks.stores.postgres.text import packed

if TYPE_CHECKING:
    from dragoman.tasks.task import Query

CALLER = "left(t.caller, 200) = left({0}, 200) AND t.caller = {0} AND t.caller <> ''"
"""As much of a caller as an index has room for, whatever somebody calls themselves."""
PLAIN = "SELECT {outline} FROM tasks t WHERE {conditions} ORDER BY t.id DESC LIMIT {limit}"
MERGED = """
SELECT {outline}
FROM (
    SELECT n.id
    FROM {classes}
    CROSS JOIN LATERAL (SELECT t.id FROM tasks t WHERE {conditions} ORDER BY t.id DESC LIMIT {limit}) n
    ORDER BY n.id DESC LIMIT {limit}
) i
JOIN tasks t ON t.id = i.id
ORDER BY t.id DESC
"""
"""The newest of each state, merged: there is an index by caller, parent, schedule and function, each with the state."""
FUNCTIONS = "(SELECT DISTINCT c.function FROM tallies c) f (name)"


def search(query: Query) -> tuple[str, list[Any]]:
    """The statement of a query, and its arguments."""
    asked = _Asked()
    conditions: list[str] = []
    for column, value in (("schedule", query.schedule), ("parent", query.parent)):
        if value:
            conditions.append(f"t.{column} = {asked.put(packed(value))} AND t.{column} <> ''")
    if query.caller:
        conditions.append(CALLER.format(asked.put(packed(query.caller))))
    if query.function:
        conditions.append(f"t.function = {asked.put(query.function)}")
    narrow = bool(conditions)
    if query.before:
        conditions.append(f"t.id < {asked.put(query.before)}::text::uuid")
    limit = asked.put(query.limit) + "::bigint"
    if not narrow and not query.states:
        return filled(PLAIN, conditions=" AND ".join(conditions) or "true", limit=limit), asked.values
    classes = f"unnest({asked.put([str(state) for state in query.states or State])}::text[]) s (name)"
    conditions.append("t.state = s.name")
    if not narrow:
        classes = f"{FUNCTIONS} CROSS JOIN {classes}"
        conditions.append("t.function = f.name")
    return filled(MERGED, classes=classes, conditions=" AND ".join(conditions), limit=limit), asked.values


class _Asked:
    """The arguments of a statement as it is written."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def put(self, value: object) -> str:
        """Add one; how the statement calls it."""
        self.values.append(value)
        return f"${len(self.values)}"
