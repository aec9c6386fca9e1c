"""What all stores of tasks promise, as tests: a class to inherit from, with a way to open stores."""

from dragoman.testing.task_store.hosts import Host, hosting
from dragoman.testing.task_store.suite import TaskStoreSuite

__all__ = ["Host", "TaskStoreSuite", "hosting"]
