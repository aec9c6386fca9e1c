"""A socket in a private folder, for workers whose language cannot adopt a descriptor: they come to it, with a token.

Only this user may enter the folder, and the kernel says who called; the token tells this worker from any other program
of the same user. It comes with READY, so whoever asks for it has greeted the caller first.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import shutil
import socket
import struct
import tempfile
from pathlib import Path

TOKEN_BYTES = 32
BACKLOG = 8
"""Callers waiting: one is expected."""
CALLERS_MAX = 32
"""Strangers turned away in one start; a program that goes on is stopping it on purpose."""
CREDENTIALS = struct.Struct("3i")


class Doorway:
    """One worker's way in. Close it when the worker is in, or the start has failed."""

    def __init__(self) -> None:
        """Open it. Raises `OSError` where there is no room for a socket."""
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        # Short whatever TMPDIR says: the kernel takes 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="dragoman-", dir="/tmp"))
        self.path = str(self._folder / "wire")
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._kept: socket.socket | None = None
        self.callers = 0
        try:
            self._sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
            self._sock.bind(self.path)
            self._sock.listen(BACKLOG)
        except BaseException:
            self.close()
            raise

    @property
    def variables(self) -> dict[str, str]:
        """What the worker's environment says of it."""
        return {"DRAGOMAN_WIRE_PATH": self.path, "DRAGOMAN_WIRE_TOKEN": self.token}

    async def caller(self, uid: int) -> socket.socket:
        """The next who comes, a process of this user. Raises `OSError` where too many came."""
        loop = asyncio.get_running_loop()
        while self.callers < CALLERS_MAX:
            self.callers += 1
            sock, _ = await loop.sock_accept(self._sock)
            _, found, _ = CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
            if found == uid:
                return sock
            sock.close()
        raise OSError(f"{self.callers} connections came to its socket, none with its token")

    def opens_for(self, token: str) -> bool:
        """Whether it is the token of this worker, compared in constant time."""
        return hmac.compare_digest(self.token.encode(), token.encode("utf-8", "replace"))

    def keep(self, sock: socket.socket) -> None:
        """Keep a socket open for as long as the doorway."""
        self._kept = sock

    def close(self) -> None:
        """Let nobody in any more. Harmless when repeated."""
        self._sock.close()
        if self._kept is not None:
            self._kept.close()
        shutil.rmtree(self._folder, ignore_errors=True)
