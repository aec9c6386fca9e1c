"""Doors are found by the bytes of their path, and all of them change at once."""

from __future__ import annotations

from dragoman.core.call import Call, Reply
from dragoman.core.fault import NotFound
from dragoman.core.target import Target
from dragoman.ingress.http.doors import Door, Doors
from dragoman.telemetry.metrics import Meter


async def nothing(call: Call) -> Reply:
    return Reply(b"")


def door(name: str) -> Door:
    return Door(Target(name, "fn", name, 0, 1.0), nothing, Meter(), {})


def test_a_door_is_found_by_its_path() -> None:
    doors = Doors(NotFound)
    made = door("fn.é")
    doors.replace({"fn.é": made})
    assert doors.by_path == {"/v1/call/fn.é".encode(): made}


def test_replacing_the_doors_is_told() -> None:
    doors = Doors(NotFound)
    told: list[int] = []
    doors.on_replace = lambda: told.append(len(doors.by_path))
    doors.replace({"fn.add": door("fn.add")})
    assert told == [1]
