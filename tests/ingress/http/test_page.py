"""The page is one file that loads nothing else, and its policy lets nothing but its own script run."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

from dragoman.ingress.http.page import Page


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of its script and style."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inline: dict[str, str] = {}
        self.open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.open = tag

    def handle_endtag(self, tag: str) -> None:
        del tag
        self.open = ""

    def handle_data(self, data: str) -> None:
        if self.open in {"script", "style"}:
            self.inline[self.open] = self.inline.get(self.open, "") + data


def elements() -> Elements:
    parser = Elements()
    parser.feed(Page.load().document.body.decode())
    return parser


def test_the_page_loads_nothing_from_anywhere() -> None:
    for tag, attributes in elements().found:
        for name in ("src", "href", "action"):
            value = attributes.get(name)
            assert value is None or re.match(r"(/[a-z]|#|data:,$)", value), (tag, name, value)
    assert not re.search(rb"@import|url\(|//cdn|https?://(?!example\.org)", Page.load().document.body)


def test_the_policy_names_exactly_the_script_and_style_of_the_page() -> None:
    page = Page.load()
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        digest = b64encode(sha256(elements().inline[tag].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in page.policy
    assert "default-src 'none'" in page.policy
    assert "unsafe" not in page.policy


def test_no_element_brings_a_script_or_style_that_the_policy_would_forbid() -> None:
    for tag, attributes in elements().found:
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag


def test_nothing_of_the_server_is_ever_parsed_as_markup() -> None:
    script = elements().inline["script"]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser", script
    )


def test_everything_that_can_be_filled_in_has_a_label() -> None:
    found = elements().found
    labels = {attributes.get("for") for tag, attributes in found if tag == "label"}
    assert all(attributes.get("id") in labels for tag, attributes in found if tag in ("input", "textarea", "select"))
    assert ("html", {"lang": "en"}) in found
