"""Every page that shows commands is run from top to bottom."""

from pathlib import Path

import pytest

from tests.docs.snippets import Walkthrough
from tools.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "tutorial").glob("*.md")),
    *sorted((ROOT / "docs" / "howto").glob("*.md")),
]


@pytest.mark.timeout(900)  # a fresh machine compiles what a tutorial depends on
@pytest.mark.needs("curl", "jq")
@pytest.mark.parametrize("path", PAGES, ids=[path.relative_to(ROOT).as_posix() for path in PAGES])
def test_a_page_does_what_it_says(path: Path, tmp_path: Path) -> None:
    with Walkthrough(Page.read(path), tmp_path) as walkthrough:
        walkthrough.run()
