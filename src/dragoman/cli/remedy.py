"""The command that installs what is missing."""

from __future__ import annotations

import re
import sys
from shlex import quote

PACKAGES = {
    "awk": "gawk",
    "convert": "imagemagick",
    "java": "default-jre-headless",
    "magick": "imagemagick",
    "node": "nodejs",
    "pdftotext": "poppler-utils",
    "psql": "postgresql-client",
    "python3": "python3",
    "rg": "ripgrep",
    "sqlite3": "sqlite3",
}
"""The Debian package of a program, where its name is another one."""

DISTRIBUTIONS = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "google.protobuf": "protobuf",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""The distribution of a Python module, where its name is another one."""

_MISSING_MODULE = re.compile(r"No module named '([A-Za-z_][\w.]*)'")


def missing_program(program: str) -> str:
    """How to get a program."""
    if "/" in program:
        return "put it there, or name another one in the project file"
    return f"apt-get install {quote(PACKAGES.get(program, program))}"


def missing_module(detail: str) -> str:
    """How to get the Python module that a source could not import; empty where that is not what is wrong."""
    found = _MISSING_MODULE.search(detail)
    if found is None:
        return ""
    module = found[1]
    name = DISTRIBUTIONS.get(module) or DISTRIBUTIONS.get(module.partition(".")[0]) or module.partition(".")[0]
    return f"{quote(sys.executable)} -m pip install {name}"
