"""What a task gave, as an answer: in the codec in which it is stored, or in another one that says the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.contract.codec import transcode
from dragoman.contract.malformed import Malformed
from dragoman.core.call import Codec
from dragoman.core.fault import InvalidArgument, Started
from dragoman.ingress.http import negotiation

if TYPE_CHECKING:
    from dragoman.core.call import Reply

CONTENT_TYPES = {
    Codec.NONE: negotiation.JSON,
    Codec.JSON: negotiation.JSON,
    Codec.MSGPACK: negotiation.MSGPACK,
    Codec.BYTES: negotiation.BYTES,
    Codec.ARROW: negotiation.ARROW,
}
ALIKE = (Codec.JSON, Codec.MSGPACK)
"""What can be said in one of these can be said in the other."""
NOT_ACCEPTABLE = 406


class Unacceptable(Exception):  # noqa: N818 - it carries the fault to the answer
    """The result has no form that its reader takes."""

    def __init__(self, fault: InvalidArgument) -> None:
        super().__init__(fault.detail)
        self.fault = fault


def laid_out(reply: Reply, accept: bytes) -> tuple[bytes, bytes]:
    """The content type and the body that an `Accept` asks for. Raises `Unacceptable`."""
    stored = reply.codec
    others = [each for each in ALIKE if each is not stored] if stored in ALIKE else []
    codec = negotiation.choose(accept, [(CONTENT_TYPES[each], each) for each in (stored, *others)])
    if codec is None:
        has = CONTENT_TYPES[stored].decode()
        raise Unacceptable(
            InvalidArgument(f"the result cannot be had as Accept asks for; it is {has}", started=Started.NO)
        )
    body = bytes(reply.body)
    if stored is Codec.NONE:
        body = body or b"null"
    elif codec is not stored:
        try:
            body = transcode(body, stored, codec)
        except Malformed as error:
            wanted = CONTENT_TYPES[codec].decode()
            detail = f"the result cannot be written as {wanted}: {error}"
            raise Unacceptable(InvalidArgument(detail, started=Started.NO)) from None
    return CONTENT_TYPES[codec], body
