"""DBOS, on SQLite or on Postgres, one process, its queue as its documentation has it: polled once a second."""

from dbos import DBOS, DBOSClient, DBOSConfig

from bench.noted import note

PROMISES = "at least once, from the last step that was recorded; queues are polled, once a second as it comes"
VERSION = "1"


def _launch(place: str) -> None:
    DBOS(config=DBOSConfig(name="bench", system_database_url=place, application_version=VERSION, log_level="WARNING"))
    DBOS.workflow(name="note")(note)
    DBOS.launch()
    DBOS.register_queue("bench")


def prepare(place: str) -> None:
    """Make the tables."""
    _launch(place)
    DBOS.destroy()


def work(place: str) -> None:
    """Run tasks."""
    import threading  # noqa: PLC0415 - for this role alone

    _launch(place)
    threading.Event().wait()


def sender(place: str) -> object:
    """Send one."""
    client = DBOSClient(system_database_url=place, application_name="bench")

    def send(file: str, sent_at: float) -> None:
        client.enqueue({"workflow_name": "note", "queue_name": "bench", "app_version": VERSION}, file, sent_at)

    return send
