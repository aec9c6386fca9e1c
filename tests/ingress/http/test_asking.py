"""What a query string asks of tasks, and what it says where it cannot be answered."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.fault import InvalidArgument
from dragoman.ingress.http.asking import (
    SEQ_MAX,
    TEXT_CHARS_MAX,
    behind,
    delivery_id,
    fields,
    listing,
    next_page,
    task_id,
    waiting,
)
from dragoman.ingress.http.later import WAIT_S_MAX
from dragoman.ingress.http.tasks import PAGE, PAGE_MAX, STATES, Wanted

from .ledger import number

TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=TEXT_CHARS_MAX)


def test_without_filters_the_newest_are_listed() -> None:
    assert listing("") == Wanted(limit=PAGE)


def test_a_filter_that_is_left_empty_is_none() -> None:
    assert listing("state=&function=&caller=&schedule=&parent=&before=") == Wanted()


def test_filters_are_read() -> None:
    query = f"state=failed,DEAD&state=TIMED_OUT&function=a.b&caller=%C3%A4&schedule=nightly&parent={number(1)}&limit=7"
    assert listing(f"{query}&before={number(2)}") == Wanted(
        frozenset({"FAILED", "DEAD", "TIMED_OUT"}), "a.b", "ä", "nightly", number(1), number(2), 7
    )


@pytest.mark.parametrize(
    ("query", "path", "said"),
    [
        ("sate=FAILED", "/sate", "there is no such parameter; what is known here is state, function, caller"),
        ("a~b%2Fc=1", "/a~0b~1c", "'a~b/c': there is no such parameter"),
        ("state=BROKEN", "/state", "expected one of SCHEDULED, PENDING, RUNNING"),
        ("limit=0", "/limit", "expected a number from 1 to 1000, found '0'"),
        ("limit=1001", "/limit", "expected a number from 1 to 1000"),
        ("limit=-1", "/limit", "expected a number"),
        ("limit=ten", "/limit", "expected a number"),
        ("limit=%D9%A3", "/limit", "expected a number"),
        ("limit=1&limit=2", "/limit", "expected one value"),
        ("before=17", "/before", 'expected the id of a task, such as "0198'),
        ("function=a%00b", "/function", "expected a text"),
        ("caller=" + "x" * 513, "/caller", "expected a text"),
    ],
)
def test_what_is_no_filter_is_refused_at_its_place(query: str, path: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        listing(query)
    assert [breach.path for breach in refused.value.errors] == [path]
    assert said in refused.value.detail


def test_a_query_of_too_many_fields_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="cannot be read"):
        listing("&".join(["state=DEAD"] * 100))


@given(
    st.builds(
        Wanted,
        states=st.frozensets(st.sampled_from(STATES)),
        function=TEXTS | st.just(""),
        caller=TEXTS | st.just(""),
        schedule=TEXTS | st.just(""),
        parent=st.just("") | st.integers(0, 2**48 - 1).map(number),
        limit=st.integers(1, PAGE_MAX),
    )
)
def test_the_next_page_asks_for_the_same(wanted: Wanted) -> None:
    query = next_page(wanted, number(9))
    assert query.isascii()
    assert " " not in query
    again = listing(query)
    assert again.before == number(9)
    assert (again.states, again.function, again.caller, again.schedule, again.parent, again.limit) == (
        wanted.states,
        wanted.function,
        wanted.caller,
        wanted.schedule,
        wanted.parent,
        wanted.limit,
    )


@given(st.text(max_size=200))
def test_whatever_is_asked_is_answered_or_refused(query: str) -> None:
    for read in (listing, waiting, behind, task_id, delivery_id):
        try:
            read(query)
        except InvalidArgument as fault:
            assert fault.detail  # noqa: PT017 - either is right


def test_how_long_to_wait() -> None:
    assert waiting("") == 0.0
    assert waiting("wait=1.5s") == 1.5
    assert waiting("wait=10d") == WAIT_S_MAX
    for text in ("10", "-1s", "", "nan", "1s\n"):
        with pytest.raises(InvalidArgument, match=r'wait: expected a duration such as "500ms"'):
            waiting(f"wait={quote(text)}")


def test_where_to_go_on_is_the_further_of_both() -> None:
    assert behind("", "") == 0
    assert behind("after=7", "5") == 7
    assert behind("after=7", "12") == 12
    assert behind(f"after={SEQ_MAX}") == SEQ_MAX
    for query, header in (("after=x", ""), ("", "x"), ("", "-1"), (f"after={SEQ_MAX + 1}", ""), ("", "²")):
        with pytest.raises(InvalidArgument, match="expected the id of an event, a number"):
            behind(query, header)


def test_ids_are_those_of_tasks_and_deliveries() -> None:
    assert task_id(number(3)) == number(3)
    assert delivery_id("0198f1a0") == "0198f1a0"
    assert task_id(number(0xABC).upper()) == number(0xABC)
    for text in ("", number(3) + " ", "\u0130" + number(3)[1:], "../x", number(3).replace("-", "")):
        with pytest.raises(InvalidArgument, match="the id of a task"):
            task_id(text)
    for text in ("", "a/b", "x" * 129, "a b"):
        with pytest.raises(InvalidArgument, match="the id of a delivery"):
            delivery_id(text)


def test_where_nothing_may_be_asked_that_is_said() -> None:
    with pytest.raises(InvalidArgument, match="there are none here"):
        fields("force=yes", ())
