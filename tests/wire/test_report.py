"""The bodies of FAULT and EVENT."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dragoman.core.event import Log, Progress
from dragoman.core.fault import Breach, Code, Fault, InvalidArgument, Overloaded, Started, Unknown
from dragoman.wire.fault import ProtocolFault
from dragoman.wire.frame import REPORT_BYTES_MAX
from dragoman.wire.report import dump_fault, dump_log, dump_progress, load_event, load_fault


def test_a_fault_survives_the_way_and_is_remote() -> None:
    errors = (Breach("/a", "must be"),)
    sent = InvalidArgument("no", started=Started.YES, errors=errors, retry_after_s=1.5, traceback="trace")
    fault = load_fault(dump_fault(sent))
    assert type(fault) is InvalidArgument
    assert (fault.detail, fault.started, fault.errors) == ("no", Started.YES, errors)
    assert (fault.retry_after_s, fault.traceback, fault.remote) == (1.5, "trace", True)


@pytest.mark.parametrize("code", Code)
def test_every_code_travels(code: Code) -> None:
    assert load_fault(dump_fault(Fault.of(code, "x"))).code is code


def test_a_condition_of_this_process_travels_as_its_code() -> None:
    assert load_fault(dump_fault(Overloaded("full"))).code is Code.RESOURCE_EXHAUSTED


def test_an_unlisted_code_is_unknown() -> None:
    fault = load_fault(b'{"code": "TEAPOT", "started": "perhaps"}')
    assert type(fault) is Unknown
    assert fault.started is Started.UNKNOWN


def test_the_largest_fault_fits_its_frame() -> None:
    errors = tuple(Breach("\x01" * 10_000, "\x01" * 10_000) for _ in range(5000))
    body = dump_fault(Unknown("\x01" * 10**6, errors=errors, traceback="first" + "😀" * 10**6 + "last"))
    assert len(body) <= REPORT_BYTES_MAX
    assert load_fault(body).traceback.endswith("last")


@pytest.mark.parametrize("wrong", [{"detail": 7}, {"retry_after_s": math.inf}, {"retry_after_s": "soon"}])
def test_a_fault_made_carelessly_by_user_code_still_travels(wrong: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"detail": "x"} | wrong
    assert load_fault(dump_fault(Unknown(**fields))).code is Code.UNKNOWN


def test_a_log_line_survives_the_way() -> None:
    assert load_event(dump_log("m", "error", "stderr", {"a": [1]})) == Log("m", "error", "stderr", {"a": [1]})


def test_progress_is_clamped() -> None:
    assert load_event(dump_progress(7, "m")) == Progress(1.0, "m")
    assert load_event(b'{"progress": {"share": -3}}') == Progress(0.0)


def test_an_event_of_a_later_version_is_none() -> None:
    assert load_event(b'{"mood": "good"}') is None


def test_a_log_line_of_a_gigabyte_would_not_travel() -> None:
    assert len(dump_log("\x01" * 10**7)) <= REPORT_BYTES_MAX


def test_a_malformed_report_is_a_protocol_fault() -> None:
    with pytest.raises(ProtocolFault):
        load_fault(b'{"code": 1}')
