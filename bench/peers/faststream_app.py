"""FastStream on Redis Streams, in a consumer group, acknowledging, with the same handler: `… URL STREAM GROUP`.

The handler is asynchronous there, which spares it a thread for each message.
"""

import asyncio
import sys

from faststream import AckPolicy, FastStream
from faststream.redis import RedisBroker, StreamSub

from bench.noted import note

BATCH = 64


def main(url: str, stream: str, group: str) -> None:
    """Consume for ever."""
    broker = RedisBroker(url)

    @broker.subscriber(
        stream=StreamSub(stream, group=group, consumer="one", max_records=BATCH), ack_policy=AckPolicy.NACK_ON_ERROR
    )
    async def _note(file: str, sent_at: float) -> None:
        note(file, sent_at)

    asyncio.run(FastStream(broker).run(log_level=30))


if __name__ == "__main__":
    main(*sys.argv[1:])
