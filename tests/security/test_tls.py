"""TLS files are checked before anything is served, and what is wrong is said about the right one."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest

from dragoman.security.tls import context
from tests.certificates import pair

pytestmark = pytest.mark.needs("openssl")


def test_without_files_there_is_none() -> None:
    assert context("", "") is None


def test_a_pair_makes_a_context_for_current_versions(tmp_path: Path) -> None:
    made = context(*map(str, pair(tmp_path)))
    assert made is not None
    assert made.minimum_version is ssl.TLSVersion.TLSv1_2


def test_half_a_pair_is_not_enough(tmp_path: Path) -> None:
    cert, key = map(str, pair(tmp_path))
    with pytest.raises(OSError, match="tls_cert is set but tls_key is not"):
        context(cert, "")
    with pytest.raises(OSError, match="tls_key is set but tls_cert is not"):
        context("", key)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    cert, key = map(str, pair(tmp_path))
    with pytest.raises(OSError, match=re.escape(f"tls_cert: cannot read {cert}.old: No such file or directory")):
        context(cert + ".old", key)
    with pytest.raises(OSError, match=re.escape(f"tls_key: cannot read {tmp_path}: Is a directory")):
        context(cert, str(tmp_path))


def test_files_that_hold_something_else_are_named(tmp_path: Path) -> None:
    cert, key = map(str, pair(tmp_path))
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    with pytest.raises(OSError, match=r"tls_cert: .*notes.txt holds no PEM certificate"):
        context(str(other), key)
    with pytest.raises(OSError, match=r"tls_key: .*notes.txt holds no PEM private key"):
        context(cert, str(other))
    with pytest.raises(OSError, match=r"tls_cert: .*key.pem holds no PEM certificate"):
        context(key, cert)


def test_the_key_of_another_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    cert, _ = map(str, pair(tmp_path))
    _, other = map(str, pair(tmp_path / "other"))
    with pytest.raises(OSError, match="is not the key of the certificate"):
        context(cert, other)


def test_an_encrypted_key_is_not_asked_for_its_password(tmp_path: Path) -> None:
    cert, key = map(str, pair(tmp_path, password="secret"))
    with pytest.raises(OSError, match="is encrypted; give a key without a password"):
        context(cert, key)
