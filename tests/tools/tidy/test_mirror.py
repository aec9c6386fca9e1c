from typing import TYPE_CHECKING

import pytest

from tools.tidy.mirror import check_mirror, has_logic, mirror_place

if TYPE_CHECKING:
    from tests.tools.conftest import MakeProject

LOGIC = "def work(a):\n    return a + 1\n"
TEST = "def test_it_works(): ...\n"


def test_a_module_with_logic_needs_its_own_test_file(make_project: "MakeProject") -> None:
    project = make_project({"src/pkg/room/thing.py": LOGIC})
    assert [finding.remedy for finding in check_mirror(project)] == ["add tests/room/test_thing.py"]


def test_a_test_file_without_tests_does_not_count(make_project: "MakeProject") -> None:
    project = make_project({"src/pkg/room/thing.py": LOGIC, "tests/room/test_thing.py": "import pytest\n"})
    assert [finding.path for finding in check_mirror(project)] == ["tests/room/test_thing.py"]


def test_a_mirrored_module_passes(make_project: "MakeProject") -> None:
    assert not list(check_mirror(make_project({"src/pkg/room/thing.py": LOGIC, "tests/room/test_thing.py": TEST})))


@pytest.mark.parametrize(
    ("place", "mirror"),
    [
        ("src/pkg/contract/codecs/json.py", "tests/contract/codecs/test_json.py"),
        ("src/pkg/thing.py", "tests/test_thing.py"),
        ("src/pkg/room/_inner.py", "tests/room/test_inner.py"),
        ("src/pkg/guest/__main__.py", "tests/guest/test_main.py"),
        ("tools/tidy/sizes.py", "tests/tools/tidy/test_sizes.py"),
    ],
)
def test_the_mirror_stands_at_the_same_place(make_project: "MakeProject", place: str, mirror: str) -> None:
    assert mirror_place(next(iter(make_project({place: LOGIC})))) == mirror


@pytest.mark.parametrize(
    "text",
    [
        'class Port(Protocol):\n    def work(self) -> int:\n        """Work."""\n        ...\n',
        "class A:\n    def __init__(self, a):\n        self.a: int = a\n        self.c = None\n",
        "class Error(Exception):\n    def __init__(self, a):\n        super().__init__(a)\n        self.a = a\n",
        "LIMIT = 3\n",
    ],
)
def test_declarations_are_no_logic(make_project: "MakeProject", text: str) -> None:
    assert not has_logic(make_project({"src/pkg/thing.py": text}).package[0])


@pytest.mark.parametrize("text", [LOGIC, "class A:\n    def __init__(self, a):\n        self.a = open(a)\n"])
def test_anything_that_computes_is_logic(make_project: "MakeProject", text: str) -> None:
    assert has_logic(make_project({"src/pkg/thing.py": text}).package[0])
