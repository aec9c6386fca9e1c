"""What a response says of an answer that is kept (RFC 9111), and when its client has it already (RFC 9110 §13).

Answers are `private`: they were given to one caller, and a cache in between cannot know who else may see them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.ingress.http import answer
from dragoman.ingress.http.head import GET
from dragoman.ingress.http.negotiation import Form

if TYPE_CHECKING:
    from dragoman.core.call import Cached
    from dragoman.ingress.http.head import Head

NOT_MODIFIED = 304
LINES = b"cache-control: private, max-age=%d\r\netag: %b\r\nvary: accept\r\n"
NEW_LINES = b'cache-control: private, max-age=%d\r\netag: "%b"\r\nvary: accept\r\n'
KEPT_LINES = b'age: %d\r\ncache-control: private, max-age=%d\r\netag: "%b"\r\nvary: accept\r\n'
"""Those of most answers, in one formatting operation."""
ROUNDING_S = 1e-6
"""Added before fractions of seconds are cut off: moments that are added and subtracted come out a hair less."""


def etag(cached: Cached, form: Form) -> bytes:
    """The tag of an answer as it is laid out: another layout is another representation."""
    tag = cached.etag.encode()
    return b'"%b"' % tag if form is Form.UNARY else b'"%b-%d"' % (tag, form.value)


def lines(cached: Cached, form: Form) -> bytes:
    """The header lines of an answer that a cache keeps; with its age where it was not computed just now."""
    kept, tag = cached.age_s > 0.0, cached.etag
    age_s = cached.age_s + ROUNDING_S
    if form is Form.UNARY:
        if kept:
            return KEPT_LINES % (age_s, age_s + cached.fresh_s, tag.encode())
        return NEW_LINES % (age_s + cached.fresh_s, tag.encode())
    age = b"age: %d\r\n" % age_s if kept else b""
    return age + LINES % (age_s + cached.fresh_s, etag(cached, form))


def is_known(cached: Cached, head: Head, form: Form) -> bool:
    """Whether the client has this answer already, as its `If-None-Match` says: by weak comparison, as that asks for.

    Only a GET: in other requests the header would have them fail (412), and a call by POST is meant to be made.
    """
    asked = head.if_none_match
    if not asked or head.method != GET:
        return False
    tag = etag(cached, form)
    return any(each.strip().removeprefix(b"W/") in (b"*", tag) for each in asked.split(b","))


def not_modified(*header_lines: bytes) -> bytes:
    """A whole response that says that the client has it already."""
    return b"%b%b\r\n" % (answer.STATUS_LINES[NOT_MODIFIED], b"".join(header_lines))
