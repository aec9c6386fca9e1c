"""Which messages of one partition of a log have been handled, and so from where it would be read again.

A log has one position a reader, and messages are handled in any order: the position may only pass what is done. What
was delivered and is not committed yet is kept here, in the log's order, so that a message that comes again while it is
still in hand, or done, is known.
"""

from __future__ import annotations

from enum import Enum


class Stage(Enum):
    """What has become of a message that was delivered."""

    HELD = 1
    DONE = 2
    BACK = 3


class Offsets:
    """One partition, for as long as its reader lives, whoever else has read it meanwhile."""

    __slots__ = ("_last", "_stages", "owned")

    def __init__(self) -> None:
        self._stages: dict[int, Stage] = {}
        self._last = -1
        self.owned = True

    def __len__(self) -> int:
        return len(self._stages)

    @property
    def held(self) -> bool:
        """Whether any message is in hand."""
        return Stage.HELD in self._stages.values()

    def deliver(self, offset: int) -> bool:
        """Note that a message came. False where it is in hand, or done, already."""
        if offset not in self._stages:
            if offset <= self._last:
                # Not the log that it was: made anew, or somebody had it read again from further back.
                self._stages.clear()
            self._stages[offset] = Stage.HELD
            self._last = offset
            return True
        if self._stages[offset] is Stage.BACK:
            self._stages[offset] = Stage.HELD
            return True
        return False

    def holds(self, offset: int) -> bool:
        """Whether a message is in hand."""
        return self._stages.get(offset) is Stage.HELD

    def finish(self, offset: int) -> None:
        """Note that a message is handled."""
        self._stages[offset] = Stage.DONE

    def give_back(self, offset: int) -> None:
        """Note that a message is to come again."""
        self._stages[offset] = Stage.BACK

    def position(self) -> int | None:
        """From where the log would have to be read again; None where nothing more has been done."""
        found = None
        for offset, stage in self._stages.items():
            if stage is not Stage.DONE:
                break
            found = offset + 1
        return found

    def committed(self, position: int) -> None:
        """Forget what lies before a position: nobody is given it again."""
        for offset in [offset for offset in self._stages if offset < position]:
            del self._stages[offset]
