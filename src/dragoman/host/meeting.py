"""Where operators meet a host: a socket in a folder that is its user's alone, named after the project.

Several hosts may serve one project, each with a socket of its own. A folder that others could write to or look into is
not used: who puts a socket there would be believed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import stat
from typing import TYPE_CHECKING

from dragoman.config.environment import control_folders
from dragoman.wire.address import PATH_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PRIVATE = 0o700
OTHERS = 0o077
DIGITS = 16
"""64 bits: among the projects of one user no two have the same."""
PROBE_S = 1.0
"""How long a socket may take to say whether somebody listens."""


def label(identity: str) -> str:
    """What the names of a project's sockets begin with."""
    return hashlib.sha256(os.fsencode(identity)).hexdigest()[:DIGITS]


def place(identity: str, pid: int, folders: Sequence[Path] | None = None) -> Path:
    """A socket for a host of a project, in the first folder that can be had. Raises `OSError` where there is none."""
    problems: list[str] = []
    for folder in control_folders() if folders is None else folders:
        path = folder / f"{label(identity)}-{pid}.sock"
        try:
            if len(os.fsencode(path)) > PATH_BYTES_MAX:
                raise OSError(f"{path} is too long for a socket")  # noqa: TRY301 - one way on for every reason
            own(folder)
        except OSError as error:
            problems.append(str(error))
        else:
            sweep(folder)
            return path
    raise OSError("; ".join(problems))


def own(folder: Path) -> None:
    """Make a folder this user's alone. Raises `OSError` where it is somebody else's."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=PRIVATE)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and found.st_mode & OTHERS:
        folder.chmod(PRIVATE)
    if why := foreign(folder):
        raise OSError(why)


def foreign(folder: Path) -> str:
    """Why a folder is not to be trusted; empty where it is this user's alone."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return f"{folder} is no folder"
    if found.st_uid != os.geteuid():
        return f"{folder} belongs to another user"
    if found.st_mode & OTHERS:
        return f"{folder} is open to others (mode {stat.S_IMODE(found.st_mode):o}): it must be this user's alone (700)"
    return ""


def sweep(folder: Path) -> None:
    """Remove the sockets of hosts that were killed."""
    for path in sockets(folder, f"[0-9a-f]{{{DIGITS}}}"):
        if not answers(path):
            with contextlib.suppress(OSError):
                path.unlink()


def hosts_of(identity: str, folders: Sequence[Path] | None = None) -> list[Path]:
    """The sockets of the hosts of a project that run now."""
    found: list[Path] = []
    for folder in control_folders() if folders is None else folders:
        with contextlib.suppress(OSError):
            if not foreign(folder):
                found += [path for path in sockets(folder, label(identity)) if answers(path)]
    return found


def sockets(folder: Path, named: str) -> Iterator[Path]:
    """The sockets in a folder whose names begin with what is `named`, a pattern."""
    pattern = re.compile(rf"{named}-\d+\.sock")
    for path in sorted(folder.iterdir()):
        if pattern.fullmatch(path.name) is None:
            continue
        found = path.lstat()
        if stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid():
            yield path


def pid_of(path: Path) -> int:
    """The process whose socket it is."""
    return int(path.stem.rpartition("-")[2])


def answers(path: Path) -> bool:
    """Whether somebody listens to a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # it has more clients waiting than it can take
    return True
