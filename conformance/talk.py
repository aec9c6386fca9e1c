"""A conversation as cases write it: frames with call numbers of the case's own, and what is expected of the answers."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.frames import GUEST_IDS, Frame, encode
from conformance.line import Broken
from conformance.values import alike, filled, grown, same, shown

if TYPE_CHECKING:
    from conformance.line import Line

STEP_S_MAX = 10.0


class Talk:
    """One side's part of a conversation. Call numbers of a case are mapped to real ids here.

    `functions` are the indexes of the other side's functions by name.
    """

    def __init__(self, line: Line, first_id: int) -> None:
        self.line = line
        self.ids: dict[str, int] = {}
        self.functions: dict[str, int] = {}
        self._next = first_id

    def forget(self) -> None:
        """Begin another case: its call numbers are its own."""
        self.ids.clear()

    def last_words(self) -> str:
        """What the other side printed, if anyone knows."""
        return ""

    # Sending

    def send(self, told: dict[str, Any], number: int | None = None) -> None:
        """Send one frame as a case writes it."""
        data = self.frame(told, number).pack()
        # The last byte of a frame is its body's: the checksum then does not match.
        self.line.send(data[:-1] + bytes([data[-1] ^ 1]) if told.get("spoil") else data)

    def frame(self, told: dict[str, Any], number: int | None = None) -> Frame:
        """Build a frame; `$i` in it is `number`."""
        told = filled(told, number) if number is not None else told
        kind = told["kind"]
        codec = told.get("codec", "none" if "body" not in told else "json")
        if kind in {"FAULT", "EVENT", "HELLO", "READY"}:
            codec = told.get("codec", "json")
        body = self._body(told, codec)
        flags = frozenset(told.get("flags", ()))
        if "segment" in told:
            offset = told["segment"]
            self.line.put(body, offset)
            size = told.get("segment_size", len(body))
            body = offset.to_bytes(8, "little") + size.to_bytes(8, "little")
            flags |= {"SEGMENT"}
        function = told.get("function", 0)
        if isinstance(function, str):
            if function not in self.functions:
                message = f"the guest has no function {function!r}"
                raise Broken(message)
            function = self.functions[function]
        return Frame(
            kind,
            flags,
            codec,
            told.get("want", "none"),
            function,
            self._real(told.get("call", 0), new=kind == "CALL"),
            told.get("amount", 0),
            told.get("meta", {}),
            body,
            told.get("version", 1),
        )

    @staticmethod
    def _body(told: dict[str, Any], codec: str) -> bytes:
        if "body_hex" in told:
            return bytes.fromhex(told["body_hex"])
        if "body_text" in told:
            return str(told["body_text"]).encode()
        if "body_fill" in told:
            return b"x" * told["body_fill"]
        if "body_deep" in told:
            return b'{"value": ' + b"[" * told["body_deep"] + b"]" * told["body_deep"] + b"}"
        return encode(grown(told["body"]), codec) if "body" in told else b""

    def _real(self, call: int | str, *, new: bool = False) -> int:
        if call == 0 or (isinstance(call, int) and call >= GUEST_IDS):
            return int(call)
        key = str(call)
        if new and key not in self.ids:
            self.ids[key] = self._next
            self._next += 1
        return self.ids.get(key, 2**40 + hash(key) % 1000)

    # Receiving

    def next_frame(self, timeout_s: float, *, skip_events: bool) -> Frame | None:
        """What comes next, or `None` at the end. Raises `TimeoutError`."""
        deadline = time.monotonic() + timeout_s
        while True:
            frame = self.line.receive(max(deadline - time.monotonic(), 0))
            if frame is None or frame.kind != "EVENT" or not skip_events:
                return frame

    def expect(self, told: dict[str, Any]) -> None:
        """Take the next frame, and compare it."""
        within = told.get("within", STEP_S_MAX)
        try:
            frame = self.next_frame(within, skip_events=told["kind"] != "EVENT")
        except TimeoutError:
            message = f"no {told['kind']} within {within:g}s"
            raise Broken(message) from None
        if frame is None:
            message = f"expected {told['kind']}, the connection ended; {self.last_words()}"
            raise Broken(message)
        why = self.differs(frame, told)
        if why:
            raise Broken(why)

    def expect_all(self, expected: list[dict[str, Any]]) -> None:
        """Take as many frames, and find each its match."""
        left = [told for each in expected for told in [each] * each.get("times", 1)]
        events = any(told["kind"] == "EVENT" for told in expected)
        while left:
            try:
                frame = self.next_frame(STEP_S_MAX, skip_events=not events)
            except TimeoutError:
                message = f"{len(left)} frames have not come: {json.dumps(left[:3])}"
                raise Broken(message) from None
            if frame is None:
                message = f"the connection ended with {len(left)} frames to come"
                raise Broken(message)
            reasons = [self.differs(frame, told) for told in left]
            if None not in reasons:
                message = f"{shown(frame)} is not among those expected: {reasons[0]}"
                raise Broken(message)
            left.pop(reasons.index(None))

    def differs(self, frame: Frame, told: dict[str, Any]) -> str | None:
        """Why a frame is not the one that a case tells of, or `None`; binds the number of a guest's own call."""
        if frame.kind != told["kind"]:
            return f"expected {told['kind']}, got {shown(frame)}"
        call = told.get("call")
        if isinstance(call, str) and call.startswith("$") and frame.kind == "CALL":
            if frame.call < GUEST_IDS:
                return f"a guest's call has the id {frame.call:#x}, from the host's range"
            self.ids[call] = frame.call
        elif call is not None and frame.call != self._real(call):
            return f"expected call {call}, got {shown(frame)}"
        if "flags" in told and frame.flags - {"CHECKSUM"} != frozenset(told["flags"]):
            return f"expected flags {told['flags']}, got {sorted(frame.flags)}"
        if "codec" in told and frame.codec != told["codec"]:
            return f"expected codec {told['codec']}, got {shown(frame)}"
        if any(frame.meta.get(name) != value for name, value in told.get("meta", {}).items()):
            return f"expected meta {told['meta']}, got {frame.meta}"
        low, high = told.get("amount_between", (0, 2**32))
        if not low <= frame.amount <= high:
            return f"expected an amount from {low} to {high}, got {frame.amount}"
        return self._body_differs(frame, told)

    def _body_differs(self, frame: Frame, told: dict[str, Any]) -> str | None:
        body = frame.body
        if "SEGMENT" in frame.flags:
            offset, size = int.from_bytes(body[:8], "little"), int.from_bytes(body[8:], "little")
            body = self.line.get(offset, size)
            self.line.send(Frame("RELEASE", body=offset.to_bytes(8, "little")).pack())
        if "body_hex" in told and body.hex() != told["body_hex"]:
            return f"expected the bytes {told['body_hex']}, got {body.hex()[:200]}"
        if "size" in told and len(body) != told["size"]:
            return f"expected {told['size']} bytes, got {len(body)}"
        if not {"body", "like", "lacks", "matches"} & told.keys():
            return None
        try:
            value = Frame(frame.kind, codec=frame.codec, body=body).value
        except (msgspec.DecodeError, ValueError) as error:
            return f"{shown(frame)}: the body is not {frame.codec}: {error}"
        if "body" in told and not same(value, grown(told["body"])):
            return f"expected {told['body']!r:.300}, got {value!r:.300}"
        if "like" in told and not alike(value, told["like"]):
            return f"expected something like {told['like']!r:.300}, got {value!r:.300}"
        if any(key in value for key in told.get("lacks", ())):
            return f"expected none of {told['lacks']}, got {value!r:.300}"
        if "matches" in told and not re.search(told["matches"], str(value.get("detail", ""))):
            return f"expected a detail that matches {told['matches']!r}, got {value!r:.300}"
        return None
