"""The tables `[http]` and `[native]`: the options of the servers, with files and addresses checked."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dragoman.config import settings
from dragoman.ingress.http.options import HttpOptions
from dragoman.ingress.native.options import NativeOptions
from dragoman.wire.address import read_native

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dragoman.config.document import Document
    from dragoman.config.setting import Setting

PAIR = (("tls_cert", "tls_key"), ("tls_key", "tls_cert"))


def read_http(document: Document, folder: Path) -> HttpOptions:
    """The options of the HTTP server; whatever is refused is noted in the document."""
    return HttpOptions(**_fields(document, folder, "http", settings.HTTP))


def read_native_options(document: Document, folder: Path, http: HttpOptions) -> NativeOptions:
    """The options of the native server, which takes the certificate of `http` where it has none of its own."""
    fields = _fields(document, folder, "native", settings.NATIVE, ("token_file",))
    for index, url in enumerate(fields.get("listen", ())):
        try:
            read_native(url, port_least=0)
        except ValueError as error:
            document.refuse(("native", "listen", index), str(error))
    return with_certificate(NativeOptions(**fields), http)


def with_certificate(native: NativeOptions, http: HttpOptions) -> NativeOptions:
    """The options with the certificate of `http`, where they have none."""
    return native if native.tls_cert else replace(native, tls_cert=http.tls_cert, tls_key=http.tls_key)


def _fields(
    document: Document, folder: Path, table: str, known: Iterable[Setting], files: tuple[str, ...] = ()
) -> dict[str, Any]:
    values = document.read((table,), known)
    fields: dict[str, Any] = {each.field: values[each.key].value for each in known if each.key in values}
    for key, other in PAIR:
        if key in values and other not in document.table((table,)):
            document.refuse(values[key].path, f"needs {other} beside it")
    for key in ("tls_cert", "tls_key", *files):
        if key in values:
            file = folder / values[key].value
            if not os.path.isfile(file):  # noqa: PTH113 - answers False, not an error, for names that no file can have
                document.refuse(values[key].path, f"no such file: {file}")
            fields[key] = str(file)
    return fields
