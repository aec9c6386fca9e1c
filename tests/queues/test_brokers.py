import sys

import pytest

from dragoman.core.fault import NotFound, Started
from dragoman.queues.brokers import BROKERS, broker_for
from dragoman.queues.options import KINDS, QueueOptions
from dragoman.testing.clock import ManualClock


@pytest.mark.parametrize("scheme", KINDS)
def test_every_address_has_its_broker(scheme: str) -> None:
    options = QueueOptions("orders", f"{scheme}://h", to="out")
    assert type(broker_for(options, "me", ManualClock())).__name__ == BROKERS[KINDS[scheme]][1]


def test_one_that_is_not_installed_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dragoman.queues.jetstream", None)
    with pytest.raises(NotFound, match=r"queue orders needs .* pip install 'dragoman\[queues\]'") as caught:
        broker_for(QueueOptions("orders", "nats://h"), "me", ManualClock())
    assert caught.value.started is Started.NO
