"""TLS from two PEM files, with errors that name the file and what is wrong with it."""

from __future__ import annotations

import ssl
from pathlib import Path


class _EncryptedError(Exception):
    """The key wants a password."""


def context(cert: str, key: str, protocol: str = "http/1.1") -> ssl.SSLContext | None:
    """The context of a server with this certificate chain and key; `None` where neither is set.

    TLS 1.2 is the oldest version that is spoken, `protocol` what is offered by ALPN. Raises `OSError` that says which
    file cannot be used, and why.
    """
    if not cert and not key:
        return None
    if not cert or not key:
        given, missing = ("tls_cert", "tls_key") if cert else ("tls_key", "tls_cert")
        message = f"{given} is set but {missing} is not; TLS needs both"
        raise OSError(message)
    _check_readable("tls_cert", cert)
    _check_readable("tls_key", key)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols([protocol])
    try:
        made.load_cert_chain(cert, key, password=_no_password)
    except _EncryptedError:
        message = f"tls_key: {key} is encrypted; give a key without a password"
        raise OSError(message) from None
    except ssl.SSLError as error:
        raise OSError(_explain(cert, key, error)) from None
    return made


def _check_readable(option: str, path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        message = f"{option}: cannot read {path}: {error.strerror}"
        raise OSError(message) from None


def _no_password() -> str:
    # Without this, OpenSSL would ask at the terminal.
    raise _EncryptedError


def _explain(cert: str, key: str, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"tls_key: {key} is not the key of the certificate in {cert}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cert)
    except ssl.SSLError:
        return f"tls_cert: {cert} holds no PEM certificate"
    return f"tls_key: {key} holds no PEM private key that can be used ({error.reason or error})"
