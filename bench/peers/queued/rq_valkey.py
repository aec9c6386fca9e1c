"""RQ on Valkey: two workers that run tasks themselves, which is its fastest way; as it comes it forks for each."""

from redis import Redis
from rq import Queue
from rq.worker import SimpleWorker
from rq.worker_pool import WorkerPool

from bench.noted import note

PROMISES = "a task whose worker dies is failed, and retried where that was asked for; results in Valkey"
WORKERS = 2


def prepare(place: str) -> None:
    """See that the server is there."""
    Redis.from_url(place).ping()


def work(place: str) -> None:
    """Run tasks."""
    pool = WorkerPool(["bench"], Redis.from_url(place), num_workers=WORKERS, worker_class=SimpleWorker)
    pool.start(logging_level="WARNING")


def sender(place: str) -> object:
    """Send one."""
    queue = Queue("bench", connection=Redis.from_url(place))

    def send(file: str, sent_at: float) -> None:
        queue.enqueue(note, file, sent_at)

    return send
