"""Fakes of this project's ports, for its own tests and for those of whoever builds on it."""

from dragoman.testing.clock import ManualClock
from dragoman.testing.journal import RecordingJournal

__all__ = ["ManualClock", "RecordingJournal"]
