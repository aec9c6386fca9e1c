"""A silent client is asked now and then, and has gone when it does not answer."""

from __future__ import annotations

from itertools import pairwise

from dragoman.ingress.http.presence import PING_S, QUIET_S_MAX, Presence


def test_a_client_that_talks_is_left_alone() -> None:
    presence = Presence(0.0)
    for now in range(1000):
        presence.heard(float(now))
        assert not presence.asks(now + 0.5)
        assert not presence.gone(now + 0.5)


def test_a_silent_one_is_asked_once_in_a_while_then_has_gone() -> None:
    presence = Presence(0.0)
    asked = [now for now in range(100) if presence.asks(float(now))]
    assert asked[0] == PING_S + 1
    assert all(later - earlier > PING_S for earlier, later in pairwise(asked))
    assert next(now for now in range(100) if presence.gone(float(now))) == QUIET_S_MAX + 1


def test_an_answer_is_as_good_as_a_word() -> None:
    presence = Presence(0.0)
    assert presence.asks(PING_S + 1)
    presence.heard(PING_S + 2)
    assert not presence.gone(QUIET_S_MAX + 1)
