"""`python -m tools.docs [--check]`: write the generated parts of the pages, and check every link.

A page asks for a generated part where it wants it, so that nothing here knows the pages:

    <!-- generated: python -m dragoman.wire.state -->
    …replaced by what the command prints…
    <!-- /generated -->

A page that is generated as a whole says so near its top: ``<!-- Written by `python -m MODULE > PAGE`; … -->``.
With `--check` nothing is written, and a part that is out of date is an error. Links to the web are not followed: a
check that fails with somebody else's server is one that people learn to ignore.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from tools.pages import Page, read_pages

ROOT = Path(__file__).parents[1]
PART = re.compile(
    r"(?P<open>^<!-- generated: (?P<command>[^\n]+?) -->\n)(?P<body>.*?)(?P<close>^<!-- /generated -->$)",
    re.MULTILINE | re.DOTALL,
)
WHOLE = re.compile(r"^<!-- Written by `(?P<command>[^`]+?) > (?P<place>[^`]+)`", re.MULTILINE)
COMMAND_S_MAX = 60
"""A generator imports the package and prints; one that runs longer hangs."""


class GeneratorFailed(Exception):  # noqa: N818 - named for the condition, as faults are
    """A command named by a page did not run."""


def regenerate(page: Page, root: Path) -> str:
    """Give the page's text with what is generated in it made anew. Raises `GeneratorFailed`."""

    def replace(match: re.Match[str]) -> str:
        return match["open"] + run_generator(match["command"], root).strip("\n") + "\n" + match["close"]

    whole = WHOLE.search(page.text)
    if whole and page.path == root / whole["place"]:
        return run_generator(whole["command"], root)
    return PART.sub(replace, page.text)


def run_generator(command: str, root: Path) -> str:
    """Run `python -m …` with this interpreter and give what it prints."""
    words = shlex.split(command)
    if words[:2] != ["python", "-m"]:
        raise GeneratorFailed(f"{command!r} is not of the form `python -m MODULE`")
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_S_MAX,
        check=False,
    )
    if done.returncode:
        raise GeneratorFailed(f"{command!r} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def find_broken_links(pages: list[Page], root: Path) -> Iterator[str]:
    """Find links to files or headings that are not there."""
    by_path = {page.path.resolve(): page for page in pages}
    for page in pages:
        for link in page.links:
            if problem := _problem(page, unquote(link.target), by_path, root):
                yield f"{page.path.relative_to(root)}:{link.line}: {problem}"


def _problem(page: Page, target: str, pages: dict[Path, Page], root: Path) -> str:
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return ""
    place, _, fragment = target.partition("#")
    path = (page.path.parent / place).resolve() if place else page.path.resolve()
    if not path.is_relative_to(root.resolve()):
        return f"the link to {target} leaves the repository; give a full URL"
    if not path.exists():
        return f"the link to {target} points to nothing; mend or remove it"
    if fragment and path in pages and fragment not in pages[path].anchors:
        return f"no heading makes #{fragment}; {place or 'this page'} has {', '.join(sorted(pages[path].anchors))}"
    return ""


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Write (or with `--check` compare) the generated parts, then check the links."""
    problems: list[str] = []
    pages = read_pages(root)
    for page in pages:
        try:
            fresh = regenerate(page, root)
        except GeneratorFailed as failure:
            problems.append(f"{page.path.relative_to(root)}:1: {failure}")
            continue
        if fresh == page.text:
            continue
        if "--check" in arguments:
            problems.append(f"{page.path.relative_to(root)}:1: a generated part is out of date; run `make docs`")
        else:
            page.path.write_text(fresh, encoding="utf-8")
            print(f"docs: wrote {page.path.relative_to(root)}")
    problems += find_broken_links(pages, root)
    for problem in problems:
        print(problem)
    print(f"docs: {len(problems)} problems in {len(pages)} pages")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
