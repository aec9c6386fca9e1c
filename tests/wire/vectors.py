"""The vectors of `proto/vectors`, read for the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dragoman.wire.frame import Flag, Frame, Kind

VECTORS = Path(__file__).parents[2] / "proto" / "vectors"


def cases(name: str) -> list[dict[str, Any]]:
    """The cases of one file of frames."""
    return json.loads((VECTORS / "frames" / f"{name}.json").read_text("utf-8"))["cases"]


def conversations() -> dict[str, dict[str, Any]]:
    """All conversations by name."""
    paths = sorted((VECTORS / "conversations").glob("*.json"))
    return {path.stem: json.loads(path.read_text("utf-8")) for path in paths}


def frame_of(fields: dict[str, Any]) -> Frame:
    """The frame that a vector's fields describe."""
    return Frame(
        int(Kind[fields["kind"]]),
        sum(Flag[name] for name in fields.get("flags", [])),
        fields.get("codec", 0),
        fields.get("function", 0),
        int(fields.get("call", "0"), 16),
        fields.get("amount", 0),
        bytes.fromhex(fields.get("meta", "")),
        fields["body"].encode() if "body" in fields else bytes.fromhex(fields.get("body_hex", "")),
    )
