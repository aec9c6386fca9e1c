"""Tasks in words, for people: how one stands, what has become of it, and many in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.client.ending import is_over
from dragoman.core.problem import clip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dragoman.client.desk import Document
    from dragoman.client.task import Task

HEADINGS = ("task", "function", "state", "submitted", "progress", "attempts")
DEAD_HEADINGS = ("task", "function", "ended", "attempts", "fault")
DELIVERY_HEADINGS = ("delivery", "task", "to", "attempts", "fault")
FAULT_CHARS_MAX = 200
LINES_SHOWN = 20
"""Lines of the log that are shown with a task: the last ones say what it is at."""


def standing(task: Document) -> str:
    """How a task stands, in a line."""
    state = str(task.get("state", ""))
    if is_over(task) or state == "PENDING":
        return state
    if state == "RUNNING":
        attempts = f", attempt {task['attempts']} of {task['attempts_max']}" if task.get("attempts", 0) > 1 else ""
        return f"{state}{attempts}{', being cancelled' if task.get('cancelling') else ''}"
    due = f" until {task['due_at']}" if task.get("due_at") else ""
    return f"{state}{due}: {fault_line(task)}" if task.get("fault") else f"{state}{due}"


def fault_line(task: Document) -> str:
    """The fault that a task's last attempt ended with, in a line; empty where there is none."""
    fault: dict[str, Any] = task.get("fault") or {}
    first = str(fault.get("detail", "")).strip().partition("\n")[0]
    return clip(f"{fault.get('code', '')}: {first}", FAULT_CHARS_MAX) if fault else ""


def rows(tasks: Iterable[Task]) -> Iterator[Sequence[str]]:
    """A row for each of them."""
    for task in tasks:
        shown = task.document
        far = "" if task.over or not task.progress else f"{task.progress:.0%}"
        tries = f"{shown.get('attempts', 0)}/{shown.get('attempts_max', '')}"
        yield task.id, task.function, task.state, str(shown.get("submitted_at", "")), far, tries


def dead_rows(tasks: Iterable[Task]) -> Iterator[Sequence[str]]:
    """A row for each of those that are dead."""
    for task in tasks:
        shown = task.document
        yield (
            task.id,
            task.function,
            str(shown.get("finished_at") or ""),
            str(shown.get("attempts", "")),
            fault_line(shown),
        )


def delivery_rows(deliveries: Iterable[Document]) -> Iterator[Sequence[str]]:
    """A row for each message that nobody took."""
    for each in deliveries:
        target: Document = each.get("target") or {}
        where = ", ".join(str(value) for value in target.values())
        fault = clip(str(each.get("fault") or ""), FAULT_CHARS_MAX)
        yield str(each.get("id")), str(each.get("task")), where, str(each.get("attempts", "")), fault


def details(task: Document, logs: Sequence[Document]) -> Iterator[str]:
    """All that there is to say of a task, in lines."""
    yield f"{task['id']}  {task['function']}"
    facts = {
        "state": standing(task),
        "progress": f"{task.get('progress') or 0:.0%} {task.get('message') or ''}".strip()
        if task.get("progress")
        else "",
        "submitted": _joined(task.get("submitted_at"), "by", task.get("caller")),
        "priority": task.get("priority"),
        "started": task.get("started_at"),
        "ended": task.get("finished_at"),
        "deadline": None if is_over(task) else task.get("deadline"),
        "schedule": task.get("schedule"),
        "parent": task.get("parent"),
        "version": task.get("version"),
        "fault": fault_line(task),
    }
    for name, fact in facts.items():
        if fact:
            yield f"  {name:10} {fact}"
    history: list[Document] = task.get("history") or []
    if history:
        yield f"attempts ({task.get('attempts')} of {task.get('attempts_max')})"
    for each in history:
        span = f"{each.get('started_at')} … {each.get('ended_at') or ''}".rstrip()
        yield f"  {each.get('number')}  {span}  {fault_line(each)}".rstrip()
    if logs:
        yield "log" if len(logs) <= LINES_SHOWN else f"log (the last {LINES_SHOWN} of {len(logs)} lines)"
    for line in logs[-LINES_SHOWN:]:
        yield f"  {line.get('at')} {line.get('level')}: {line.get('message')}"


def _joined(first: object, word: str, second: object) -> str:
    return f"{first} {word} {second}" if first and second else str(first or "")
