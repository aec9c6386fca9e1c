"""The second level of a cache, in a store that hosts share, and the word that something there holds no longer.

Each answer lies beside the *marks* under which it was computed: random names of the state of its function, its tags and
its key, read before the function ran. Whoever invalidates one of these gives it another mark, and tells the others: an
answer with an old mark is none, whenever it is written and whoever was away. (Generations instead of deletion: the
namespace versioning of memcached's guides, with names that nobody has to count.)

A store that is down, slow or spoiled means a miss, and nothing else. An invalidation that it could not be told of is
told when it is back.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from dragoman.contract import codec as codecs
from dragoman.core.call import Codec, Reply
from dragoman.core.fault import Breach, Code, Fault, Started
from dragoman.policies.key import DIGEST_BYTES
from dragoman.policies.memory import Kept, Spans

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from dragoman.policies.surroundings import Surroundings

FORMAT = 1
"""Of an answer in the store; others are not read."""
BYTES_MAX = 1024 * 1024
"""Larger answers would hold up everything else that is asked of the store."""
MARK_S = 365 * 86400.0
"""A mark outlives every answer that was written under the one before it."""
MARK_BYTES = 8
OWED_MAX = 1000
"""Keys whose invalidation the store is to be told of; with more, it is told that the whole function is."""
TELL_AGAIN_S = 1.0


class Store(Protocol):
    """What hosts share, as far as a cache needs it. Operations fail with a `ConnectionError`, within a bounded time."""

    @property
    def up(self) -> bool:
        """Whether it is worth asking."""
        ...

    def get(self, key: str) -> Awaitable[bytes | None]:
        """A value, if there is one."""
        ...

    def set(self, key: str, value: bytes, ttl_s: float) -> Awaitable[Any]:
        """Have a key mean a value for so many seconds."""
        ...

    def publish(self, channel: str, message: bytes) -> Awaitable[Any]:
        """Tell all who listen to a channel."""
        ...

    def subscribe(
        self, channel: str, heard: Callable[[bytes], object], missed: Callable[[], object]
    ) -> Callable[[], None]:
        """Hear a channel, until what is returned is called; `missed` says that messages may have been lost."""
        ...


class Found(NamedTuple):
    """What the store knows of a key: an answer, perhaps, and the marks for the next one; `None` where it is down."""

    kept: Kept | None = None
    marks: list[bytes | None] | None = None


class Shared:
    """The second level of one function's cache.

    `drop` is called with a key, without its codec, that others have invalidated; with `None` where all are.
    """

    def __init__(
        self,
        store: Store,
        function: str,
        tags: tuple[str, ...],
        surroundings: Surroundings,
        drop: Callable[[bytes | None], object],
    ) -> None:
        self._store = store
        self._surroundings = surroundings
        self._drop = drop
        self._name = secrets.token_bytes(MARK_BYTES)
        self._function = f"cache-function:{function}"
        self._keys = f"cache-keys:{function}"
        self._tags = [f"cache-tag:{tag}" for tag in tags]
        self._known: list[bytes | None] | None = None
        self._leave: list[Callable[[], None]] = []
        self._owed: dict[str, float] = {}
        self._telling = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts = dict.fromkeys(("read", "written", "spoiled", "lost"), 0)

    @property
    def up(self) -> bool:
        """Whether it is worth asking."""
        return self._store.up

    @property
    def owed(self) -> int:
        """Invalidations that the other hosts have not been told of yet."""
        return len(self._owed)

    def listen(self) -> None:
        """Hear from now on what others invalidate. Needs the running loop."""
        if not self._leave:
            for channel in (self._function, *self._tags):
                self._leave.append(self._store.subscribe(channel, self._heard, self._missed))

    def close(self) -> None:
        """Hear nothing more."""
        for leave in self._leave:
            leave()
        self._leave.clear()
        self._owed.clear()
        for task in self._tasks:
            task.cancel()

    async def look(self, key: bytes, spans: Callable[[Reply | Fault], Spans]) -> Found:
        """What there is under a key, and the marks that an answer computed from now on is to have."""
        store = self._store
        if self._owed:
            return Found()  # what is there may be what was invalidated
        # The answer first: one that is invalidated in between is then seen to be.
        asked = [store.get(f"cache:{key.hex()}"), store.get(key_mark(key)), *map(store.get, self._marks())]
        try:
            value, own, *rest = await asyncio.gather(*asked)
        except ConnectionError:
            self.counts["lost"] += 1
            return Found()
        self._learn(rest)
        marks = [own, rest[0], *rest[2:]]
        kept = None if value is None else self._read(value, marks, spans)
        return Found(kept, marks)

    def write(self, key: bytes, answer: Reply | Fault, marks: list[bytes | None], ttl_s: float) -> None:
        """Have all hosts know an answer. Nobody waits for it."""
        if not self._store.up:
            return
        value = dump(answer, self._surroundings.clock.now(), marks)
        if len(value) <= BYTES_MAX:
            self.counts["written"] += 1
            self._do(self._store.set(f"cache:{key.hex()}", value, ttl_s))

    def invalidate(self, key: bytes | None, tag: str | None, ttl_s: float) -> None:
        """Have all hosts forget a key, without its codec, or everything.

        `ttl_s` is how long a key's answers from before may yet be there.
        """
        if key is not None and len(self._owed) < OWED_MAX:
            self._owed[key_mark(key)] = ttl_s
        else:
            self._owed[self._function if tag is None else f"cache-tag:{tag}"] = MARK_S
        self._tell()

    # Marks

    def _marks(self) -> list[str]:
        """Names of the marks, but for that of a key: the function, that any of its keys is invalid, its tags."""
        return [self._function, self._keys, *self._tags]

    def _learn(self, marks: list[bytes | None]) -> None:
        """Compare marks with those known: whoever was away when they changed knows answers that are none."""
        known, self._known = self._known, marks
        if known is not None and known != marks:
            self._drop(None)

    def _missed(self) -> None:
        self._run(self._catch_up())
        if self._owed:
            self._tell()

    async def _catch_up(self) -> None:
        known = self._known
        try:
            marks = await asyncio.gather(*map(self._store.get, self._marks()))
        except ConnectionError:
            return  # listening begins anew when it is back, and this with it
        if self._known is known:  # else somebody was told of newer ones meanwhile
            if known is None:
                self._drop(None)
            self._learn(marks)

    # What is told

    def _heard(self, message: bytes) -> None:
        try:
            sender, name, mark = codecs.decode(message, Codec.MSGPACK)
            key = key_of_mark(name)
        except (ValueError, TypeError, AttributeError):
            sender, name, mark, key = b"", "", None, None
        if type(mark) is not bytes or (key is None and name not in self._marks()):
            self.counts["spoiled"] += 1
        elif sender != self._name:
            self._note(name, mark)
            self._drop(key)

    def _tell(self) -> None:
        if not self._telling:
            self._telling = True
            self._run(self._tell_all())

    async def _tell_all(self) -> None:
        try:
            while self._owed:
                name, ttl_s = next(iter(self._owed.items()))
                await self._tell_one(name, ttl_s)
                self._owed.pop(name, None)
        except ConnectionError:
            self._surroundings.call_later(TELL_AGAIN_S, self._tell)
        finally:
            self._telling = False

    async def _tell_one(self, name: str, ttl_s: float) -> None:
        store, mark = self._store, secrets.token_bytes(MARK_BYTES)
        is_key = key_of_mark(name) is not None
        told: list[Awaitable[Any]] = [store.set(name, mark, ttl_s)]
        if is_key:
            told.append(store.set(self._keys, mark, MARK_S))
        message = codecs.encode([self._name, name, mark], Codec.MSGPACK)
        told.append(store.publish(self._function if is_key else name, message))
        await asyncio.gather(*told)
        self._note(name, mark)

    def _note(self, name: str, mark: bytes) -> None:
        """Know a mark that was given to something."""
        names = self._marks()
        if self._known is not None:
            self._known[names.index(name if name in names else self._keys)] = mark

    # Answers as bytes

    def _read(self, value: bytes, marks: list[bytes | None], spans: Callable[[Reply | Fault], Spans]) -> Kept | None:
        try:
            found = load(value)
        except (ValueError, TypeError, KeyError):
            self.counts["spoiled"] += 1
            return None
        if found is None:
            return None
        answer, made_at, written = found
        if written != marks:
            return None
        self.counts["read"] += 1
        clock = self._surroundings.clock
        # Clocks of hosts differ: an answer from the future is new.
        age_s = max(clock.now() - made_at, 0.0)
        return Kept(answer, clock.monotonic() - age_s, spans(answer))

    def _do(self, operation: Awaitable[Any]) -> None:
        async def done() -> None:
            try:
                await operation
            except ConnectionError:
                self.counts["lost"] += 1

        self._run(done())

    def _run(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def key_mark(key: bytes) -> str:
    """The name of a key's mark: one for all codecs of its answer."""
    return f"cache-key:{key[:DIGEST_BYTES].hex()}"


def key_of_mark(name: str) -> bytes | None:
    """The key that a mark is of; `None` for the mark of something larger. Raises `ValueError`."""
    return bytes.fromhex(name.removeprefix("cache-key:")) if name.startswith("cache-key:") else None


def dump(answer: Reply | Fault, made_at: float, marks: list[bytes | None]) -> bytes:
    """An answer as bytes. `made_at` is seconds since the epoch."""
    if isinstance(answer, Reply):
        said: list[Any] = [int(answer.codec), bytes(answer.body)]
    else:
        errors = [[each.path, each.message] for each in answer.errors]
        said = [-1, str(answer.code), answer.detail, errors, answer.function]
    return codecs.encode([FORMAT, made_at, marks, said], Codec.MSGPACK)


def load(value: bytes) -> tuple[Reply | Fault, float, list[bytes | None]] | None:
    """An answer, when it was made and under which marks; `None` for another format. Raises `ValueError` and its kin."""
    version, *rest = codecs.decode(value, Codec.MSGPACK)
    if version != FORMAT:
        return None
    made_at, marks, (kind, *said) = rest
    if kind >= 0:
        (body,) = said
        if type(body) is not bytes:
            raise TypeError("a body is bytes")
        answer: Reply | Fault = Reply(body, Codec(kind))
    else:
        code, detail, errors, function = said
        breaches = tuple(Breach(str(path), str(message)) for path, message in errors)
        answer = Fault.of(Code(code), str(detail), started=Started.NO, errors=breaches, function=str(function))
    return answer, float(made_at), list(marks)
