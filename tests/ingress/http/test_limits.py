"""Callers hear of their limits in the headers of a draft that others read too."""

from __future__ import annotations

import pytest

from dragoman.core.call import Allowance
from dragoman.ingress.http.doors import Door
from dragoman.ingress.http.limits import limit_lines
from dragoman.policies.rate import Rate, RateOptions
from dragoman.policies.surroundings import Surroundings

from .site import Site

BODY = b'{"a":1,"b":2}'


def limit(site: Site, function: str, options: RateOptions) -> None:
    """Put a limit in front of a function."""
    door = site.doors.by_path[f"/v1/call/{function}".encode()]
    service = Rate(options, Surroundings.here())(door.service)
    limited = Door(door.target, service, door.meter, door.input)
    site.do(lambda: site.doors.replace({**site.functions(), function: limited}))


@pytest.mark.parametrize(
    ("allowance", "lines"),
    [
        (Allowance(100, 99, 0.01, 1), b'ratelimit-policy: "default";q=100;w=1\r\nratelimit: "default";r=99;t=1\r\n'),
        (Allowance(3, 0, 7.2, 60, "x"), b'ratelimit-policy: "x";q=3;w=60\r\nratelimit: "x";r=0;t=8\r\n'),
        (Allowance(1, 1, 0.0, 86400, "y"), b'ratelimit-policy: "y";q=1;w=86400\r\nratelimit: "y";r=1;t=0\r\n'),
    ],
)
def test_an_allowance_is_written_as_items_of_a_structured_list(allowance: Allowance, lines: bytes) -> None:
    assert limit_lines(allowance) == lines


def test_replies_and_refusals_say_what_is_left(site: Site) -> None:
    limit(site, "fn.add", RateOptions(limit=0.1, burst=2))
    answers = [site.call("fn.add", BODY) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    for answer, left in zip(answers, (1, 0, 0, 0), strict=True):
        assert answer.headers["ratelimit-policy"] == '"limit";q=2;w=20'
        assert answer.headers["ratelimit"].startswith(f'"limit";r={left};t=')
    refused = answers[2]
    assert 9 <= int(refused.headers["retry-after"]) <= 10
    problem = refused.json
    assert (problem["code"], problem["started"], problem["retryable"]) == ("RESOURCE_EXHAUSTED", "no", True)
    assert problem["function"] == "fn.add"
    assert problem["call_id"] == refused.headers["dragoman-call-id"]
    assert problem["call_id"] != answers[3].json["call_id"]


def test_faults_and_streams_say_it_too(site: Site) -> None:
    limit(site, "fn.boom", RateOptions(limit=5.0))
    answer = site.call("fn.boom")
    assert (answer.status, answer.headers["ratelimit"]) == (500, '"limit";r=4;t=1')
    limit(site, "fn.stream", RateOptions(caller_limit=5.0))
    site.allow(4)
    answer = site.call("fn.stream")
    assert (answer.status, answer.headers["ratelimit"]) == (200, '"caller_limit";r=4;t=1')


def test_a_function_without_limits_says_nothing(site: Site) -> None:
    answer = site.call("fn.add", BODY)
    assert "ratelimit" not in answer.headers
    assert "ratelimit-policy" not in answer.headers
