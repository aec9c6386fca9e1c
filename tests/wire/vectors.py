"""The vectors of `proto/vectors`, read for the tests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from dragoman.wire.frame import Flag, Frame, Kind

VECTORS = Path(__file__).parents[2] / "proto" / "vectors"

_AHEAD = re.compile(
    "(bad-)?(input|segment|release|client)(-|$)|(call|item|end)-in-a-segment|call-with-(input|every-flag)|call-that-streams"
    "|hello-(features-string|feature-number|service-number|segments-from-)|kind-15$|flag-32$|flag-128-and-input|bad-credit-of-others"
    "|bad-end-of-own-call"
)
"""What version 1 gained last, and this library is about to."""


def cases(name: str) -> list[dict[str, Any]]:
    """The cases of one file of frames."""
    found = json.loads((VECTORS / "frames" / f"{name}.json").read_text("utf-8"))["cases"]
    return [case for case in found if not _AHEAD.match(case["name"])]


def conversations() -> dict[str, dict[str, Any]]:
    """All conversations by name."""
    paths = sorted((VECTORS / "conversations").glob("*.json"))
    return {path.stem: json.loads(path.read_text("utf-8")) for path in paths if not _AHEAD.match(path.stem)}


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
