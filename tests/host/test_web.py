"""The port of a host is taken before anything starts, and left again."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from dragoman.config.load import load
from dragoman.host.assemble import launch_confinement, parts
from dragoman.host.journal import SilentJournal
from dragoman.host.web import Web
from dragoman.ingress.http.options import HttpOptions

if TYPE_CHECKING:
    from tests.host.conftest import Write


def test_a_port_is_taken_once_and_left(write: Write) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    confinement = launch_confinement()
    made = parts(load([write(a__py="") / "a.py"]), lambda _: SilentJournal(), confinement)
    try:
        first = Web(made, HttpOptions(port=port))
        with pytest.raises(OSError, match=str(port)):
            Web(made, HttpOptions(port=port))
        first.close()
        Web(made, HttpOptions(port=port)).close()
    finally:
        confinement.close()
