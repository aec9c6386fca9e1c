import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.tasks.stores.postgres.text import exact, packed, unpacked

ANY = st.text(st.characters() | st.sampled_from("\x00\\u\ud800\udfff0"))


@given(ANY)
def test_any_text_comes_back_as_it_was(text: str) -> None:
    kept = packed(text)
    assert "\x00" not in kept
    kept.encode()
    assert unpacked(kept) == text


@given(ANY, ANY)
def test_different_texts_stay_different(one: str, other: str) -> None:
    assert (packed(one) == packed(other)) == (one == other)


def test_plain_text_is_kept_as_it_is() -> None:
    assert packed("10.0.0.1") == "10.0.0.1"
    assert packed("Grüße") == "Grüße"


def test_what_names_something_is_text_that_others_can_read() -> None:
    assert exact("a\x00ü\\") == packed("a\x00ü\\")
    with pytest.raises(ValueError, match="surrogates"):
        exact("\ud800")
