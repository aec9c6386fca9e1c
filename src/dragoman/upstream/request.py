"""From an input to the request that it means."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from dragoman.client.hop import Outgoing
from dragoman.contract.breach import refused
from dragoman.contract.codecs import json
from dragoman.core.call import Codec
from dragoman.core.draft import whole
from dragoman.core.fault import InvalidArgument
from dragoman.upstream.styles import Unfit, in_cookie, in_header, in_path, in_query

if TYPE_CHECKING:
    from dragoman.core.call import Call
    from dragoman.upstream.operation import Body, Operation, Parameter

URL_CHARACTERS_MAX = 64 * 1024
"""Eight times what the usual servers take; past it the input belongs into a body."""


def outgoing(operation: Operation, call: Call) -> Outgoing:
    """The request of a call whose input keeps to the contract. Raises `InvalidArgument`."""
    headers = {"accept": operation.accept}
    given = bytes(whole(call.body))
    if operation.plain and call.codec is Codec.JSON:
        headers["content-type"] = "application/json"
        return Outgoing(operation.method, operation.url, headers, given)
    body = operation.body
    if call.codec is Codec.BYTES and body is not None and body.kind == "bytes":
        headers["content-type"] = concrete(body.media, "application/octet-stream")
        return Outgoing(operation.method, operation.url, headers, given)
    if call.codec is not Codec.JSON:
        detail = f"{call.target.name} takes JSON or MessagePack, and no {call.codec.name.lower()}"
        raise InvalidArgument(detail, function=call.target.name)
    value: dict[str, Any] = json.decode(given)
    try:
        url = _url(operation, value)
        _headers(operation, value, headers)
        content = b"" if body is None else _body(operation, body, value, headers)
    except Unfit as error:
        raise refused(call.target.name, (error.breach,)) from None
    return Outgoing(operation.method, url, headers, content)


def concrete(media: str, default: str) -> str:
    """A media type to send, where the service says only a range of them."""
    return default if "*" in media else media


def _url(operation: Operation, value: dict[str, Any]) -> str:
    url = operation.url
    pairs: list[str] = []
    last: Parameter | None = None
    for each in operation.parameters:
        if each.key not in value:
            continue
        if each.place == "path":
            url = url.replace(f"{{{each.name}}}", in_path(each, value[each.key]))
        elif each.place == "query":
            pairs += in_query(each, value[each.key])
        last = each
    if pairs:
        url += "?" + "&".join(pairs)
    if len(url) > URL_CHARACTERS_MAX:
        assert last is not None
        raise Unfit(last.key, f"makes a URL of {len(url)} characters; at most {URL_CHARACTERS_MAX} go")
    return url


def _headers(operation: Operation, value: dict[str, Any], headers: dict[str, str]) -> None:
    cookies: list[str] = []
    for each in operation.parameters:
        if each.key not in value:
            continue
        if each.place == "header":
            headers[each.name.lower()] = in_header(each, value[each.key])
        elif each.place == "cookie":
            cookies.append(in_cookie(each, value[each.key]))
    if cookies:
        headers["cookie"] = "; ".join(cookies)


def _body(operation: Operation, body: Body, value: dict[str, Any], headers: dict[str, str]) -> bytes:
    if body.key:
        if body.key not in value:
            return b""
        content: Any = value[body.key]
    else:
        taken = {each.key for each in operation.parameters}
        content = {key: each for key, each in value.items() if key not in taken}
        if not content and not body.required:
            return b""
    headers["content-type"] = concrete(body.media, "application/json" if body.kind == "json" else "text/plain")
    if body.kind == "json":
        return json.encode(content)
    if body.kind == "bytes":
        return _bytes(body, content)
    if body.kind == "text":
        return (content if isinstance(content, str) else json.encode(content).decode()).encode()
    return _form(content)


def _bytes(body: Body, content: Any) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise Unfit(body.key, "must be base64, as bytes are in JSON") from None


def _form(content: dict[str, Any]) -> bytes:
    """A URL-encoded form: arrays repeat their name, anything deeper is JSON."""
    pairs: list[tuple[str, str]] = []
    for name, each in content.items():
        members = cast("list[Any]", each) if isinstance(each, list) else [each]
        pairs += [(name, one if isinstance(one, str) else json.encode(one).decode()) for one in members]
    return urlencode(pairs).encode()
