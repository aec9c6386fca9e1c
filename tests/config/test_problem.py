import pytest

from dragoman.config.problem import PROBLEMS_SHOWN_MAX, ConfigError, Problem, did_you_mean


def test_a_problem_reads_like_a_compilers_with_only_the_places_it_has() -> None:
    assert str(Problem("a.toml", 3, "http.port", "is odd")) == "a.toml:3: http.port: is odd"
    assert str(Problem("a.toml", 3, "", "is odd", 7)) == "a.toml:3:7: is odd"
    assert str(Problem("a.toml", 0, "", "is odd")) == "a.toml: is odd"


def test_an_error_holds_each_problem_once_in_the_order_of_the_file() -> None:
    late, early = Problem("a.toml", 9, "b", "x"), Problem("a.toml", 2, "a", "y")
    error = ConfigError([late, early, late])
    assert error.problems == (early, late)
    assert str(error) == "a.toml:2: a: y\na.toml:9: b: x"


def test_a_flood_of_problems_is_cut_in_the_text_and_whole_in_the_value() -> None:
    error = ConfigError(Problem("a.toml", line, "", "x") for line in range(1, 200))
    assert len(error.problems) == 199
    assert str(error).count("\n") == PROBLEMS_SHOWN_MAX
    assert str(error).endswith("… and 149 more")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("timout", "; did you mean 'timeout'?"),
        ("zzz", "; known here: timeout, queue"),
        ("x" * 10**6, "; known here: timeout, queue"),
    ],
)
def test_an_unknown_word_is_met_with_the_nearest_known_one_or_all_of_them(word: str, hint: str) -> None:
    assert did_you_mean(word, ["timeout", "queue"]) == hint
