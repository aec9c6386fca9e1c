from pathlib import Path

import pytest

from dragoman.cli.local import StderrJournal, hosted, log_line, unknown
from dragoman.config.load import load
from dragoman.core.event import Log, Progress
from dragoman.core.fault import Fault, NotFound
from tests.cli.commandline import SHOP

JAVA = """
public final class Work {
    public static void main(String[] arguments) {
        dev.dragoman.Dragoman.function("one", Void.class, Integer.class, (none, context) -> 1);
        dev.dragoman.Dragoman.run();
    }
}
"""


async def test_a_function_is_there_before_a_slower_source(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    async with hosted(load([SHOP, tmp_path / "slow.py"]), StderrJournal()) as local:
        entry = await local.entry("shop.double")
        assert entry.target.name == "shop.double"
        assert local.host.registry.sources["slow"].contracts == ()


@pytest.mark.needs("javac")
async def test_a_call_waits_for_builds_as_its_function_may_need_them(tmp_path: Path) -> None:
    (tmp_path / "Work.java").write_text(JAVA)
    async with hosted(load([SHOP, tmp_path / "Work.java"]), StderrJournal(quiet=True)) as local:
        assert local.host.registry.sources["Work"].building
        await local.entry("shop.double")
        assert not local.host.registry.sources["Work"].building


async def test_names_that_are_wrong_are_told_from_sources_that_are(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1 / 0\n")
    async with hosted(load([SHOP, tmp_path / "bad.py"]), StderrJournal(quiet=True)) as local:
        with pytest.raises(NotFound, match=r"did you mean shop\.double"):
            await local.entry("shop.doubel")
        with pytest.raises(NotFound, match="there are: "):
            await local.entry("elsewhere.f")
        with pytest.raises(Fault, match="ZeroDivisionError"):
            await local.entry("bad.f")
        assert "ZeroDivisionError" in (await local.started())["bad"].detail


def test_a_long_list_of_names_is_cut() -> None:
    assert unknown("zz", [f"s.f{number:03}" for number in range(100)]).detail.endswith("s.f019, …")


def test_what_functions_say_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    journal = StderrJournal()
    journal.event("s", 1, None, Log("printed \x1b[0m", stream="stdout"))
    journal.event("s", 1, None, Log("said", "error", fields={"n": 1}))
    journal.event("s", 1, None, Progress(2.0, "over"))
    journal.note("warning", "worker lost", "s", 1)
    journal.note("info", "worker retired", "s", 1)
    journal.finish()
    assert capsys.readouterr().err == "printed \\x1b[0m\nerror: said n=1\n100% over\ns: worker lost\n"


def test_a_build_is_told_step_by_step_and_its_lines_only_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = StderrJournal(quiet=True)
    journal.note("info", "building: go build", "s", 0)
    journal.event("s", 0, None, Progress(0.0, "compiling \x1b[2J"))
    assert capsys.readouterr().err == "s: building: go build\n"
    monkeypatch.setattr("dragoman.cli.local.on_terminal", bool)  # any stream is true
    journal.event("s", 0, None, Progress(0.0, "compiling \x1b[2J"))
    journal.note("info", "built in 2.0s", "s", 0)
    assert capsys.readouterr().err == "\rs: compiling \\x1b[2J\ns: built in 2.0s\n"


def test_a_quiet_journal_says_only_what_goes_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    journal = StderrJournal(quiet=True)
    journal.event("s", 1, None, Log("printed", stream="stdout"))
    journal.note("warning", "worker lost", "s", 1)
    assert capsys.readouterr().err == "s: worker lost\n"


def test_a_printed_line_is_left_as_it_is() -> None:
    assert log_line(Log("x", stream="stderr")) == "x"
