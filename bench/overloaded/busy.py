"""Functions that take 5 ms, of a clock or of a processor."""

import time

WORK_S = 0.005


def wait() -> int:
    """Take 5 ms and no processor: as many at a time as there are workers."""
    time.sleep(WORK_S)
    return 1


def burn() -> int:
    """Take 5 ms of a processor."""
    until = time.process_time() + WORK_S
    while time.process_time() < until:
        pass
    return 1
