from pathlib import Path

from tools.pages import Fence, Link, Page, read_pages

TEXT = """\
# One `word` & more

See [there](other.md#part) and ![picture](a.png).

<!-- run -->
```console
$ true
```

<!-- lost -->
A paragraph between.

- item

  ```python
  x = 1
  ```

## One word & more

| a |
|---|
| [cell](cell.md) |
"""
PAGE = Page(Path("page.md"), TEXT)


def test_a_fence_carries_the_comment_right_before_it() -> None:
    assert list(PAGE.fences) == [Fence("console", "$ true\n", 6, "run"), Fence("python", "x = 1\n", 15, "")]


def test_links_and_images_are_found_in_tables_too() -> None:
    assert list(PAGE.links) == [Link("other.md#part", 3), Link("a.png", 3), Link("cell.md", 23)]


def test_a_link_in_a_fence_is_no_link() -> None:
    assert not list(Page(Path("page.md"), "```\n[a](b.md)\n```\n").links)


def test_headings_make_anchors_and_a_second_one_is_numbered() -> None:
    assert PAGE.anchors == {"one-word--more", "one-word--more-1"}


def test_hidden_and_built_folders_hold_no_pages(tmp_path: Path) -> None:
    for place in ("README.md", ".venv/a.md", "docs/b.md", "bench/report/c.md"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("x\n")
    assert [page.path.name for page in read_pages(tmp_path)] == ["README.md", "b.md"]
