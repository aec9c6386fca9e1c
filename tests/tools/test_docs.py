from pathlib import Path

import pytest

from tools.docs import GeneratorFailed, main, run_generator

GENERATED = "# A\n\n<!-- generated: python -m this_table -->\nold\n<!-- /generated -->\n\nafter\n"


def write(root: Path, files: dict[str, str]) -> None:
    for place, text in files.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(text)


def test_a_generated_part_is_written_once_and_then_up_to_date(tmp_path: Path) -> None:
    write(tmp_path, {"page.md": GENERATED, "this_table.py": "print('| new |')\n"})
    assert main(["--check"], tmp_path) == 1
    assert "old" in (tmp_path / "page.md").read_text()
    assert main([], tmp_path) == 0
    assert "-->\n| new |\n<!-- /generated -->\n\nafter\n" in (tmp_path / "page.md").read_text()
    assert main(["--check"], tmp_path) == 0


def test_a_page_that_is_generated_as_a_whole_is_written_as_a_whole(tmp_path: Path) -> None:
    note = "<!-- Written by `python -m this_table > docs/page.md`; not by hand. -->"
    write(tmp_path, {"docs/page.md": f"# Old\n\n{note}\n", "this_table.py": f"print('# New')\nprint('{note}')\n"})
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert (tmp_path / "docs" / "page.md").read_text() == f"# New\n{note}\n"
    assert main(["--check"], tmp_path) == 0


def test_a_generator_that_fails_says_why_and_leaves_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, {"page.md": GENERATED, "this_table.py": "raise SystemExit('no such table')\n"})
    assert main([], tmp_path) == 1
    assert "no such table" in capsys.readouterr().out
    assert (tmp_path / "page.md").read_text() == GENERATED


def test_only_python_modules_generate(tmp_path: Path) -> None:
    with pytest.raises(GeneratorFailed, match="python -m MODULE"):
        run_generator("cat secrets", tmp_path)


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("gone.md", "page.md:3: the link to gone.md points to nothing"),
        ("other.md#nowhere", "no heading makes #nowhere; other.md has part"),
        ("#nowhere", "no heading makes #nowhere; this page has a"),
        ("../outside.md", "leaves the repository"),
        ("other.md#part", ""),
        ("#a", ""),
        ("docs/", ""),
        ("https://example.org/gone", ""),
        ("mailto:someone@example.org", ""),
    ],
)
def test_links_point_to_something(tmp_path: Path, capsys: pytest.CaptureFixture[str], link: str, problem: str) -> None:
    write(tmp_path, {"page.md": f"# A\n\n[x]({link})\n", "other.md": "# Part\n", "docs/index.md": "# Docs\n"})
    assert main(["--check"], tmp_path) == (1 if problem else 0)
    assert problem in capsys.readouterr().out
