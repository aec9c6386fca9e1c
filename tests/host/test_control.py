"""What comes over a control socket is read as strictly as elsewhere. Its answers are tested in `test_operating`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dragoman.config.load import load
from dragoman.core.call import Call
from dragoman.core.fault import InvalidArgument
from dragoman.core.service import settle
from dragoman.core.target import Target
from dragoman.host.assemble import launch_confinement, parts
from dragoman.host.control import CONTROL, Control
from dragoman.host.journal import SilentJournal
from dragoman.host.serving import Ingresses, Serving
from dragoman.ingress.http.options import HttpOptions
from dragoman.telemetry.log import Log, LogOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.host.conftest import Write


@pytest.fixture
def control(write: Write) -> Iterator[Control]:
    made = parts(load([write(shop__py="") / "shop.py"]), lambda _: SilentJournal(), launch_confinement())
    log = Log(LogOptions(level="error"))
    yield Control(Serving(made, Ingresses(HttpOptions(enabled=False)), log, "0"))
    log.close()
    made.confinement.close()


@pytest.mark.parametrize("name", ["apply", "explain", "breaker", "invalidate", "state", "schedules", "trigger"])
@pytest.mark.parametrize("body", [b"[1]", b"3", b"{", b"\xff"])
async def test_what_is_no_object_is_refused_at_every_door(control: Control, name: str, body: bytes) -> None:
    target = Target(CONTROL + name, "dragoman", f"control.{name}", 0, 1.0)
    with pytest.raises(InvalidArgument, match=rf"dragoman\.control\.{name}"):
        await settle(control.doors()[CONTROL + name].service(Call(target, body)))


def test_functions_are_called_elsewhere(control: Control) -> None:
    assert "dragoman.control.state" in control.missing("shop.half").detail
