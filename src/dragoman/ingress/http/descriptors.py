"""Room for connections: each takes a file descriptor, and many systems give a process 1,024 unless it asks for more."""

from __future__ import annotations

import resource

RESERVE = 256
"""Descriptors left for everything else: sources, workers with their pipes, the log."""


def room_for(connections: int) -> int:
    """Ask for as many descriptors as that takes; return how many connections really fit.

    Only the soft limit is raised. Workers do not inherit it: they start from a spawner that was there before, and have
    limits of their own.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else min(connections, max(soft - RESERVE, soft // 4, 1))
