"""From the settings of a source that is a service of its own to its options; contradictions named with both places."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dragoman.config.languages import check_executable
from dragoman.config.problem import Refused
from dragoman.upstream.options import UpstreamOptions

if TYPE_CHECKING:
    from dragoman.config.document import Document, Values

MARKS = ("url", "openapi", "grpc", "proto")
"""Settings each of which says that a source is a service."""
PORT = "{port}"
METADATA = re.compile(r"(?!.*-bin$)[A-Za-z0-9._-]+", re.ASCII | re.IGNORECASE)
STARTING = ("health", "env", "limits.memory", "limits.files", "limits.processes", "limits.file_size")
"""Settings of the service's process."""
DECLARED = ("input", "output", "description", "streaming")
"""What a document says of its operations, and the project file of a service that has none."""


def is_service(own: Values) -> bool:
    """Whether the settings are those of a service."""
    return any(key in own for key in MARKS)


def read_upstream(document: Document, folder: Path, own: Values) -> UpstreamOptions | None:
    """The options of a service; what is wrong is noted in the document, and there are none then."""
    problems = len(document.problems)
    _check_company(document, own)
    for key in ("url", "openapi", "grpc"):
        if key in own:
            _check_address(document, own, key)
    _check_kind(document, own)
    described = _file(document, folder, own)
    proto = _proto(document, folder, own)
    command = _command(document, folder, own)
    _check_port(document, own)
    if len(document.problems) > problems:
        return None
    values = {key: own[key].value for key in ("url", "headers", "streaming", "health") if key in own}
    if "grpc" in own:
        return UpstreamOptions("grpc", address=own["grpc"].value, proto=proto, command=command, **values)
    return UpstreamOptions(document=described, command=command, **values)


def _check_company(document: Document, own: Values) -> None:
    """Refuse settings that do not stand beside one another."""
    mark = next(own[key] for key in MARKS if key in own)
    if "path" in own:
        other = document.place(mark.path)
        document.refuse(own["path"].path, f"cannot stand beside {other}: a source is code or a service, not both")
    if len(own.keys() & {"openapi", "grpc", "proto"}):
        other = document.place(next(own[key] for key in ("openapi", "grpc", "proto") if key in own).path)
        for key in DECLARED:
            if key in own:
                document.refuse(own[key].path, f"cannot stand beside {other}: the document says what operations are")
    if "command" not in own:
        for key in STARTING:
            if key in own:
                what = document.place(mark.path)
                document.refuse(
                    own[key].path, f"is for a service that the host starts: {what} has no command beside it"
                )
    elif not own.keys() & {"url", "grpc"}:
        document.refuse(own["command"].path, "starts a service, of which nobody says where it then is: add its url")


def _check_kind(document: Document, own: Values) -> None:
    """Refuse what one of HTTP and gRPC has and the other has not."""
    if "grpc" in own:
        for key in ("url", "openapi"):
            if key in own:
                other = document.place(own["grpc"].path)
                document.refuse(own[key].path, f"cannot stand beside {other}: a service speaks HTTP or gRPC")
        _check_metadata(document, own)
    elif "proto" in own:
        document.refuse(
            own["proto"].path, 'describes a gRPC service: say where that is: grpc = "grpc://127.0.0.1:50051"'
        )
    if "health" in own:
        http_only, health = own["health"].value.startswith("/"), document.place(own["health"].path)
        if http_only and "grpc" in own:
            document.refuse(own["grpc"].path, f'has no paths, and {health} is one: "grpc" or "tcp"')
        if own["health"].value == "grpc" and "grpc" not in own:
            document.refuse(own["health"].path, "is for a gRPC service, and this is none")


def _check_metadata(document: Document, own: Values) -> None:
    """Refuse headers that gRPC keeps for itself, or cannot send as text."""
    for name in own["headers"].value if "headers" in own else ():
        if METADATA.fullmatch(name) is None or name.lower().startswith("grpc-"):
            where = (*own["headers"].path, name)
            document.refuse(where, "cannot be metadata of gRPC: letters, digits, dots, dashes; not grpc-…, …-bin")


def _check_address(document: Document, own: Values, key: str) -> None:
    value: str = own[key].value
    if value.startswith("unix:") or (key == "openapi" and not is_url(value)):
        return
    if not is_address(value.replace(PORT, "1")):
        document.refuse(own[key].path, f"{value[:200]!r} is no address of a service: write http://127.0.0.1:9000")


def is_address(url: str) -> bool:
    """Whether a URL names a host and, if any, a port that there may be."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return bool(parts.hostname) and port != 0 and parts.username is None and "{" not in url


def is_url(text: str) -> bool:
    """Whether a document is to be fetched."""
    return text.startswith(("http://", "https://"))


def _file(document: Document, folder: Path, own: Values) -> Path | str:
    if "openapi" not in own:
        return ""
    value: str = own["openapi"].value
    if is_url(value):
        return value
    file = folder / value
    if not os.path.isfile(file):  # noqa: PTH113 - answers False, not an error, for names that no file can have
        document.refuse(own["openapi"].path, f"no such file: {file}")
    elif file.suffix in (".yaml", ".yml"):
        document.refuse(own["openapi"].path, "is YAML; convert it to JSON, which is what is read here")
    return file


def _proto(document: Document, folder: Path, own: Values) -> Path | None:
    if "proto" not in own:
        return None
    file = folder / own["proto"].value
    if not os.path.isfile(file):  # noqa: PTH113 - as above
        document.refuse(own["proto"].path, f"no such file: {file}")
    return file


def _command(document: Document, folder: Path, own: Values) -> tuple[str, ...]:
    if "command" not in own:
        return ()
    command, place = own["command"]
    program: str = command[0]
    if PORT in program:
        document.refuse((*place, 0), "the program itself cannot be {port}")
    elif "/" in program:
        program = str(folder / program)
        try:
            check_executable(Path(program))
        except Refused as refusal:
            document.refuse((*place, 0), refusal.message)
    return (program, *command[1:])


def _check_port(document: Document, own: Values) -> None:
    """A port that the host chooses must be told to the service, and be where it is called."""
    if not own.keys() & {"url", "grpc"}:
        return
    url = own["url"] if "url" in own else own["grpc"]
    asked = PORT in url.value or ("openapi" in own and PORT in own["openapi"].value)
    if "command" not in own:
        if asked:
            document.refuse(url.path, "{port} is for a service that the host starts: add its command")
        return
    told = any(PORT in part for part in own["command"].value) or (
        "env" in own and any(PORT in part for part in own["env"].value.values())
    )
    if PORT in url.value and not told:
        other = document.place(url.path)
        message = (
            f"does not tell the service its port, which {other} leaves to the host: put {{port}} here, or into env"
        )
        document.refuse(own["command"].path, message)
    elif told and PORT not in url.value:
        other = document.place(own["command"].path)
        document.refuse(url.path, f"says no {{port}}, and {other} does: the port that the host chooses")
