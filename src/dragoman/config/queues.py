"""The tables `[queues.NAME]`: brokers as a way in for calls, and a place for results."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from dragoman.config.environment import Address
from dragoman.config.kinds import Duration, Text, Whole
from dragoman.config.layers import FUNCTION_NAME
from dragoman.config.measures import Codes
from dragoman.config.problem import Refused
from dragoman.config.setting import NAME, Setting
from dragoman.queues.address import asked
from dragoman.queues.options import KINDS, QueueOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.config.document import Document, Values
    from dragoman.stores.options import StoreOptions

QUEUES_MAX = 1000
"""Each has connections of its own."""
PREFETCH_MAX = 10_000
ATTEMPTS_MAX = 100
KEEP_MAX = 1_000_000_000

ADDRESS = Text(
    "an address such as redis://127.0.0.1:6379, nats://…, amqp://…, kafka://… or mqtt://…",
    rf"(?:{'|'.join(KINDS)})://\S+",
)
PLACE = Text("the name of a stream, queue, subject or topic, printable and without spaces", r"[!-~]{1,250}")
"""Kafka allows 249 characters; nobody has longer ones."""


class BrokerAddress(Address):
    """The address of a broker."""

    def read(self, value: object) -> str:
        """The address."""
        address = super().read(value)
        try:
            parts = urlsplit(address)
            if "," not in parts.netloc and parts.port == 0:
                raise ValueError  # noqa: TRY301 - one way out for every reason
        except ValueError:
            # It may hold a password.
            raise Refused(f"expected {self.text.expected}") from None
        try:
            asked(address, KINDS[parts.scheme])
        except ValueError as error:
            raise Refused(str(error)) from None
        return address


QUEUE = (
    Setting(
        "url",
        BrokerAddress(ADDRESS),
        "that of `[shared]`",
        "Where the broker is: Redis or Valkey (`redis://`, `rediss://`, `unix://`), NATS (`nats://`, `tls://`), "
        "RabbitMQ (`amqp://`, `amqps://`), Kafka (`kafka://`, `kafkas://`) or MQTT (`mqtt://`, `mqtts://`). "
        "`${NAME}` stands for a variable of the host's environment.",
        "url",
    ),
    Setting(
        "from",
        PLACE,
        "none",
        "What is read: a stream, queue, subject or topic. None, and the queue is only written to.",
        "source",
    ),
    Setting(
        "group",
        Text("a name of letters, digits, dots, dashes and underscores", r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"),
        "the project's name",
        "Hosts of one group share the messages; each group gets all of them.",
        "group",
    ),
    Setting(
        "function",
        Text("a function's full name such as stats.correlation", FUNCTION_NAME),
        "the one that each message names",
        "The function that messages are calls of. Without it, whoever writes to the queue may call any.",
        "function",
    ),
    Setting(
        "as",
        Text(choices=("call", "task")),
        '"call"',
        "What a message becomes. A `call` is acknowledged when its result is safe, a `task` when it is stored.",
        "becomes",
    ),
    Setting(
        "format",
        Text(choices=("json", "cloudevents")),
        '"json"',
        "What messages are. `json`: inputs, or CloudEvents where one says that it is. `cloudevents`: events only, and "
        "results are events too.",
        "format",
    ),
    Setting("to", PLACE, "none", "Where results go, on the same broker; none, and they are dropped.", "to"),
    Setting(
        "faults",
        PLACE,
        "none",
        "Where the problem documents of messages that were given up go; it may be the same as `to`.",
        "faults",
    ),
    Setting(
        "dead",
        PLACE,
        "the table's name and `.dead`",
        "Where messages go that were given up, as they came, with the problem in their headers.",
        "dead",
    ),
    Setting(
        "prefetch",
        Whole(1, PREFETCH_MAX),
        "256",
        "Messages fetched at most beyond those that can run at once. Of slow functions, fewer are.",
        "prefetch",
    ),
    Setting(
        "attempts",
        Whole(1, ATTEMPTS_MAX),
        "3",
        "How often a message is tried, the first time included, before it is given up.",
        "attempts",
    ),
    Setting(
        "base", Duration("1ms", "1h"), "1s", "The bound of the first pause between attempts; it doubles.", "base_s"
    ),
    Setting("max", Duration("1ms", "1d"), "5m", "The longest pause between attempts.", "max_s"),
    Setting(
        "on",
        Codes(),
        '["RESOURCE_EXHAUSTED", "UNAVAILABLE", "ABORTED"]',
        "Faults after which there is another attempt.",
        "on",
    ),
    Setting(
        "lease",
        Duration("1s", "1h"),
        "30s",
        "After so long without a sign of life of a host, others take its messages.",
        "lease_s",
    ),
    Setting(
        "keep",
        Whole(0, KEEP_MAX),
        "1000000",
        "Messages kept in `to`, `faults` and `dead`, about, where that is a host's to say; 0 for all.",
        "keep",
    ),
    Setting(
        "trim",
        Text(choices=("none", "handled")),
        '"none"',
        "`handled`: what all groups have handled is dropped from the stream that is read.",
        "trim",
    ),
)


def read_queues(
    document: Document,
    project: str,
    shared: StoreOptions | None,
    missing: Callable[[str], str],
) -> dict[str, QueueOptions]:
    """The queues of a file. `missing` says why no function has a name, "" where one may have it."""
    tables = document.table(("queues",))
    if len(tables) > QUEUES_MAX:
        document.refuse(("queues",), f"expected at most {QUEUES_MAX} queues, found {len(tables)}")
        return {}
    queues: dict[str, QueueOptions] = {}
    for name, table in tables.items():
        place = ("queues", name)
        if re.fullmatch(NAME, name) is None:
            document.refuse(place, "a queue's name is a letter or _, then up to 63 letters, digits, _ or -")
        elif not isinstance(table, dict):
            document.refuse(place, f'expected a table such as [queues.{name}] with from = "{name}"')
        else:
            problems = len(document.problems)
            values = document.read(place, QUEUE)
            options = _options(name, project, shared, values)
            _check(document, place, values, options)
            if "function" in values and (why := missing(options.function)):
                document.refuse(values["function"].path, f"{options.function!r}: {why}")
            if len(document.problems) == problems:
                queues[name] = options
    return queues


def _options(name: str, project: str, shared: StoreOptions | None, values: Values) -> QueueOptions:
    fields: dict[str, Any] = {
        "url": "" if shared is None else shared.url,
        "group": project,
        **{each.field: values[each.key].value for each in QUEUE if each.key in values},
    }
    if "source" in fields:
        fields.setdefault("dead", f"{name}.dead")
    if "trim" in fields:
        fields["trim"] = fields["trim"] == "handled"
    return QueueOptions(name, **fields)


READING = ("group", "function", "as", "faults", "dead", "prefetch", "attempts", "base", "max", "on", "lease", "trim")
"""What means nothing to a queue that is only written to."""


def _check(document: Document, place: tuple[str, str], values: Values, options: QueueOptions) -> None:
    """Note what cannot stand together."""
    table = document.table(place)
    if not options.url and "url" not in table:
        document.refuse(place, 'needs a url (url = "redis://127.0.0.1:6379"), here or in [shared]')
    if not options.source and not options.to and not {"from", "to"} & table.keys():
        document.refuse(place, 'needs from (what is read), or to (what is written), such as from = "orders"')
    if "from" not in table:
        for key in READING:
            if key in values:
                document.refuse(values[key].path, "is about messages that are read, and nothing is: add from")
    if options.base_s > options.max_s:
        key = "max" if "max" in values else "base"
        document.refuse(values[key].path, "the first pause is longer than the longest")
    for key in ("to", "faults", "dead"):
        place_of = {"to": options.to, "faults": options.faults, "dead": options.dead}[key]
        if options.source and place_of and overlaps(options, place_of):
            where = values[key].path if key in values else place
            message = f"{place_of!r} is read by this queue itself ({options.source!r}): messages would go in a circle"
            document.refuse(where, message)


def overlaps(options: QueueOptions, place: str) -> bool:
    """Whether what goes to a place comes back from what is read; NATS and MQTT read by patterns."""
    try:
        kind = options.kind
    except KeyError:
        return False
    pattern = PATTERNS.get(kind)
    return options.source == place if pattern is None else matches(options.source, place, pattern)


class Pattern(NamedTuple):
    """What parts words, what stands for one of them, what for all that follow, and how many those are at least."""

    between: str
    one: str
    rest: str
    rest_min: int


PATTERNS: Mapping[str, Pattern] = {"nats": Pattern(".", "*", ">", 1), "mqtt": Pattern("/", "+", "#", 0)}


def matches(source: str, place: str, by: Pattern) -> bool:
    """Whether a place is of what is read."""
    pattern, words = source.split(by.between), place.split(by.between)
    for position, part in enumerate(pattern):
        if part == by.rest:
            return len(words) - position >= by.rest_min
        if position >= len(words) or part not in (by.one, words[position]):
            return False
    return len(pattern) == len(words)
