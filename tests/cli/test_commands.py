import click

from dragoman.cli.commands import NAMES, commands


def test_every_command_has_help_and_takes_json() -> None:
    context = click.Context(commands)
    for name in NAMES:
        command = commands.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help
        assert "--json" in {option for parameter in command.params for option in parameter.opts}


def test_every_option_says_what_it_is_for() -> None:
    context = click.Context(commands)
    for name in NAMES:
        command = commands.get_command(context, name)
        assert command is not None
        for option in command.params:
            assert not isinstance(option, click.Option) or option.help, f"{name} {option.name}"
