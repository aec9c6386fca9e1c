import pytest

from dragoman.building.shipped import sdk
from dragoman.core.fault import StartFailed


def test_a_library_that_is_not_shipped_says_so() -> None:
    with pytest.raises(StartFailed, match="the cobol library is not part of this installation"):
        sdk("cobol")
