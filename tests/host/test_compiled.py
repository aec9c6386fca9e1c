import signal
import subprocess
import sys
from pathlib import Path

from dragoman.host.compiled import PREFIX, Compiled, sweep

HOST = """
import sys, time
from pathlib import Path
from dragoman.host.compiled import Compiled
kept = Compiled(Path(sys.argv[1]))
(kept.folder / "code").write_text("1")
print(kept.folder, flush=True)
time.sleep(600)
"""


def test_a_folder_is_for_one_user_and_goes_when_it_is_closed(tmp_path: Path) -> None:
    kept = Compiled(tmp_path)
    assert kept.folder.stat().st_mode & 0o777 == 0o700
    (kept.folder / "code").touch()
    kept.close()
    kept.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_host_left_is_removed_by_the_next_and_what_others_hold_is_not(tmp_path: Path) -> None:
    others = Compiled(tmp_path)
    with subprocess.Popen([sys.executable, "-c", HOST, str(tmp_path)], stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        left = Path(host.stdout.readline().strip())
        sweep(tmp_path)
        assert (left / "code").exists(), "its host runs"
        host.send_signal(signal.SIGKILL)
    assert left.exists()
    sweep(tmp_path)
    following = Compiled(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted((others.folder, following.folder))
    following.close()
    others.close()


def test_what_only_bears_the_name_is_left_alone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "mine"
    elsewhere.mkdir()
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    before = sorted(tmp_path.iterdir())
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == before
