"""One outcome for many: replies and faults of which each caller has its own, since those on its way write into them."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from dragoman.core.call import Reply

if TYPE_CHECKING:
    from dragoman.core.fault import Fault


def alike(reply: Reply) -> Reply:
    """A reply that says the same, of its own; the body, which nobody writes into, is the same one."""
    other = Reply(reply.body, reply.codec, None, reply.queue_s, reply.run_s)
    other.cached = reply.cached
    return other


def twin(fault: Fault) -> Fault:
    """A fault that says the same, of its own."""
    other = copy(fault)
    other.__cause__ = fault.__cause__
    other.__suppress_context__ = fault.__suppress_context__
    return other
