"""Every queue that tasks are measured beside can be prepared, run and sent to, and says what it promises."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from bench.comparisons import postgres, tasks
from bench.outcome import Plan
from bench.queueing import Peer, theirs
from bench.runs import Runs

MODULES = sorted({*(module for module, _ in tasks.FILES.values()), *tasks.VALKEY.values(), *postgres.PEERS.values()})


@pytest.mark.parametrize("name", MODULES)
def test_peer_has_all_its_parts(name: str) -> None:
    peer = importlib.import_module(f"bench.peers.queued.{name}")
    assert all(callable(getattr(peer, part)) for part in ("prepare", "work", "sender"))
    assert peer.PROMISES


def test_peer_runs_what_it_is_sent(tmp_path: Path) -> None:
    peer = Peer("huey_sqlite", str(tmp_path / "one.db"), str(tmp_path / "two.db"))
    with theirs(peer, tmp_path, Plan(turns=1, seconds=0.2, calls=1, quick=True)) as turn:
        figures = turn()
    assert set(figures) == {"submit_s", "whole_s", "start_ms"}
    assert all(value > 0 for value in figures.values())
    assert Runs(tmp_path / "runs").count() > 0


def test_peer_that_fails_says_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="expected prepare, work, flood or singles"):
        Peer("huey_sqlite", str(tmp_path / "one.db"), "").run(str(tmp_path / "one.db"), "dance")
