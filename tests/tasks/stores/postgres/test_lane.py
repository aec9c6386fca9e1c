import asyncio

import pytest

from dragoman.tasks.store import StoreFailed
from dragoman.tasks.stores.postgres.driver import Refused
from dragoman.tasks.stores.postgres.lane import BYTES_MAX, ROWS_MAX, Lane, Load


class Statement:
    """Answers with ten times the question, when it is let; refuses what is negative."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.error: Exception | None = None

    async def run(self, questions: list[int], size: int) -> list[int]:
        self.batches.append(questions)
        await self.go.wait()
        if self.error is not None:
            raise self.error
        if min(questions) < 0:
            raise Refused("negative")
        return [question * 10 for question in questions]


def lane(statement: Statement, flights: int = 1, waiting_max: int = 100, load: Load | None = None) -> Lane[int, int]:
    return Lane(statement.run, lambda _: load or Load(), flights=flights, waiting_max=waiting_max)


async def test_what_is_asked_in_one_moment_is_one_statement() -> None:
    statement = Statement()
    asked = lane(statement)
    assert await asyncio.gather(*map(asked.ask, range(5))) == [0, 10, 20, 30, 40]
    assert statement.batches == [[0, 1, 2, 3, 4]]


async def test_what_comes_while_one_is_under_way_goes_together_after_it() -> None:
    statement = Statement()
    statement.go.clear()
    asked = lane(statement)
    answers = [asked.ask(0)]
    await asyncio.sleep(0)
    answers += [asked.ask(1)]
    await asyncio.sleep(0)
    answers += [asked.ask(2)]
    statement.go.set()
    assert await asyncio.gather(*answers) == [0, 10, 20]
    assert statement.batches == [[0], [1, 2]]


async def test_so_many_are_under_way_at_a_time() -> None:
    statement = Statement()
    statement.go.clear()
    asked = lane(statement, flights=2)
    answers: list[asyncio.Future[int]] = []
    for number in range(4):
        answers.append(asked.ask(number))
        await asyncio.sleep(0.001)
    assert statement.batches == [[0], [1]]
    statement.go.set()
    assert await asyncio.gather(*answers) == [0, 10, 20, 30]
    assert statement.batches[2:] == [[2, 3]]


@pytest.mark.parametrize("load", [Load(ROWS_MAX // 2), Load(1, BYTES_MAX // 2)])
async def test_a_statement_has_so_many_rows_and_bytes(load: Load) -> None:
    statement = Statement()
    await asyncio.gather(*map(lane(statement, load=load).ask, range(5)))
    assert statement.batches == [[0, 1], [2, 3], [4]]


async def test_one_that_is_larger_than_all_goes_alone() -> None:
    statement = Statement()
    await asyncio.gather(*map(lane(statement, load=Load(1, 3 * BYTES_MAX)).ask, range(2)))
    assert statement.batches == [[0], [1]]


async def test_one_that_is_refused_does_not_spoil_the_others() -> None:
    statement = Statement()
    asked = lane(statement)
    answers = await asyncio.gather(*map(asked.ask, (1, -1, 2)), return_exceptions=True)
    assert [answers[0], answers[2]] == [10, 20]
    assert isinstance(answers[1], StoreFailed)


async def test_trouble_is_told_to_all_each_by_an_error_of_its_own() -> None:
    statement = Statement()
    statement.error = StoreFailed("gone", unsure=True)
    first, second = await asyncio.gather(*map(lane(statement).ask, (1, 2)), return_exceptions=True)
    assert isinstance(first, StoreFailed)
    assert isinstance(second, StoreFailed)
    assert first is not second
    assert (first.unsure, second.unsure, str(second)) == (True, True, "gone")


async def test_who_goes_before_their_turn_is_not_asked_for() -> None:
    statement = Statement()
    statement.go.clear()
    asked = lane(statement)
    first = asked.ask(1)
    await asyncio.sleep(0)
    gone, last = asked.ask(2), asked.ask(3)
    gone.cancel()
    statement.go.set()
    assert await asyncio.gather(first, last) == [10, 30]
    assert statement.batches == [[1], [3]]


async def test_only_so_many_wait() -> None:
    statement = Statement()
    statement.go.clear()
    asked = lane(statement, waiting_max=2)
    answers = [asked.ask(0)]
    await asyncio.sleep(0)
    answers += [asked.ask(1), asked.ask(2)]
    with pytest.raises(StoreFailed, match="too slow: 2 operations wait"):
        asked.ask(3)
    statement.go.set()
    await asyncio.gather(*answers)


async def test_closing_waits_for_what_was_asked_for() -> None:
    statement = Statement()
    asked = lane(statement)
    answers = [asked.ask(1)]
    await asyncio.sleep(0)
    answers.append(asked.ask(2))
    await asked.close()
    assert [answer.result() for answer in answers] == [10, 20]


async def test_closing_does_not_wait_for_who_has_gone() -> None:
    statement = Statement()
    asked = lane(statement)
    asked.ask(1).cancel()
    await asked.close()
    assert statement.batches == []
