"""The project file's JSON Schema, for editors that complete and check TOML; from the same tables as the reader.

`python -m dragoman.config.schema > docs/reference/dragoman.schema.json` writes the committed copy.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dragoman.config import settings
from dragoman.config.setting import NAME, shorthands
from dragoman.config.upstreams import MARKS

if TYPE_CHECKING:
    from dragoman.config.setting import Setting

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def project_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of `dragoman.toml`."""
    source = table_schema(settings.SOURCE)
    service = {"anyOf": [{"required": [mark]} for mark in MARKS]}
    source["oneOf"] = [{"required": ["path"]}, {"required": ["command"], "not": service}, service]
    names = {"pattern": f"^(?:{NAME})$"}
    return {
        "$schema": DRAFT,
        "title": "dragoman.toml",
        "description": "A Dragoman project: its sources, and how their functions are run.",
        "type": "object",
        "properties": {
            "project": table_schema(settings.PROJECT),
            "defaults": table_schema(settings.DEFAULTS),
            "http": table_schema(settings.HTTP),
            "native": table_schema(settings.NATIVE),
            "shared": table_schema(settings.SHARED),
            "tasks": table_schema(settings.TASKS),
            "queues": {
                "description": "Brokers as a way in for calls and a place for results, by names of their own.",
                "type": "object",
                "propertyNames": names,
                "additionalProperties": table_schema(settings.QUEUE),
            },
            "schedules": {
                "description": "Functions that run as tasks at certain moments, by names of their own.",
                "type": "object",
                "propertyNames": names,
                "additionalProperties": {
                    **table_schema(settings.SCHEDULE),
                    "required": ["function"],
                    "oneOf": [{"required": ["cron"]}, {"required": ["every"]}],
                },
            },
            "sources": {
                "description": "Where functions come from, by the name that begins theirs.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": names,
                "additionalProperties": source,
            },
            "functions": {
                "description": "Settings of single functions, by their full names.",
                "type": "object",
                "additionalProperties": table_schema(settings.TABLES["functions"]),
            },
        },
        "required": ["sources"],
        "additionalProperties": False,
    }


def render() -> str:
    """The text of the committed copy."""
    return json.dumps(project_schema(), indent=2, ensure_ascii=False) + "\n"


def table_schema(known: Iterable[Setting]) -> dict[str, Any]:
    """JSON Schema of one table of settings."""
    settled = tuple(known)
    properties: dict[str, Any] = {}
    for setting in settled:
        entry = {"description": f"{setting.about} Default: {setting.default}."} | setting.kind.schema()
        group, dot, key = setting.key.partition(".")
        if not dot:
            properties[group] = entry
            continue
        inner = properties.setdefault(group, {"type": "object", "properties": {}, "additionalProperties": False})
        inner["properties"][key] = entry
    for group in sorted({setting.key.partition(".")[0] for setting in settled if setting.short}):
        short = [setting.kind.schema() for setting in shorthands(settled, group)]
        properties[group] = {
            "anyOf": [*(each for n, each in enumerate(short) if each not in short[:n]), properties[group]]
        }
    return {"type": "object", "properties": properties, "additionalProperties": False}


if __name__ == "__main__":
    sys.stdout.write(render())
