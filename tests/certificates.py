"""Keys and certificates for tests, made on the spot."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple


class Pair(NamedTuple):
    cert: Path
    key: Path


def pair(folder: Path, *, password: str = "") -> Pair:
    """A certificate for `localhost` that signs itself, and its key."""
    made = Pair(folder / "cert.pem", folder / "key.pem")
    protection = ["-passout", f"pass:{password}"] if password else ["-nodes"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(made.key), "-out", str(made.cert)]
    subprocess.run([*command, *names, *files, *protection], check=True, capture_output=True)
    return made
