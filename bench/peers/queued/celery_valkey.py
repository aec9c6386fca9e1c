"""Celery on Valkey, two processes, acknowledging late, results kept there too: at least once, as ours."""

from celery import Celery

from bench.noted import note

PROMISES = "at least once with acks_late: what a dead worker had is seen again after an hour, as it comes"
WORKERS = 2


def _celery(place: str) -> Celery:
    app = Celery("bench", broker=place, backend=place)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
    )
    app.task(name="note")(note)
    return app


def prepare(place: str) -> None:
    """Nothing is to be made."""
    _celery(place).connection_for_write().ensure_connection(max_retries=3).release()


def work(place: str) -> None:
    """Run tasks."""
    app = _celery(place)
    app.worker_main(["worker", f"--concurrency={WORKERS}", "--loglevel=ERROR", "--without-mingle", "--without-gossip"])


def sender(place: str) -> object:
    """Send one."""
    app = _celery(place)

    def send(file: str, sent_at: float) -> None:
        app.send_task("note", (file, sent_at))

    return send
