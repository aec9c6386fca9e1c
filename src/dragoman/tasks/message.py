"""The message about the end of a task, signed: Standard Webhooks (standardwebhooks.com), version 1.

Of several secrets each makes a signature, so that one can be replaced while both are known. The id is that of the
delivery, the same at every attempt, by which receivers tell a repetition; the moment that is signed is the attempt's
own, since they refuse what is older than a few minutes.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.contract.codecs import json, msgpack
from dragoman.core.call import Codec
from dragoman.tasks import document
from dragoman.tasks.options import SECRET_EXPECTED, SECRET_PREFIX
from dragoman.tasks.task import DELIVERED_BYTES_MAX, US

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dragoman.tasks.task import Delivery, Task

SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64
"""As the specification has it."""
READ = {Codec.JSON: json.decode, Codec.MSGPACK: msgpack.decode}


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted or published."""

    id: str
    headers: Mapping[str, str]
    body: bytes


def read_secret(text: str) -> bytes:
    """The key of a secret as it is written. Raises `ValueError`, which never tells it."""
    coded = text.removeprefix(SECRET_PREFIX)
    try:
        key = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True) if coded != text else b""
    except binascii.Error:
        key = b""
    if not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
        raise ValueError(f"expected {SECRET_EXPECTED}")
    return key


class Composer:
    """Writes messages."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Without secrets there are no signatures. Raises `ValueError` for what is no secret."""
        self._keys = [read_secret(each) for each in secrets]

    def __call__(self, delivery: Delivery, now: int) -> Message:
        """The message of a delivery, as it goes out now."""
        body = body_of(delivery.task)
        headers = {
            "content-type": "application/json",
            "user-agent": "dragoman",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(now // US),
        }
        if self._keys:
            headers["webhook-signature"] = " ".join(
                f"v1,{signature(key, delivery.id, now // US, body)}" for key in self._keys
            )
        if trace := delivery.task.submission.trace:
            headers["traceparent"] = trace
        return Message(delivery.id, headers, body)


def signature(key: bytes, id: str, at_s: int, body: bytes) -> str:  # noqa: A002 - the specification's word
    """HMAC-SHA256 over id, moment and body, in base64."""
    return base64.b64encode(hmac.digest(key, f"{id}.{at_s}.".encode() + body, "sha256")).decode()


def body_of(task: Task) -> bytes:
    """The end of a task as JSON: `type`, `timestamp`, and in `data` the task, with its `result` where that is small."""
    data = json.encode(document.shown(task))
    if (result := _small(task)) is not None:
        data = data[:-1] + b',"result":' + result + b"}"
    head = {"type": f"task.{task.state.value.lower()}", "timestamp": document.moment(task.finished_at)}
    return json.encode(head)[:-1] + b',"data":' + data + b"}"


def _small(task: Task) -> bytes | None:
    """A result that goes into the message: one that JSON can say, and a short one."""
    if not 0 < len(task.result) <= DELIVERED_BYTES_MAX or task.result_codec not in READ:
        return None
    try:
        value = READ[task.result_codec](task.result)
        said = task.result if task.result_codec is Codec.JSON else json.encode(value)
    except ValueError:
        return None
    return said if len(said) <= DELIVERED_BYTES_MAX else None
