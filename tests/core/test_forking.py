"""A forked process lets go of what its parent uses, once, and only of what still lives."""

import gc
import os

from dragoman.core.forking import tell_at_fork


class Held:
    """Counts how often it was told."""

    def __init__(self) -> None:
        self.told = 0
        tell_at_fork(self)

    def leave_to_parent(self) -> None:
        self.told += 1


def told_in_child(held: Held) -> int:
    child = os.fork()
    if not child:
        os._exit(held.told)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_the_child_is_told_and_the_parent_is_not() -> None:
    held = Held()
    assert told_in_child(held) == 1
    assert held.told == 0
    assert told_in_child(held) == 1


def test_what_is_gone_is_not_kept() -> None:
    held, gone = Held(), Held()
    del gone
    gc.collect()
    assert told_in_child(held) == 1
