"""A program that hosts a project: calls one of its functions, prints the answer, and stays until it is told to go."""

from __future__ import annotations

import sys

import dragoman


def main(folder: str, function: str) -> None:
    """Host, call once, print, wait for a line (or the end) on standard input."""
    with dragoman.open(folder) as project:
        print(project.call(function), flush=True)  # noqa: T201 - its answer to the test
        sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
