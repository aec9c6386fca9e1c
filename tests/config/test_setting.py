from dragoman.config.kinds import Flag, Whole
from dragoman.config.setting import Setting, shorthands


def test_a_value_in_place_of_a_table_stands_for_the_keys_that_say_so() -> None:
    known = (
        Setting("retry.enabled", Flag(), "true", "", short=True),
        Setting("retry.attempts", Whole(1, 9), "3", "", short=True),
        Setting("retry.budget", Whole(1, 9), "3", ""),
        Setting("retryable", Flag(), "true", "", short=True),
    )
    assert [setting.key for setting in shorthands(known, "retry")] == ["retry.enabled", "retry.attempts"]
    assert shorthands(known, "breaker") == []
