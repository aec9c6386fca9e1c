import os

from dragoman.workers.progress import PAGE_BYTES, Progress


def test_the_page_tells_which_call_began_last() -> None:
    progress = Progress()
    assert progress.last_started() == 0
    os.pwrite(progress.fd, (1 << 40).to_bytes(8, "little"), 0)
    assert progress.last_started() == 1 << 40
    assert os.fstat(progress.fd).st_size == PAGE_BYTES
    progress.close()


def test_a_page_that_its_worker_has_cut_off_tells_nothing() -> None:
    progress = Progress()
    os.ftruncate(progress.fd, 3)
    assert progress.last_started() == 0
    progress.close()
