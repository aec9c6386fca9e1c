"""Doors are found by the meta of a call, and a meta that has come before is not read again."""

from __future__ import annotations

import pytest

from dragoman.core.call import Trace
from dragoman.core.fault import NotFound
from dragoman.core.target import Target
from dragoman.ingress.native.doors import KNOWN_MAX, Door, Doors
from dragoman.telemetry.metrics import Meter
from dragoman.wire import meta
from dragoman.wire.fault import ProtocolFault

from .booth import echo, missing

ADD = Door(Target("fn.add", "fn", "add", 0, 5.0), echo, Meter())
OWN = Door(Target("dragoman.own", "dragoman", "own", 0, 5.0), echo, Meter())
NAMED = meta.encode(function="fn.add")


def test_a_door_is_found_again_without_reading() -> None:
    doors = Doors(missing, {})
    doors.replace({"fn.add": ADD})
    found = doors.find(NAMED)
    assert found[0] is ADD
    assert doors.find(NAMED) is found


def test_doors_that_were_replaced_are_gone_and_the_hosts_own_stay() -> None:
    doors = Doors(missing, {"dragoman.own": OWN})
    doors.replace({"fn.add": ADD})
    doors.find(NAMED)
    doors.replace({"dragoman.own": ADD})
    with pytest.raises(NotFound):
        doors.find(NAMED)
    assert doors.find(meta.encode(function="dragoman.own"))[0] is OWN


def test_what_differs_from_call_to_call_is_not_remembered() -> None:
    doors = Doors(missing, {})
    doors.replace({"fn.add": ADD})
    traced = meta.encode(Trace(b"\x01" * 16, b"\x01" * 8), function="fn.add")
    named = meta.encode(call_id="x", function="fn.add")
    for data in (traced, named):
        assert doors.find(data) is not doors.find(data)


def test_what_is_remembered_is_bounded() -> None:
    doors = Doors(missing, {})
    doors.replace({f"fn.f{n}": ADD for n in range(KNOWN_MAX + 1)})
    first = doors.find(meta.encode(function="fn.f0"))
    for n in range(KNOWN_MAX + 1):
        doors.find(meta.encode(function=f"fn.f{n}"))
    assert doors.find(meta.encode(function="fn.f0")) is not first


def test_a_meta_that_is_none_is_a_protocol_fault() -> None:
    with pytest.raises(ProtocolFault):
        Doors(missing, {}).find(b"\x04\xff")
