from dragoman.sandbox.confinement import Launch
from dragoman.workers.source import at_once


async def test_a_launch_that_needs_no_preparation_is_the_same_each_time() -> None:
    launch = Launch(argv=("true",))
    ready = at_once(launch)
    assert await ready() is launch
    assert await ready() is launch
