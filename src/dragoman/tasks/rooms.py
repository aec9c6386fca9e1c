"""What a runner may claim: as much as its pools have room for, of functions that may have something due.

A function of which a claim found less than was asked for is `dry` until something of it is heard; one whose tasks are
turned away is left alone for a while. Where tasks are short, some more are claimed than there are places, so that no
place stands empty while a claim is on its way: as many as end in the time of two claims, or of a hundredth of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.tasks.task import Want

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dragoman.tasks.pace import Pace
    from dragoman.tasks.works import Job, Room

AHEAD_MAX = 256
"""Tasks claimed ahead of a group's places. They wait for milliseconds, or are given back (`HELD_S_MIN`)."""
AHEAD_BYTES_MAX = 16 * 1024 * 1024
"""Their inputs are in memory: so much of them, by the mean of those before."""
CLAIMS_AHEAD = 2.0
CLAIM_S_MIN = 0.01
"""However quick claims are, a hundred a second do: each costs the store as much as several tasks."""
HELD_S_MIN = 0.5
"""What was claimed ahead and has found no place for so long, or for twice the time that it should have taken, waits for
something that takes longer than what ran before. To give it back costs the store as much as an outcome."""
WEIGHT = 0.2
"""Of the newest measure in a running mean: ten tasks later the old ones hardly count."""
PAUSE_S_MIN, PAUSE_S_MAX = 0.02, 5.0
"""How long a function is left alone whose tasks are refused: each time twice as long, until one is taken."""
GENTLE_S = 1.0
"""For so long after other calls were seen in a group, tasks leave them a part of the places."""
SHARE = 0.5
"""The part of a group's places that tasks may have while other calls come, and at least one place."""
REST = 9.0
"""Where other calls leave no place, one task at a time waits in line with them, and then rests for so many times as
long as it ran: a tenth of one place's time, so that tasks go on however much is called."""
REST_S_MIN, REST_S_MAX = 0.01, 60.0
LOOK_S = 0.01
"""How often to look whether other calls have left a place, while tasks wait for one: nobody tells."""


class Group:
    """The tasks of one source here: `running` hold places, `held` wait for one, `mine` have been called so far.

    `seen` counts the other calls that it had; `run_s` and `size`, the bytes of an input, are running means.
    """

    __slots__ = ("ended_at", "held", "mine", "others_at", "rests_until", "run_s", "running", "seen", "size")

    def __init__(self, offered: int) -> None:
        """`offered` counts the calls that came to it so far."""
        self.running = 0
        self.held = 0
        self.seen = offered
        self.mine = 0
        self.size = 0.0
        self.run_s = 0.0
        self.ended_at = self.others_at = self.rests_until = float("-inf")


class Rooms:
    """Room for tasks."""

    def __init__(
        self,
        jobs: Callable[[], Mapping[str, Job]],
        room: Callable[[str], Room],
        now: Callable[[], float],
        pace: Pace,
    ) -> None:
        self._jobs = jobs
        self._room = room
        self._now = now
        self._pace = pace
        self._groups: dict[str, Group] = {}
        self._live: set[str] = set()
        self._stirred: set[str] = set()
        self._paused: dict[str, tuple[float, float]] = {}
        self._turn = 0
        self.claim_s = 0.0

    # What is known of functions

    def renew(self) -> None:
        """Any function may have something due: after a start, or when there are other functions."""
        self._live = set(self._jobs())

    def stir(self, function: str) -> None:
        """A function may have something due."""
        self._live.add(function)
        self._stirred.add(function)

    def refused(self, function: str) -> float:
        """Leave a function alone, since it takes nothing now; for how many seconds."""
        until, pause_s = self._paused.get(function, (0.0, 0.0))
        now = self._now()
        if until > now:
            return until - now
        pause_s = min(2 * pause_s, PAUSE_S_MAX) if pause_s else PAUSE_S_MIN
        self._paused[function] = (now + pause_s, pause_s)
        self.stir(function)
        return pause_s

    def taken(self, function: str) -> None:
        """A function takes tasks."""
        self._paused.pop(function, None)

    def _awake(self, function: str) -> bool:
        paused = self._paused.get(function)
        return paused is None or paused[0] <= self._now()

    # Places

    def group(self, name: str) -> Group:
        """The tasks of a group."""
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = Group(self._room(name).offered)
        return group

    def free(self, name: str) -> int:
        """How many more tasks of a group may run now."""
        room, group = self._room(name), self.group(name)
        if not room.places:
            # Its source is not there any more: whoever calls for what waits here is told so, and gives it back.
            return group.held
        others, now = max(room.busy - group.running, 0), self._now()
        if room.offered - group.mine > group.seen:
            group.others_at, group.seen = now, room.offered - group.mine
        most = room.places - others
        if now - group.others_at < GENTLE_S:
            most = min(most, max(int(room.places * SHARE), 1))
        if most <= 0 and not group.running and now >= group.rests_until:
            return 1
        return max(most - group.running, 0)

    def taken_in(self, name: str, size: int) -> None:
        """A task with so large an input waits for a place."""
        group = self.group(name)
        group.held += 1
        group.size += WEIGHT * (size - group.size)

    def begun(self, name: str) -> None:
        """A task has its place, and is about to be called."""
        group = self.group(name)
        group.running += 1
        group.mine += 1
        self._pace.begun()

    def ended(self, name: str, run_s: float) -> None:
        """A task has left it."""
        group = self.group(name)
        group.running -= 1
        group.run_s += WEIGHT * (run_s - group.run_s)
        group.ended_at = self._now()
        group.rests_until = group.ended_at + min(max(REST * run_s, REST_S_MIN), REST_S_MAX)

    def claimed(self, seconds: float) -> None:
        """A claim took so long."""
        self.claim_s += WEIGHT * (seconds - self.claim_s)

    def patience_s(self) -> float:
        """How long what was claimed ahead may wait for its place."""
        return max(2 * self._ahead_s(), HELD_S_MIN)

    def misjudged(self, name: str) -> None:
        """What was claimed ahead has found no place: nothing more is, until a task of the group has ended."""
        self.group(name).ended_at = float("-inf")

    def _ahead_s(self) -> float:
        return CLAIMS_AHEAD * max(self.claim_s, CLAIM_S_MIN)

    def _ahead(self, name: str, group: Group) -> int:
        ahead_s = self._ahead_s()
        # Where none has ended for so long, those that run now are longer: what matters more than what is held may come.
        if group.run_s <= 0.0 or self._now() - group.ended_at > ahead_s:
            return 0
        places = self._room(name).places
        most = min(AHEAD_MAX, int(AHEAD_BYTES_MAX / max(group.size, 1.0)))
        return min(int(places * ahead_s / group.run_s), most)

    # Claims

    def wants(self) -> list[Want]:
        """What to claim now."""
        jobs = self._jobs()
        by_group: dict[str, list[str]] = {}
        for function in sorted(self._live):
            job = jobs.get(function)
            if job is not None and self._awake(function):
                by_group.setdefault(job.group, []).append(function)
        self._turn += 1
        self._stirred.clear()
        left = self._pace.allowance() if by_group else None
        groups, wants = list(by_group), list[Want]()
        for name in turned(groups, self._turn):
            found = list(self._of_group(name, by_group[name], jobs, left))
            left = None if left is None else left - sum(want.count for want in found)
            wants += found
        return wants

    def _of_group(self, name: str, functions: list[str], jobs: Mapping[str, Job], most: int | None) -> Iterable[Want]:
        group = self.group(name)
        ahead = self._ahead(name, group)
        count = self.free(name) + ahead - group.held
        if count <= 0 or group.held > ahead // 2:
            return
        count = count if most is None else min(count, most)
        # Turn about: where there are fewer places than functions, others have theirs next time.
        least, more = divmod(count, len(functions))
        for index, function in enumerate(turned(functions, self._turn)):
            if share := least + (index < more):
                limit = jobs[function].options.concurrency
                yield Want(function, min(share, limit) if limit else share, limit)

    def found(self, wants: Iterable[Want], counts: Mapping[str, int]) -> None:
        """So many tasks were found of what was wanted."""
        self._pace.claimed(sum(counts.values()))
        for want in wants:
            if counts.get(want.function, 0) < want.count and want.function not in self._stirred:
                self._live.discard(want.function)

    def look_s(self) -> float | None:
        """In how many seconds there may be room that nobody tells of; None where nothing waits for any."""
        if any(group.held for group in self._groups.values()):
            return LOOK_S
        jobs, now = self._jobs(), self._now()
        waiting = [function for function in self._live if function in jobs]
        if not waiting:
            return None
        pauses = [max(self._paused[function][0] - now, 0.0) for function in waiting if not self._awake(function)]
        if len(pauses) == len(waiting):
            return min(pauses)
        return max(self._pace.wait_s(), LOOK_S) if self._pace.allowance() == 0 else LOOK_S


def turned(names: list[str], turn: int) -> list[str]:
    """The same, begun with another one each turn."""
    at = turn % len(names) if names else 0
    return names[at:] + names[:at]
