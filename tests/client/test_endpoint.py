from pathlib import Path

import pytest

from dragoman.client.endpoint import LISTED_S, Endpoint, endpoint
from dragoman.client.exchange import function_request
from dragoman.client.listing import Listed
from dragoman.contract.function import Contract

LISTED = Listed(Contract("f"), 1.0)


def made(url: str = "http://h/base/") -> Endpoint:
    return endpoint(url, headers={"x-key": "1"}, verify=True, reply_bytes_max=10)


def test_what_a_host_told_is_believed_for_a_while() -> None:
    at = made()
    assert at.known("s.f", 0.0) is None
    at.remember("s.f", LISTED, 0.0)
    assert at.known("s.f", LISTED_S - 1) is LISTED
    assert at.known("s.f", LISTED_S) is None
    at.remember("s.f", LISTED, 0.0)
    at.forget("s.f")
    assert at.known("s.f", 0.0) is None


def test_a_request_goes_to_the_address_and_what_is_behind_it() -> None:
    sending = made().sending(function_request("s.f"), 3.0)
    assert sending["url"] == "http://h/base/v1/functions/s.f"
    assert (sending["timeout"].read, sending["timeout"].connect) == (3.0, 3.0)
    assert made().sending(function_request("s.f"), None)["timeout"].connect == 10.0


def test_plain_http_reads_no_certificates_and_nothing_of_the_environment() -> None:
    options = made().options()
    assert options["verify"] is False
    assert options["trust_env"] is False
    assert options["follow_redirects"] is False
    assert options["headers"]["x-key"] == "1"
    assert made("https://h").options()["verify"] is True


def test_certificates_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(OSError, match="holds no certificates"):
        endpoint("https://h", headers=None, verify=tmp_path / "ca.pem", reply_bytes_max=1)
    with pytest.raises(FileNotFoundError):
        endpoint("https://h", headers=None, verify=str(tmp_path / "nothing"), reply_bytes_max=1)
