"""Sends what it is told to, line by line, and says what came of it; as programs in other languages beside it do."""

import sys
import threading
from typing import Any

import dragoman

EVENT = {"ce-specversion": "1.0", "ce-id": "17", "ce-source": "/shop", "ce-type": "order", "ce-subject": "é"}
HEADERS = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "dragoman-deadline": "2099-01-01T00:00:00Z",
    "dragoman-priority": "critical",
    "idempotency-key": "order-17",
    "correlation-id": "a\r\nb ☕",
}


def table(producer: Any) -> None:
    producer.send("table", {"item": "tea", "count": 2, "note": None, "lines": [], "more": {}})
    producer.send("table", 'é ☕ <&> " \\ / \n \t \x01 \x7f \u2028 😀')
    producer.send("table", [0, -1, 9007199254740993, 18446744073709551615, 1.5, -0.25, 0.1, True, False, None])
    producer.send("table")
    producer.send("table", b"\x00\xff\r\n")
    producer.send("table", b"1", {"content-type": "application/json"})
    producer.send("table", {"item": "tea"}, HEADERS)
    producer.send("table", {"item": "tea"}, EVENT)
    producer.send("table", {"item": "tea"}, EVENT | HEADERS)
    producer.send_all("table", ["a", "b"])


def crowd(producer: Any, stream: str, threads: int, count: int) -> None:
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for each in range(count):
                producer.send(stream, number * count + each)
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failed.append(error)

    working = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for each in working:
        each.start()
    for each in working:
        each.join()
    if failed:
        raise failed[0]


def main() -> None:
    producer = dragoman.producer(sys.argv[1], keep=int(sys.argv[2]))
    for line in sys.stdin:
        verb, stream, number, count = line.split()
        try:
            if verb == "table":
                table(producer)
            elif verb == "send":
                producer.send(stream, int(number))
            elif verb == "all":
                producer.send_all(stream, range(int(count)))
            elif verb == "crowd":
                crowd(producer, stream, int(number), int(count))
            elif verb == "heavy":
                producer.send_all(stream, [bytes(int(number))] * int(count))
            elif verb == "large":
                producer.send(stream, bytes(int(number)))
            elif verb == "close":
                producer.close()
            sys.stdout.write("ok\n")
        except dragoman.Fault as fault:
            sys.stdout.write(f"{fault.code} {fault.started} {fault.detail}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
