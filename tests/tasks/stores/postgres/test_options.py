import pytest

from dragoman.tasks.stores.postgres.options import read


def test_what_is_ours_is_taken_out_of_the_url_and_the_rest_is_left() -> None:
    options = read("postgres://me:p%40ss@db.example:6543/tasks?schema=queue&sslmode=verify-full&connections=3")
    assert (options.schema, options.connections) == ("queue", 3)
    assert options.dsn == "postgres://me:p%40ss@db.example:6543/tasks?sslmode=verify-full"
    assert options.channel == "dragoman_queue"


def test_the_address_shows_no_secrets() -> None:
    assert read("postgresql://me:secret@db.example/tasks").address == "db.example/tasks"
    assert read("postgresql:///tasks?host=/run/postgresql&password=secret").address == "/run/postgresql/tasks"
    assert read("postgresql:///tasks").address == "localhost/tasks"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://host/tasks", "expected postgres://"),
        ("postgres://host/tasks?schema=Tasks", "lower-case"),
        ("postgres://host/tasks?schema=x;drop", "lower-case"),
        ("postgres://host/tasks?schema=" + "x" * 49, "48 at most"),
        ("postgres://host/tasks?schema=pg_tasks", "pg_"),
        ("postgres://host/tasks?schema=", "schema"),
        ("postgres://host/tasks?connections=0", "1 to 64"),
        ("postgres://host/tasks?connections=many", "1 to 64"),
        ("postgres://host/tasks?connections=\u0662", "1 to 64"),
    ],
)
def test_a_url_that_cannot_be_one_says_which_part(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read(url)
