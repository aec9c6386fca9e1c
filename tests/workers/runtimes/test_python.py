import sys
from pathlib import Path

from dragoman.sandbox.confinement import Limits
from dragoman.workers.runtimes import python


def test_a_python_worker_runs_the_guest_in_its_projects_folder_with_its_own_environment() -> None:
    limits = Limits(files=64)
    launch = python.launch(Path("/p/stats.py"), Path("/p"), {"A": "1", "MALLOC_TRIM_THRESHOLD_": "5"}, limits)
    assert launch.argv == (sys.executable, "-P", "-m", "dragoman.guest")
    assert (launch.cwd, launch.limits, launch.entry) == ("/p", limits, "")
    assert launch.env["DRAGOMAN_SOURCE"] == "/p/stats.py"
    assert (launch.env["A"], launch.env["MALLOC_TRIM_THRESHOLD_"]) == ("1", "5")
