"""Idempotency keys that all hosts know: who begins a call says so in the store first, and then what came of it.

Whoever finds that another host has begun waits, and asks again. A host that died with the call leaves its word there
until the call could not be running any more; then the key is free again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from dragoman.contract import codec as codecs
from dragoman.core.call import Codec, Reply
from dragoman.core.fault import Breach, Code, Fault, Started
from dragoman.policies.ledger import Told

if TYPE_CHECKING:
    import asyncio

    from dragoman.policies.ledger import Key
    from dragoman.policies.surroundings import Scripts

FORMAT = 1
"""Of what is written; anything else is as nothing."""
BYTES_MAX = 1024 * 1024
"""Larger answers would hold up everything else that is asked of the store; this host alone repeats them."""
SLACK_S = 5.0
"""Past a call's deadline: the time that its host has to write down what came of it."""
NAME_BYTES = 16

CLAIM = """
local found = redis.call('GET', KEYS[1])
if found then return found end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
"""
SETTLE = """
local found = redis.call('GET', KEYS[1])
if found and found ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


class Pledges:
    """The keys of one function in the store."""

    def __init__(self, store: Scripts, name: str, ttl_s: float) -> None:
        self.lost = 0
        self._store = store
        self._name = name
        self._ttl_ms = max(round(ttl_s * 1000), 1)
        self._host = secrets.token_bytes(NAME_BYTES)

    @property
    def up(self) -> bool:
        """Whether it is worth asking."""
        return self._store.up

    def claim(self, key: Key, body: bytes, within_s: float, then: Callable[[Told | None], object]) -> None:
        """Ask for a key: `then` gets None where it is ours, or what it stands for; without an answer where it runs.

        It is ours for `within_s` seconds, and where there is no store.
        """
        word = self._word(body)
        lives_ms = round((within_s + SLACK_S) * 1000)

        def answered(done: asyncio.Future[Any]) -> None:
            if done.cancelled() or done.exception() is not None:
                self.lost += 1
                then(None)
            else:
                found: Any = done.result()
                then(None if found is None or found == word else load(found))

        self._store.evaluate(CLAIM, (self._key(key),), (word, lives_ms)).add_done_callback(answered)

    def settle(self, key: Key, told: Told) -> None:
        """Have all hosts know what came of a call. Nobody waits for it."""
        said = dump(told)
        if len(said) > BYTES_MAX:
            said = dump(Told(told.body, None, "is larger than what hosts tell one another, and another host has it"))
        self._store.evaluate(SETTLE, (self._key(key),), (self._word(told.body), said, self._ttl_ms))

    def release(self, key: Key, body: bytes) -> None:
        """The call did not begin after all."""
        self._store.evaluate(SETTLE, (self._key(key),), (self._word(body), b"", 1))

    def _word(self, body: bytes) -> bytes:
        return codecs.encode([FORMAT, body, self._host], Codec.MSGPACK)

    def _key(self, key: Key) -> str:
        caller, chosen = (each.encode("utf-8", "surrogatepass") for each in key)
        digest = blake2b(b"%d:%b%b" % (len(caller), caller, chosen), digest_size=NAME_BYTES).hexdigest()
        return f"idempotency:{self._name}:{digest}"


def dump(told: Told) -> bytes:
    """What a key stands for, as bytes."""
    answer = told.answer
    if answer is None:
        said: list[Any] = [-2, told.why]
    elif isinstance(answer, Reply):
        said = [int(answer.codec), bytes(answer.body)]
    else:
        errors = [[each.path, each.message] for each in answer.errors]
        said = [-1, str(answer.code), answer.detail, str(answer.started), errors, answer.function]
    return codecs.encode([FORMAT, told.body, None, said], Codec.MSGPACK)


def load(value: Any) -> Told | None:
    """What a key stands for; without answer and reason where another host has begun; None for what cannot be read."""
    try:
        return _load(codecs.decode(value, Codec.MSGPACK))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _load(value: Any) -> Told | None:
    version, body, *rest = value
    if version != FORMAT or type(body) is not bytes:
        return None
    if len(rest) == 1:
        return Told(body, None)
    kind, *said = rest[1]
    if kind == -1:
        code, detail, started, errors, function = said
        breaches = tuple(Breach(str(path), str(message)) for path, message in errors)
        fault = Fault.of(Code(code), str(detail), started=Started(started), errors=breaches, function=str(function))
        return Told(body, fault)
    if kind < 0:
        return Told(body, None, str(said[0]))
    (answer,) = said
    return Told(body, Reply(answer, Codec(kind))) if type(answer) is bytes else None
