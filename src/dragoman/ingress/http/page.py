"""The page for people at `/docs`: one file that needs no internet, made once from the assets beside this module.

It reads `/openapi.json` and writes everything as text, never as markup. Its policy names its own script and style by
their hashes and forbids every other, so that even a docstring that got through could not run.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

from dragoman.ingress.http.documents import Document


@dataclass(frozen=True, slots=True)
class Page:
    """The page and its `Content-Security-Policy`."""

    document: Document
    policy: str

    @classmethod
    def load(cls) -> Page:
        """Put the page together from its assets."""
        assets = files("dragoman.ingress.http") / "static"
        markup, style, script = (
            (assets / name).read_text(encoding="utf-8") for name in ("docs.html", "docs.css", "docs.js")
        )
        body = markup.replace("/*STYLE*/", style).replace("/*SCRIPT*/", script)
        policy = "; ".join(
            (
                "default-src 'none'",
                f"script-src {_hash(script)}",
                f"style-src {_hash(style)}",
                "connect-src 'self'",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            )
        )
        return cls(Document.of(body.encode()), policy)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
