"""Functions in five languages call each other: one trace, one call id, one deadline, and an end to every circle."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.five import CONCURRENCY, LANGUAGES, TOOLS, encoded
from tests.integration.web import eventually

if TYPE_CHECKING:
    from tests.integration.five import Five

pytestmark = [*(pytest.mark.needs(tool) for tool in TOOLS), pytest.mark.timeout(600)]

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACE = f"00-{TRACE_ID}-b7ad6b7169203331-01"
DEPTH_MAX = 16
PAIRS = list(itertools.product(LANGUAGES, LANGUAGES))
ROUND = [LANGUAGES[at:] + LANGUAGES[:at] for at in range(len(LANGUAGES))]


def chain(languages: tuple[str, ...], function: str, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A call through languages in this order; the last one's is the function that is meant."""
    name = f"{languages[-1]}.{function}"
    for language in reversed(languages[:-1]):
        name, given = f"{language}.call", {"function": name, "input": given}
    return name, given


@pytest.mark.parametrize("languages", ROUND, ids=lambda each: each[0])
def test_a_chain_through_five_languages_is_one_call_in_one_trace(five: Five, languages: tuple[str, ...]) -> None:
    name, given = chain(languages, "about", {})
    answer = five.ask(name, json.dumps(given).encode(), traceparent=TRACE)
    assert answer.json == {
        "call_id": answer.headers["dragoman-call-id"],
        "trace_id": TRACE_ID,
        "cancelled": False,
    }


@pytest.mark.parametrize("languages", ROUND, ids=lambda each: each[0])
def test_a_deadline_goes_along_and_shrinks(five: Five, languages: tuple[str, ...]) -> None:
    name, given = chain(languages, "remaining", {})
    assert 0 < five.call(name, given, Dragoman_Timeout="5s") < 5


@pytest.mark.parametrize(("caller", "callee"), PAIRS)
def test_a_deadline_that_is_over_ends_both(five: Five, caller: str, callee: str) -> None:
    name, given = chain((caller, callee), "sleep", {"seconds": 30})
    begun = time.monotonic()
    fault = five.refusal(name, json.dumps(given).encode(), Dragoman_Timeout="300ms")
    assert fault["code"] == "DEADLINE_EXCEEDED"
    assert time.monotonic() - begun < 5
    assert five.web.metric("dragoman_calls_in_flight") == 0


@pytest.mark.parametrize(("caller", "callee"), PAIRS)
def test_who_hangs_up_cancels_both(five: Five, caller: str, callee: str) -> None:
    name, given = chain((caller, callee), "sleep", {"seconds": 30})
    body = json.dumps(given).encode()
    request = f"POST /v1/call/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with contextlib.ExitStack() as waiting:
        for _ in range(CONCURRENCY // 2 if caller == callee else CONCURRENCY):
            waiting.enter_context(five.web.connect()).sendall(request)
        assert eventually(lambda: not answers(five, callee, "100ms"))
    assert eventually(lambda: answers(five, callee, "5s"), 10)
    assert answers(five, caller, "5s")


def answers(five: Five, language: str, within: str) -> bool:
    """Whether a worker has room for one more call."""
    return five.ask(f"{language}.about", b"{}", Dragoman_Timeout=within).status == 200


@pytest.mark.parametrize(("caller", "callee"), PAIRS)
def test_a_fault_keeps_its_code_its_words_and_its_places(five: Five, caller: str, callee: str) -> None:
    name, given = chain((caller, callee), "fail", {"code": "OUT_OF_RANGE", "detail": "füenf 😀"})
    fault = five.refusal(name, json.dumps(given).encode())
    assert (fault["code"], fault["detail"]) == ("OUT_OF_RANGE", "füenf 😀")
    assert fault["errors"] == [{"path": "/code", "message": "as asked"}]


@pytest.mark.parametrize(("caller", "callee"), PAIRS)
def test_a_stream_goes_through(five: Five, caller: str, callee: str) -> None:
    given = {"function": f"{callee}.count", "input": {"to": 500}}
    lines = five.lines(f"{caller}.relay", given)
    assert lines == list(range(500))


@pytest.mark.parametrize(("caller", "callee"), PAIRS)
def test_a_stream_that_fails_brings_its_items_first(five: Five, caller: str, callee: str) -> None:
    given = {"function": f"{callee}.fail_after", "input": {"items": 3}}
    lines = five.lines(f"{caller}.relay", given)
    assert lines[:3] == [0, 1, 2]
    assert "FAILED_PRECONDITION" in json.dumps(lines[3:])


@pytest.mark.parametrize("languages", ROUND, ids=lambda each: each[0])
def test_a_chain_ends_at_the_limit(five: Five, languages: tuple[str, ...]) -> None:
    steps = tuple(itertools.islice(itertools.cycle(languages), DEPTH_MAX + 1))
    assert five.call(*chain(steps, "add", {"a": 1, "b": 2})) == 3
    name, given = chain((*steps, languages[0]), "add", {"a": 1, "b": 2})
    fault = five.refusal(name, json.dumps(given).encode())
    assert fault["code"] == "FAILED_PRECONDITION"
    assert f"chains end at {DEPTH_MAX}" in fault["detail"]


def test_many_chains_at_once_all_come_back(five: Five) -> None:
    def one(number: int) -> int:
        return five.call(*chain(ROUND[number % len(ROUND)], "add", {"a": number, "b": 1}))

    with ThreadPoolExecutor(CONCURRENCY) as pool:  # more would wait for each other in a ring
        assert list(pool.map(one, range(320))) == list(range(1, 321))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_task_in_any_language_waits_for_another_without_a_worker(five: Five, language: str) -> None:
    def submit(function: str, given: dict[str, Any], **headers: str) -> str:
        answer = five.ask(function, encoded(given, "json"), Prefer="respond-async", **headers)
        assert answer.status == 202, answer.body
        return answer.json["id"]

    waited_for = submit("python.echo", {"value": {"n": 7}}, Dragoman_Task_Delay="1s")
    waits = submit(f"{language}.call", {"function": "tasks.gather", "input": {"tasks": [waited_for]}})
    five.web.reaches(waits, "SCHEDULED", "SUCCEEDED")
    task = five.web.ask("GET", f"/v1/tasks/{waits}?wait=19s").json
    assert (task["state"], task["attempts"]) == ("SUCCEEDED", 1), task
    assert five.web.ask("GET", f"/v1/tasks/{waits}/result").json == [{"n": 7}]
