from pathlib import Path

import pytest

from dragoman.cli.drilling import refuse_remote, show
from dragoman.cli.outcome import Stop
from dragoman.config.drill import parse_drill

LOAD = '[[steps]]\n[[steps.calls]]\nfunction = "f"\n'


@pytest.mark.parametrize("more", ['priority = "batch"', "[steps.chaos.f]\nkill = 1", '[[steps.events]]\nkill = "f"'])
def test_what_takes_a_host_of_its_own_is_refused_for_one_that_runs(more: str) -> None:
    refuse_remote(parse_drill(Path("/x/d.toml"), LOAD.encode()), "d.toml")
    with pytest.raises(Stop, match="without --url"):
        refuse_remote(parse_drill(Path("/x/d.toml"), (LOAD + more).encode()), "d.toml")


def test_a_report_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"calls": 4, "success": 0.5, "codes": {"UNAVAILABLE": 2}, "started": {"no": 1, "yes": 0, "unknown": 1}}
    more = {"p50_ms": 1.0, "p99_ms": None, "held_back": 0, "counts": {"retries": 3, "chaos.kill": 2}}
    step = {"step": "s", "functions": [{"function": "f", **figures, **more}]}
    show({"steps": [step], "failed": ["s, f: no"], "leaks": {}})
    out, err = capsys.readouterr()
    assert out == "s\tf\t4\t50.00%\t2 UNAVAILABLE\t1\t0\t1\t1.000\t-\t3\t0\t2 kill\n"
    assert err == "FAILED s, f: no\n"
