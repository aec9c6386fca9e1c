import pytest

from dragoman.queues.options import KINDS, QueueOptions


@pytest.mark.parametrize(("scheme", "kind"), KINDS.items())
def test_the_scheme_says_which_broker_it_is(scheme: str, kind: str) -> None:
    assert QueueOptions("orders", f"{scheme}://127.0.0.1:1").kind == kind
