from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.tidy.project import Project
from tools.tidy.purity import ENVIRONMENT, TIME, check_purity, find_unused_exceptions, is_within

if TYPE_CHECKING:
    from tests.tools.conftest import MakeProject


@pytest.mark.parametrize(
    "text",
    [
        'import os\nx = os.environ["A"]\n',
        'import os as system\nx = system.getenv("A")\n',
        "from os import environ\n",
        "import time\nx = time.monotonic()\n",
        "import time as clock\nx = clock.perf_counter_ns\n",
        "from time import time\n",
        "import datetime\nx = datetime.datetime.now()\n",
        "from datetime import datetime\nx = datetime.utcnow()\n",
    ],
)
def test_the_world_is_read_nowhere_else(make_project: "MakeProject", text: str) -> None:
    assert len(list(check_purity(make_project({"src/dragoman/host/thing.py": text})))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "import os\nx = os.sep\n",
        "import time\ntime.sleep(1)\n",
        "x = loop.time()\n",
        "from datetime import timedelta\n",
    ],
)
def test_what_is_not_the_world_passes(make_project: "MakeProject", text: str) -> None:
    assert not list(check_purity(make_project({"src/dragoman/host/thing.py": text})))


def test_the_owners_may_read_it(make_project: "MakeProject") -> None:
    files = {
        "src/dragoman/config/variables.py": "import os\nx = os.environ\n",
        "src/dragoman/core/clock.py": "import time\nnow = time.time\n",
    }
    assert not list(check_purity(make_project(files)))


def test_a_neighbour_with_a_similar_name_is_no_owner() -> None:
    assert is_within("dragoman.config.file", ("dragoman.config",))
    assert not is_within("dragoman.configuration", ("dragoman.config",))


def test_an_exception_holds_for_a_module_and_what_is_beneath_it(
    make_project: "MakeProject", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ENVIRONMENT, "exceptions", {"dragoman.room": "reads what its host set", "dragoman.gone": "was"})
    monkeypatch.setattr(TIME, "exceptions", {})
    text = "import os\nx = os.environ\n"
    project = make_project({"src/dragoman/room/thing.py": text, "src/dragoman/roomier.py": text})
    assert [finding.path for finding in check_purity(project)] == ["src/dragoman/roomier.py"]
    assert list(find_unused_exceptions(project)) == ["dragoman.gone no longer reads the environment"]


def test_every_exception_of_this_repository_is_needed() -> None:
    assert not list(find_unused_exceptions(Project(Path(__file__).parents[3])))
