"""What makes calls of a function the same: its name, its contract's version, and what their input says.

The input counts by what it says and not by how it is written (`contract.codecs.canonical`). Reading it takes
microseconds, so what bytes say is remembered: a call with bytes that were seen before costs a look into a dictionary.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from dragoman.contract import codec as codecs
from dragoman.contract.codecs.canonical import canonical
from dragoman.core.call import Codec
from dragoman.core.draft import whole

if TYPE_CHECKING:
    from dragoman.core.call import Call
    from dragoman.core.target import Target

CANONICAL_BYTES_MAX = 64 * 1024
"""Larger bodies count by their bytes: reading one would take longer than most functions."""
WHOLE_BYTES_MAX = 8 * 1024 * 1024
"""And larger ones still have no key: for longer than some 8 ms the host would do nothing but read one."""
VERBATIM_BYTES_MAX = 512
"""Bodies up to here are remembered as they are, which is cheaper than by their digest."""
SEEN_MAX = 4096
"""Bodies remembered: 3 MB at the most. What is in use is back at once when all are forgotten."""
DIGEST_BYTES = 32
"""Nobody can find two inputs of one digest, and have others get the answer to theirs."""
REPLIES = tuple(bytes([each]) for each in Codec)
"""The last byte of a key: an answer is kept in the codec in which it was asked for."""


class Keys:
    """Keys of one function's calls."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        """`names` are the properties of the input that count; all where empty."""
        self._names = names
        self._target: Target | None = None
        self._raw: list[Any] = []
        self._value: Any = None
        self._room = SEEN_MAX
        self._seen: list[list[dict[bytes, bytes]]] = []

    @property
    def remembered(self) -> int:
        """Bodies that are known."""
        return SEEN_MAX - self._room

    def of(self, call: Call) -> bytes:
        """The key of a call: `DIGEST_BYTES` for what it asks, and one for the codec of its answer.

        Empty where the body is too large to have one.
        A body that lies in memory which others may write is copied first: what is asked must not change after that.
        """
        target = call.target
        if target is not self._target:
            self._learn(target)
        body = call.body
        seen = self._seen[call.codec][call.reply_codec]
        if type(body) is bytes and len(body) <= VERBATIM_BYTES_MAX:
            key = seen.get(body)
            return self._remember(seen, body, body, call) if key is None else key
        if len(body) > WHOLE_BYTES_MAX:
            return b""
        if type(body) is memoryview:
            call.body = body = bytes(body)
        if len(body) > CANONICAL_BYTES_MAX:
            return _digest(self._raw[call.codec], whole(body)) + REPLIES[call.reply_codec]
        data = bytes(whole(body))
        raw = blake2b(data, digest_size=DIGEST_BYTES, person=b"raw").digest()
        key = seen.get(raw)
        return self._remember(seen, raw, data, call) if key is None else key

    def all_of(self, target: Target, body: bytes, codec: Codec = Codec.JSON) -> list[bytes]:
        """The keys of an input, one for each codec that its answer may be in."""
        if target is not self._target:
            self._learn(target)
        digest = self._said(codec, body) if len(body) <= CANONICAL_BYTES_MAX else _digest(self._raw[codec], body)
        return [digest + reply for reply in REPLIES]

    def _learn(self, target: Target) -> None:
        """Take another version of the function: nothing that was known of its inputs holds."""
        self._target = target
        prefix = codecs.encode([target.name, target.version, *self._names], Codec.JSON)
        # The lengths of what stands before are in it, so that no two inputs run together to the same bytes.
        starts = [b"%d %b%c" % (len(prefix), prefix, codec) for codec in Codec]
        self._raw = [blake2b(start, digest_size=DIGEST_BYTES, person=b"bytes") for start in starts]
        self._value = blake2b(starts[Codec.NONE], digest_size=DIGEST_BYTES, person=b"value")
        self._forget()

    def _forget(self) -> None:
        self._seen = [[{} for _ in Codec] for _ in Codec]
        self._room = SEEN_MAX

    def _remember(self, seen: dict[bytes, bytes], raw: bytes, data: bytes, call: Call) -> bytes:
        key = self._said(call.codec, data) + REPLIES[call.reply_codec]
        if not self._room:
            self._forget()
            seen = self._seen[call.codec][call.reply_codec]
        self._room -= 1
        seen[raw] = key
        return key

    def _said(self, codec: Codec, data: bytes) -> bytes:
        said = canonical(data, codec, self._names)
        return _digest(self._raw[codec], data) if said is None else _digest(self._value, said)


def _digest(begun: Any, data: bytes | memoryview) -> bytes:
    digest = begun.copy()
    digest.update(data)
    return digest.digest()
