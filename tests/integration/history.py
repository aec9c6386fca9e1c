"""What a storm of deaths must not break: a checker that reads what was promised, and what came of it.

Callers write down what they were promised (`accepted`) and each end that they saw (`saw`); the function writes down
each of its runs, in a file. `check` holds these against what the store says at last.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

ENDS = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "CANCELLED", "DEAD"})


@dataclass
class History:
    """What callers know, by the key that each submission had."""

    accepted: dict[str, str] = field(default_factory=dict[str, str])
    ends: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    wrong: list[str] = field(default_factory=list[str])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def promised(self, key: str, task: str) -> None:
        """A host has said 202 to a submission, perhaps not for the first time."""
        with self.lock:
            before = self.accepted.setdefault(key, task)
            if before != task:
                self.wrong.append(f"{key} was promised as {before}, then as {task}")

    def saw(self, shown: dict[str, Any], result: Any) -> None:
        """A host has shown a task that is over."""
        end = {name: shown[name] for name in ("state", "attempts", "finished_at")} | {"result": result}
        with self.lock:
            before = self.ends.setdefault(shown["id"], end)
            if before != end:
                self.wrong.append(f"{shown['id']} ended as {before}, then as {end}")


def check(history: History, kept: dict[str, dict[str, Any]], runs: Counter[str]) -> list[str]:
    """All that is wrong: `kept` are the documents of all tasks by id, with history and result, `runs` by key."""
    wrong = list(history.wrong)
    promised = {task: key for key, task in history.accepted.items()}
    for task, key in promised.items():
        shown = kept.get(task)
        if shown is None:
            wrong.append(f"{task} was accepted, and is lost")
            continue
        wrong += _ended(shown)
        end = history.ends.get(task)
        if end is not None and any(shown[name] != end[name] for name in end):
            wrong.append(f"{task} was seen to end as {end}, and is {shown}")
        if shown["state"] == "SUCCEEDED" and shown["result"] != key:
            wrong.append(f"{task} has the result {shown['result']!r} of another: its own is {key!r}")
        if shown["state"] == "SUCCEEDED" and not runs[key]:
            wrong.append(f"{task} succeeded, and its function never ran to the end")
        if runs[key] > shown["attempts"]:
            wrong.append(f"{task} ran {runs[key]} times in {shown['attempts']} attempts")
    wrong += [f"{task} is kept and was promised to nobody" for task in kept if task not in promised]
    return wrong


def _ended(shown: dict[str, Any]) -> list[str]:
    """What is wrong with how one task has ended."""
    task, attempts = shown["id"], shown["history"]
    wrong: list[str] = []
    if shown["state"] not in ENDS or not shown["finished_at"]:
        wrong.append(f"{task} never ended: {shown}")
    if [each["number"] for each in attempts] != list(range(1, shown["attempts"] + 1)):
        wrong.append(f"{task} says {shown['attempts']} attempts, and shows {attempts}")
    if any(each["ended_at"] is None for each in attempts):
        wrong.append(f"{task} is over, and an attempt of it is not: {attempts}")
    well = [each["number"] for each in attempts if each["fault"] is None]
    if shown["state"] == "SUCCEEDED" and well != [shown["attempts"]]:
        wrong.append(f"{task} succeeded once, and the attempts without a fault are {well}")
    return wrong
