from click.testing import CliRunner

from dragoman.cli.cache import command


def test_it_says_what_it_is_for() -> None:
    done = CliRunner().invoke(command, ["--help"])
    assert done.exit_code == 0
    assert "hosts that run" in done.output or "host of the project that runs" in done.output
