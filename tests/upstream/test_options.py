from __future__ import annotations

from pathlib import Path

from dragoman.upstream.options import UpstreamOptions


def test_a_service_without_a_description_is_one_function() -> None:
    assert UpstreamOptions(url="http://a").alone
    assert not UpstreamOptions(document=Path("a.json")).alone
    assert not UpstreamOptions("grpc", address="a:1").alone


def test_headers_are_not_shown() -> None:
    assert "s3cret" not in repr(UpstreamOptions(headers={"authorization": "s3cret"}))
