"""All promises together."""

from __future__ import annotations

from dragoman.testing.task_store.adversity import Adversity
from dragoman.testing.task_store.claiming import Claiming
from dragoman.testing.task_store.delivering import Delivering
from dragoman.testing.task_store.ending import Ending
from dragoman.testing.task_store.finding import Finding
from dragoman.testing.task_store.pruning import Pruning
from dragoman.testing.task_store.submitting import Submitting
from dragoman.testing.task_store.watching import Watching


class TaskStoreSuite(Submitting, Claiming, Ending, Delivering, Finding, Pruning, Watching, Adversity):
    """The conformance suite of task stores, for pytest with `asyncio_mode = "auto"`.

    Inherit from it as `TestMyStore`, and have `make` return a store, not opened yet, over the data of this one test:
    two of them are two hosts.
    """
