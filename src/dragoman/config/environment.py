"""The environment: what may be set there instead of in the file, and the little of it that workers inherit.

This is the only module that reads `os.environ`. Whatever the shell that starts the host holds, tokens and passwords
above all, stays with the host: a worker gets a small safe base and what its source names.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.building.cache import Place
from dragoman.config.kinds import Kind, Schema, Text, Whole
from dragoman.config.problem import ConfigError, Problem, Refused

if TYPE_CHECKING:
    from dragoman.ingress.http.options import HttpOptions

BASE = ("PATH", "HOME", "LANG", "TZ", "TMPDIR")
"""What a program needs to find others, its user's files, its words, its time and room for temporary files."""

LOCALE_PREFIX = "LC_"

PROXIES = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
"""What tools need to reach a registry from inside a company; looked up in lower case too."""
TOOL_NAMES = ("CC", "CXX", "AR", "CFLAGS", "CXXFLAGS", "LDFLAGS", "RUSTFLAGS", "XDG_CACHE_HOME", "PKG_CONFIG_PATH")
TOOL_PREFIXES = (
    "GO",
    "CGO_",
    "CARGO_",
    "RUSTUP_",
    "RUSTC_",
    "NPM_CONFIG_",
    "npm_config_",
    "JAVA_",
    "MAVEN_",
    "UV_",
    "PIP_",
)
"""What the tools of each language are told by the user's shell, and nobody else is."""
FLAGS = re.compile(
    r"GO(OS|ARCH|FLAGS|EXPERIMENT|AMD64|ARM)|CGO_\w+|CC|CXX|\w*FLAGS|RUSTUP_TOOLCHAIN|CARGO_BUILD_\w+|"
    r"CARGO_PROFILE_\w+|CARGO_TARGET_\w+|JAVA_HOME|JAVA_TOOL_OPTIONS|UV_\w*INDEX\w*"
)
"""Those of them that change what is built."""
PATH_DEFAULT = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

WHOLE = re.compile(r"[0-9]{1,18}")

LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable that Dragoman reads."""

    name: str
    kind: Kind
    about: str


SHARED_URL = Text("an address such as redis://127.0.0.1:6379 or rediss://…", r"(?:rediss?|unix)://\S+")
TASKS_URL = Text(
    "an address such as sqlite:tasks.db or postgres://user@host/database", r"sqlite:[^?#\s][^?#]*|postgres(?:ql)?://\S+"
)

VARIABLES = (
    Variable("DRAGOMAN_HOST", Text("a host name or an address"), "The address to listen on."),
    Variable("DRAGOMAN_PORT", Whole(0, 65535), "The port to listen on."),
    Variable("DRAGOMAN_URL", Text("a URL", r"(?:https?|unix|tcp\+tls)://\S+"), "The host that `dragoman call` calls."),
    Variable("DRAGOMAN_TOKEN", Text("a token"), "The token that `dragoman call` shows to a `tcp+tls://` host."),
    Variable(
        "DRAGOMAN_CACHE", Text("a folder"), "Where what is built is kept, in place of the project's `.dragoman/cache`."
    ),
    Variable(
        "DRAGOMAN_LOG", Text(choices=LOG_LEVELS), "The least level that is logged: debug, info, warning or error."
    ),
    Variable("DRAGOMAN_SHARED_URL", SHARED_URL, "The store that hosts share, in place of `shared.url`."),
    Variable("DRAGOMAN_TASKS_URL", TASKS_URL, "The store of tasks, in place of `tasks.store`."),
)


NAMED = re.compile(r"\$(\$)?\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)


def with_secrets(text: str) -> str:
    """A text with each `${NAME}` in it replaced by that variable; `$${NAME}` stands for `${NAME}`.

    So that keys stay out of project files. Raises `Refused` for a variable that is not set; its value is never told.
    """

    def value(match: re.Match[str]) -> str:
        escaped, name = match.groups()
        if escaped:
            return match[0][1:]
        found = os.environ.get(name, "")
        if not found:
            message = f"needs the environment variable {name}, which is not set where this runs"
            raise Refused(message)
        return found

    return NAMED.sub(value, text)


@dataclass(frozen=True)
class Address:
    """The address of a server, with what it takes from the environment."""

    text: Text

    def read(self, value: object) -> str:
        """The address."""
        if not isinstance(value, str):
            return self.text.read(value)
        address = with_secrets(value)
        try:
            return self.text.read(address)
        except Refused:
            # What was found may hold a password.
            raise Refused(f"expected {self.text.expected}") from None

    def schema(self) -> Schema:
        """A string of its form, or with something from the environment, which may be all of it."""
        return self.text.schema() | {"pattern": rf"^(?:{self.text.pattern})$|\$\{{"}

    def words(self) -> str:
        """For the reference page."""
        return self.text.words()


def shared_url(variables: Mapping[str, str] | None = None) -> str:
    """The address of the shared store that the environment names, or "". Raises `Refused` for one that is none."""
    return _address("DRAGOMAN_SHARED_URL", SHARED_URL, variables)


def tasks_url(variables: Mapping[str, str] | None = None) -> str:
    """The address of the store of tasks that the environment names, or "". Raises `Refused` for one that is none."""
    return _address("DRAGOMAN_TASKS_URL", TASKS_URL, variables)


def _address(name: str, kind: Text, variables: Mapping[str, str] | None) -> str:
    found = os.environ if variables is None else variables
    text = found.get(name, "")
    try:
        return kind.read(text) if text else ""
    except Refused:
        # Its password stays untold.
        raise Refused(f"{name}: expected {kind.expected}") from None


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the environment sets; None where it says nothing. Command line options come before it, files after."""

    host: str | None = None
    port: int | None = None
    url: str | None = None
    log: str | None = None
    token: str | None = None
    cache: str | None = None
    shared_url: str | None = None
    tasks_url: str | None = None

    def http(self, options: HttpOptions) -> HttpOptions:
        """A file's options with what the environment sets in their place."""
        return replace(
            options,
            host=options.host if self.host is None else self.host,
            port=options.port if self.port is None else self.port,
        )


def read_environment(variables: Mapping[str, str] | None = None) -> Overrides:
    """Read the `DRAGOMAN_*` variables; empty ones count as not set, others than the known ones are left alone.

    Args:
        variables: The environment; the process's own where it is None.

    Raises:
        ConfigError: With every variable that holds something else than it may.
    """
    found = os.environ if variables is None else variables
    values: dict[str, str | int] = {}
    problems: list[Problem] = []
    for variable in VARIABLES:
        text = found.get(variable.name, "")
        if not text or _is_service_link(text):
            continue
        try:
            value = int(text) if isinstance(variable.kind, Whole) and WHOLE.fullmatch(text) else text
            values[variable.name.removeprefix("DRAGOMAN_").lower()] = variable.kind.read(value)
        except Refused as error:
            problems.append(Problem("environment", 0, variable.name, str(error)))
    if problems:
        raise ConfigError(problems)
    return Overrides(**values)  # pyright: ignore[reportArgumentType] - each value is of its variable's kind


def safe_base(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The part of an environment that every worker may see.

    `PYTHONPATH`, `LD_PRELOAD` and their like are no part of it: they change what runs. Set them in a source's `env`
    where they are wanted.
    """
    found = os.environ if variables is None else variables
    base = {name: value for name, value in found.items() if name in BASE or name.startswith(LOCALE_PREFIX)}
    return {"PATH": PATH_DEFAULT} | base


def worker_environment(env: Mapping[str, str], variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a source's workers: the safe base, then what the source sets."""
    return {**safe_base(variables), **env}


def build_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of compilers and package managers: the safe base, proxies, and what is meant for them.

    They run the user's own build scripts, so that they get no more of the shell than they need.
    """
    found = os.environ if variables is None else variables
    named = {*PROXIES, *(name.lower() for name in PROXIES), *TOOL_NAMES}
    return safe_base(found) | {
        name: value for name, value in found.items() if name in named or name.startswith(TOOL_PREFIXES)
    }


def build_flags(env: Mapping[str, str]) -> tuple[str, ...]:
    """The variables of a build's environment that change what it makes."""
    return tuple(sorted(name for name in env if FLAGS.fullmatch(name)))


def cache_places(home: Path | None, root: Path, variables: Mapping[str, str] | None = None) -> list[Place]:
    """Where what is built for a source may be kept, best first.

    Args:
        home: The folder of the project file, if there is one.
        root: The folder of the source.
        variables: The environment; the process's own where it is None.
    """
    found = os.environ if variables is None else variables
    whose = home or root
    label = f"{whose.name or 'root'}-{hashlib.sha256(os.fsencode(whose)).hexdigest()[:12]}"
    places: list[Place] = []
    if chosen := found.get("DRAGOMAN_CACHE"):
        return [Place(Path(os.path.abspath(chosen)) / label, whose)]  # noqa: PTH100 - Path.absolute keeps ".."
    if home is not None:
        places.append(Place(home / ".dragoman" / "cache"))
    if (shared := found.get("XDG_CACHE_HOME", "")).startswith("/"):
        places.append(Place(Path(shared) / "dragoman" / label, whose))
    elif (user := found.get("HOME", "")).startswith("/"):
        places.append(Place(Path(user) / ".cache" / "dragoman" / label, whose))
    places.append(Place(Path(tempfile.gettempdir()) / f"dragoman-{os.geteuid()}" / label, whose))
    return places


def control_folders(variables: Mapping[str, str] | None = None) -> list[Path]:
    """Where hosts of this user have their control sockets, best first. None of them is in any worker's environment."""
    found = os.environ if variables is None else variables
    runtime = found.get("XDG_RUNTIME_DIR", "")
    folders = [Path(runtime) / "dragoman"] if runtime.startswith("/") else []
    # Not where TMPDIR says: an operator's shell may have another one than the host was started with.
    return [*folders, Path("/tmp") / f"dragoman-{os.geteuid()}"]  # noqa: S108 - a folder of our own, and checked


def _is_service_link(text: str) -> bool:
    """Kubernetes gives the pods beside a service called `dragoman` a `DRAGOMAN_PORT=tcp://10.0.0.1:8700`."""
    return text.startswith(("tcp://", "udp://"))
