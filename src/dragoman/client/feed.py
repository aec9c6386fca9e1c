"""The input stream of a blocking call: its iterator runs in a thread of its own, as fast as the host grants."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from dragoman.client.value import encode_input
from dragoman.core.fault import Fault, InvalidArgument, Started
from dragoman.wire.fault import Oversized


class Way(NamedTuple):
    """Where items go: `offer` is false once there is an answer, `give_up` ends the call whose input broke off."""

    offer: Callable[[int, bytes], bool]
    finish: Callable[[], None]
    give_up: Callable[[Fault], None]


class Feed:
    """Feeds one call. `error` is what the caller's own iterator raised, which ended it."""

    def __init__(self, way: Way, function: str, items: Iterator[Any]) -> None:
        self.error: BaseException | None = None
        self._way = way
        self._function = function
        self._items = items
        threading.Thread(target=self._run, name="dragoman input", daemon=True).start()

    def _run(self) -> None:
        way, ended = self._way, False
        try:
            for value in self._items:
                body, codec = encode_input(value, alone=True)
                if not way.offer(codec, body):
                    return
            ended = True
            way.finish()
        except Oversized as error:
            way.give_up(self._broken(f"an item of the input is too large to send: {error}"))
        except Fault as fault:
            way.give_up(fault)
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
            self.error = error
            way.give_up(self._broken(f"the input broke off: {type(error).__name__}: {error}"))
        finally:
            close = getattr(self._items, "close", None)
            if close is not None and not ended:
                with contextlib.suppress(Exception):
                    close()

    def _broken(self, detail: str) -> InvalidArgument:
        return InvalidArgument(detail, started=Started.YES, function=self._function)
