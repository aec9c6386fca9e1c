"""The settings of sources that are services of their own: where they are, what describes them, what is sent to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from dragoman.config.environment import with_secrets
from dragoman.config.kinds import ITEMS_MAX, TEXT_CHARS_MAX, Flag, Schema, Text, wrong
from dragoman.config.problem import Refused
from dragoman.config.setting import UPSTREAM, Setting

HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", re.ASCII)
OWN = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"),
        *("content-type", "accept-encoding", "keep-alive"),
    }
)
"""Headers that say how a request is sent, which is the client's to know."""

URL = r"https?://[^\s/?#@]+(/[^\s?#]*)?"
GRPC = r"grpcs?://[^\s/?#@]+:(\d{1,5}|\{port\})|unix:/[!-~]+"
ONLY = frozenset({UPSTREAM})


@dataclass(frozen=True)
class Headers:
    """Headers of requests: a table of strings."""

    def read(self, value: object) -> Mapping[str, str]:
        """The table, with what it takes from the environment."""
        if not isinstance(value, dict):
            raise wrong("a table of headers", value)
        items = cast("dict[str, object]", value)
        if len(items) > ITEMS_MAX:
            message = f"expected at most {ITEMS_MAX} headers, found {len(items)}"
            raise Refused(message)
        names = [name.lower() for name in items]
        for name in items:
            if names.count(name.lower()) > 1:
                raise Refused("stands here twice: headers do not tell capitals apart", (name,))
        return {name: self._checked(name, item) for name, item in items.items()}

    def _checked(self, name: str, value: object) -> str:
        if HEADER.fullmatch(name) is None:
            raise Refused("a header's name is letters, digits and dashes", (name,))
        if name.lower() in OWN:
            raise Refused("is the HTTP client's own header, and cannot be set", (name,))
        if not isinstance(value, str):
            raise wrong("a string", value, (name,))
        try:
            text = with_secrets(value)
        except Refused as refusal:
            raise Refused(refusal.message, (name,)) from None
        if HEADER_VALUE.fullmatch(text) is None or len(text) > TEXT_CHARS_MAX:
            message = f"a header's value is 1 to {TEXT_CHARS_MAX} printable ASCII characters, without space around them"
            raise Refused(message, (name,))
        return text

    def schema(self) -> Schema:
        """An object of strings."""
        return {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}}

    def words(self) -> str:
        """For the reference page."""
        return "table of strings"


SERVICE = (
    Setting(
        "url",
        Text("a URL such as http://127.0.0.1:9000, without a user, a query or a fragment", URL),
        "none",
        "Where an HTTP service is. By itself it is one function, called by the source's name: the input is posted "
        "there as JSON. Beside `openapi` it stands before the paths of the document, in place of its `servers`.",
        modes=ONLY,
        inheritable=False,
    ),
    Setting(
        "openapi",
        Text('an OpenAPI document: a file such as "billing.json", or a URL'),
        "none",
        "The OpenAPI document (3.0, 3.1; JSON) of an HTTP service: each operation becomes a function. A file or a URL.",
        modes=ONLY,
        inheritable=False,
    ),
    Setting(
        "grpc",
        Text("a gRPC address such as grpc://127.0.0.1:50051, grpcs://… or unix:/run/shop.sock", GRPC),
        "none",
        "Where a gRPC service is; each of its methods becomes a function. `grpcs://` is with TLS.",
        modes=ONLY,
        inheritable=False,
    ),
    Setting(
        "proto",
        Text('a file such as "shop.proto"'),
        "asked by reflection",
        "What a gRPC service offers: a `.proto` file, or a descriptor set (`.pb`) with its imports.",
        modes=ONLY,
        inheritable=False,
    ),
    Setting(
        "headers",
        Headers(),
        "{}",
        "Headers (of gRPC: metadata) that go with each request, such as a key; no caller can change them. "
        "`${NAME}` stands for a variable of the host's environment.",
        modes=ONLY,
        inheritable=False,
    ),
    Setting(
        "streaming",
        Flag(),
        "false",
        "Whether the one function of a `url` answers by a stream: JSON Lines or server-sent events.",
        modes=ONLY,
        inheritable=False,
    ),
    Setting(
        "health",
        Text('a path such as "/healthz", "tcp" or "grpc"', r"/[!-~]*|tcp|grpc"),
        '"tcp"',
        "How a service that the host starts tells that it is ready: a path that answers 2xx, a port that takes "
        "connections, or gRPC's own health service.",
        modes=ONLY,
        inheritable=False,
    ),
)
