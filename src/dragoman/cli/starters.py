"""The languages that `dragoman new` makes a project in, each with a call to try on it.

A language has a row here and a folder of templates: `templates/<language>/`, any tree of files that end in `.in`. In
them `$name` stands for the project's name and `$sdk` for the folder of the language's guest library; `$$` is a dollar
sign.
"""

from __future__ import annotations

TRIES = {
    "python": """hello.greet '{"name": "Ada"}'""",
    "go": """hello.greet '{"name": "Ada"}'""",
    "node": """hello.greet '{"name": "Ada"}'""",
    "typescript": """hello.greet '{"name": "Ada"}'""",
    "rust": """hello.greet '{"name": "Ada"}'""",
    "java": """hello.greet '{"name": "Ada"}'""",
    "exec": """words '{"text": "to be or not"}'""",
}
"""What follows `dragoman call`."""

LIBRARIES = {"typescript": "node"}
"""The guest library of a language, where it has another's."""
