"""Where a command finds its functions: at a running host, or in a project to be hosted for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.cli.outcome import Stop
from dragoman.config.environment import read_environment

if TYPE_CHECKING:
    from dragoman.client.native_remote import NativeRemote
    from dragoman.client.remote import Remote


@dataclass(frozen=True, slots=True)
class Place:
    """A host's `url`, or, where that is empty, the `paths` of what to host (none: the current folder)."""

    url: str
    paths: tuple[str, ...]
    cacert: str | None = None
    token: str = ""

    def connect(self) -> Remote | NativeRemote:
        """Connect to the host. Raises `Stop` for an address or a file that is none."""
        from dragoman.client.connecting import connect  # noqa: PLC0415 - a client's imports, only where it is used

        token = self.token if self.url.startswith("tcp+tls:") else ""
        try:
            return connect(self.url, verify=self.cacert or True, token=token)
        except ValueError as error:
            raise Stop(str(error)) from None
        except OSError as error:
            raise Stop(f"--cacert: {error}") from None


def place_of(url: str | None, project: str | tuple[str, ...] | None, cacert: str | None) -> Place:
    """What was asked for, before what the environment says. Raises `Stop` where both are asked for."""
    if url and project:
        raise Stop("--url calls a running host and --project hosts one: give one of the two")
    paths = (project,) if isinstance(project, str) else project or ()
    overrides = read_environment()
    if not url and not paths:
        url = overrides.url
    if cacert and not (url or "").startswith(("https:", "tcp+tls:")):
        raise Stop("--cacert is for https:// and tcp+tls:// addresses, given by --url or DRAGOMAN_URL")
    return Place(url or "", paths, cacert, overrides.token or "")
