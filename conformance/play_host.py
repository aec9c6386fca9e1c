"""Plays the host to a guest, by the cases; every step has a time limit, so a guest can hang only its own case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.frames import Frame
from conformance.process import READY_S_MAX, Broken, Guest, Subject
from conformance.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = Path(__file__).parent / "cases"
LEVELS = ("basic", "stream", "full")
LIMITS = {"frame_bytes_max": 67108864, "credit_bytes": 262144, "calls_max": 4096, "segment_from_bytes": 262144}
HELLO = {
    "host": "conformance/1",
    "versions": [1, 1],
    "source": "conformance",
    "call_prefix": "c0ffee",
    "concurrency": 8,
    "debug": False,
    "features": ["input", "segments"],
    "limits": LIMITS,
}

Case = dict[str, Any]


def cases(level: str = "full", folder: Path = CASES) -> Iterator[tuple[str, Case]]:
    """Every case that a guest of this level must pass, with its full name."""
    for file in sorted(folder.glob("*.json")):
        told = json.loads(file.read_text())
        for case in told["cases"]:
            if LEVELS.index(case.get("level", told["level"])) <= LEVELS.index(level):
                yield f"{file.stem}.{case['name']}", case


class Session(Talk):
    """One guest, and what was said in its handshake."""

    def __init__(self, subject: Subject, hello: dict[str, Any] | None = None) -> None:
        self.guest = Guest(subject)
        super().__init__(self.guest, 1)
        changed = hello or {}
        self.hello = {**HELLO, **changed, "limits": {**LIMITS, **changed.get("limits", {})}}
        self.ready: dict[str, Any] = {}

    def shake_hands(self) -> None:
        """HELLO, and READY within the time to start."""
        self.guest.send(Frame("HELLO", codec="json", body=json.dumps(self.hello).encode()).pack())
        frame = self.next_frame(READY_S_MAX, skip_events=True)
        if frame is None or frame.kind != "READY":
            message = f"expected READY, got {frame}; printed: {self.guest.printed()}"
            raise Broken(message)
        self.ready = json.loads(frame.body)
        if self.guest.subject.transport == "path":
            first = next(iter(self.ready), "")
            if first != "token" or self.ready["token"] != self.guest.token:
                message = f"the first key of READY is {first!r}, not the token"
                raise Broken(message)
        self.functions = {each["name"]: index for index, each in enumerate(self.ready["functions"])}

    def last_words(self) -> str:
        """The end of what the guest printed."""
        return bytes(self.guest.output[-500:]).decode(errors="replace")
