"""What a protocol fault says."""

from __future__ import annotations

from dragoman.wire.fault import ProtocolFault, Reason
from dragoman.wire.frame import Frame, Kind


def test_a_protocol_fault_names_its_reason_first() -> None:
    assert str(ProtocolFault(Reason.CREDIT, "an ITEM without credit")) == "credit: an ITEM without credit"


def test_a_protocol_fault_carries_the_frames_before_it() -> None:
    frames = [Frame(Kind.BYE)]
    assert ProtocolFault(Reason.STATE, "x", frames).frames is frames
    assert ProtocolFault(Reason.STATE, "x").frames == []
