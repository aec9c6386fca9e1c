import pytest

from dragoman.core.call import Codec
from dragoman.queues.media import TYPES, codec_of


@pytest.mark.parametrize(
    ("content_type", "codec"),
    [
        ("", Codec.JSON),
        ("application/json", Codec.JSON),
        ("Application/JSON; charset=utf-8", Codec.JSON),
        ("application/vnd.shop+json", Codec.JSON),
        ("application/msgpack", Codec.MSGPACK),
        ("application/octet-stream", Codec.BYTES),
        ("application/vnd.apache.arrow.stream", Codec.ARROW),
        ("text/html", None),
    ],
)
def test_a_media_type_means_a_codec(content_type: str, codec: Codec | None) -> None:
    assert codec_of(content_type) is codec


@pytest.mark.parametrize("codec", [each for each in Codec if each is not Codec.NONE])
def test_what_is_written_is_read_as_the_same_codec(codec: Codec) -> None:
    assert codec_of(TYPES[codec]) is codec
