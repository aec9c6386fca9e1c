from pathlib import Path

import pytest

from dragoman.tasks.stores.postgres import PostgresStore, statements
from dragoman.tasks.stores.postgres.driver import connect
from dragoman.tasks.stores.postgres.statements import filled, statement

NAMES = sorted(
    path.name.removesuffix(".sql")
    for path in (Path(statements.__file__).parent / "sql").glob("*.sql")
    if not path.name.endswith(".part.sql")
)


def test_a_part_stands_where_its_name_is() -> None:
    assert "{" not in statement("submit")
    assert "flows" in statement("submit")
    assert "--" not in statement("submit")


def test_what_is_given_comes_before_parts() -> None:
    assert filled("SELECT {whole} LIMIT {limit}", whole="1", limit="$1") == "SELECT 1 LIMIT $1"


def test_a_name_that_stands_for_nothing_is_a_defect() -> None:
    with pytest.raises(FileNotFoundError):
        filled("{nothing}")


async def test_the_server_understands_every_statement(store: PostgresStore) -> None:
    wire = await connect(store.options)
    for name in NAMES:
        await wire.execute(f"PREPARE {name} AS {statement(name)}")
    await wire.close()
