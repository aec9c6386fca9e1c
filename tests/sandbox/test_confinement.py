"""The values of the confinement port."""

from __future__ import annotations

import pytest

from dragoman.sandbox.confinement import Exit


@pytest.mark.parametrize(("status", "words"), [(0, "exit code 0"), (3, "exit code 3"), (-9, "signal 9")])
def test_an_exit_reads_in_words(status: int, words: str) -> None:
    assert str(Exit(status)) == words
