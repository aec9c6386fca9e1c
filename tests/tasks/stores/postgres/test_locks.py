from dragoman.tasks.stores.postgres.locks import lock_of


def test_a_lock_is_two_numbers_that_the_server_takes_the_same_for_every_host() -> None:
    numbers = lock_of("dragoman", "claim f")
    assert numbers == lock_of("dragoman", "claim f")
    assert all(-(2**31) <= number < 2**31 for number in numbers)


def test_schemas_and_purposes_have_locks_of_their_own() -> None:
    names = [("a", "x"), ("a", "y"), ("b", "x"), ("a", "claim \ud800")]
    assert len({lock_of(*name) for name in names}) == len(names)
