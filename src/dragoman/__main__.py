"""`python -m dragoman`: the command line."""

from dragoman.cli.entry import main

main()
