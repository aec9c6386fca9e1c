"""The settings of the layers around a function, and the options that they make.

They may stand in `[defaults]`, at a source and at a function, and are merged key by key: what stands nearer to the
function comes first. A layer is there where any of its keys is; `X = false` switches off what is written farther away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from dragoman import policies
from dragoman.config.kinds import Duration, Flag, Kind, Names, Size, Text, Whole
from dragoman.config.measures import Codes, Json, Number, OneCode, Rate, percentile, share
from dragoman.config.setting import ALL, EXEC, GB, KB, Setting
from dragoman.tasks.options import TaskOptions

if TYPE_CHECKING:
    from dragoman.config.written import Writings
    from dragoman.policies.batch import BatchOptions
    from dragoman.policies.breaker import BreakerOptions
    from dragoman.policies.bulkhead import BulkheadOptions
    from dragoman.policies.cache import CacheOptions
    from dragoman.policies.chaos import ChaosOptions
    from dragoman.policies.coalesce import CoalesceOptions
    from dragoman.policies.fallback import FallbackOptions
    from dragoman.policies.hedge import HedgeOptions
    from dragoman.policies.idempotency import IdempotencyOptions
    from dragoman.policies.rate import RateOptions
    from dragoman.policies.retry import RetryOptions
    from dragoman.policies.shed import ShedOptions

    Options: TypeAlias = (
        BatchOptions
        | BreakerOptions
        | BulkheadOptions
        | CacheOptions
        | ChaosOptions
        | CoalesceOptions
        | FallbackOptions
        | HedgeOptions
        | IdempotencyOptions
        | RateOptions
        | RetryOptions
        | ShedOptions
    )

BURSTS = {"limit": "burst", "caller_limit": "caller_burst", "total_limit": "total_burst"}
"""The limits of a rate, and what may come at once of each."""
IN_FLIGHT_MAX = 1_000_000
"""Calls in flight of one function; more than sockets that one process may have."""
ENTRIES_MAX = 100_000_000
MEMORY_MAX = 1024 * GB
PROPERTY = Names(Text("the name of a property of the input"))
FUNCTION_NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,63}(\.[A-Za-z_][A-Za-z0-9_-]{0,127})?"


Row: TypeAlias = tuple[str, str, Kind, str, str]
"""Key, field of the options, kind, default, and what it is for."""


def _layer(
    name: str, about: str, short: str, *rows: Row, default: str = "true where any of its keys is set"
) -> tuple[Setting, ...]:
    """The settings of one layer; `short` is the key that a value in place of the table stands for."""
    modes = ALL - {EXEC} if name == "batch" else ALL
    enabled = Setting(f"{name}.enabled", Flag(), default, about, f"layers.{name}.", modes, short=True)
    return (
        enabled,
        *(
            Setting(f"{name}.{key}", kind, default, about, f"layers.{name}.{field}", modes, short=key == short)
            for key, field, kind, default, about in rows
        ),
    )


RETRY = _layer(
    "retry",
    "Whether calls that fail in a way that may pass are tried again.",
    "attempts",
    ("attempts", "attempts", Whole(1, 100), "3", "Attempts in all, the first included."),
    (
        "base",
        "base_s",
        Duration("1ms", "1m"),
        "50ms",
        "The first pause; each is longer, and a random part of it is waited.",
    ),
    ("max", "max_s", Duration("1ms", "1h"), "2s", "The longest pause."),
    ("budget", "budget", share(), "0.1", "The share of the calls that may be retries."),
    ("on", "on", Codes(), '["RESOURCE_EXHAUSTED", "UNAVAILABLE", "ABORTED"]', "Faults that are tried again."),
)
BREAKER = _layer(
    "breaker",
    "Whether a function that fails too often is left alone for a while.",
    "",
    ("window", "window_s", Duration("100ms", "1h"), "10s", "How far back calls are looked at."),
    ("calls", "calls_min", Whole(1, 1_000_000), "20", "Calls in the window before anything is concluded."),
    ("failure_rate", "failure_rate", share(0.01), "0.5", "The share of faults at which it opens."),
    ("slow", "slow_s", Duration("1ms", "30d"), "none", "A call that takes longer is slow."),
    ("slow_rate", "slow_rate", share(0.01), "0.5", "The share of slow calls at which it opens."),
    ("open", "open_s", Duration("1ms", "1d"), "5s", "How long it stays open before calls are tried."),
    (
        "probes",
        "probes",
        Whole(1, 10_000),
        "3",
        "Calls at a time that try whether it is over; as many in a row close it.",
    ),
)
RATE = _layer(
    "rate",
    "Whether the calls that come in are limited by time.",
    "limit",
    ("limit", "limit", Rate(), "none", "Calls of the function."),
    ("burst", "burst", Whole(1, IN_FLIGHT_MAX), "one second's worth", "Calls of the function that may come at once."),
    ("caller_limit", "caller_limit", Rate(), "none", "Calls of one caller to the function."),
    ("caller_burst", "caller_burst", Whole(1, IN_FLIGHT_MAX), "one second's worth", "Those that may come at once."),
    ("total_limit", "total_limit", Rate(), "none", "Calls of one caller to all functions that set this."),
    ("total_burst", "total_burst", Whole(1, IN_FLIGHT_MAX), "one second's worth", "Those that may come at once."),
    ("shared", "shared", Flag(), "false", "Whether all hosts of the project count together, in `[shared]`."),
    ("callers", "callers_max", Whole(1, 10_000_000), "10000", "Callers told apart; those not seen for longest go."),
)
BULKHEAD = _layer(
    "bulkhead",
    "Whether calls in flight are bounded.",
    "concurrency",
    ("concurrency", "concurrency", Whole(1, IN_FLIGHT_MAX), "none", "Calls that run at a time."),
    ("queue", "queue", Whole(0, IN_FLIGHT_MAX), "1000", "Calls that may wait for their turn; one more is refused."),
    (
        "caller_share",
        "caller_share",
        share(0.001),
        "1",
        "The share of the places, and of the queue, that one caller may have.",
    ),
)
SHED = _layer(
    "shed",
    "Whether calls are turned away as latency grows, the least important first.",
    "",
    ("least", "least", Whole(1, IN_FLIGHT_MAX), "8", "The lowest limit of calls in flight."),
    ("most", "most", Whole(1, IN_FLIGHT_MAX), "1000", "The highest."),
    ("first", "first", Whole(1, IN_FLIGHT_MAX), "100", "The limit to begin with."),
    (
        "tolerance",
        "tolerance",
        Number(1.0, 100.0),
        "1.5",
        "How many times its long-term value latency may be before the limit falls.",
    ),
    ("normal", "normal", share(0.01), "0.9", "The share of the limit that calls of normal priority may fill."),
    ("batch", "batch", share(0.01), "0.5", "The share of the limit that calls of batch priority may fill."),
)
CACHE = _layer(
    "cache",
    "Whether answers of an idempotent function are kept.",
    "ttl",
    ("ttl", "ttl_s", Duration("1ms", "365d"), "1m", "How long an answer is given again."),
    ("stale", "stale_s", Duration("1ms", "365d", off=True), "0s", "How much longer, while it is computed anew."),
    (
        "stale_if_error",
        "stale_if_error_s",
        Duration("1ms", "365d", off=True),
        "0s",
        "How much longer, where that fails.",
    ),
    (
        "negative",
        "negative_s",
        Duration("1ms", "1d", off=True),
        "0s",
        "How long a fault of the caller's making is given again.",
    ),
    ("entries", "entries_max", Whole(1, ENTRIES_MAX), "10000", "Answers kept in memory."),
    ("memory", "bytes_max", Size(KB, MEMORY_MAX), "64MB", "Memory for them."),
    ("key", "key", PROPERTY, "[]", "The properties of the input that tell calls apart; none named is all."),
    ("tags", "tags", Names(Text("a tag")), "[]", "Names to invalidate answers by."),
    ("shared", "shared", Flag(), "false", "Whether answers are kept in `[shared]` too, for all hosts."),
)
COALESCE = _layer(
    "coalesce",
    "Whether identical calls in flight of an idempotent function run once.",
    "",
    ("key", "key", PROPERTY, "[]", "The properties of the input that tell calls apart; none named is all."),
    ("waiting", "waiting_max", Whole(1, IN_FLIGHT_MAX), "100000", "Callers that may wait for one answer."),
)
BATCH = _layer(
    "batch",
    "Whether calls of a function that takes a list are gathered into one.",
    "max",
    ("max", "items_max", Whole(2, 100_000), "64", "Calls gathered at most."),
    ("delay", "delay_s", Duration("1ms", "1m", off=True), "2ms", "How long the first of them waits for others."),
)
HEDGE = _layer(
    "hedge",
    "Whether a call of an idempotent function that takes long gets a second attempt beside the first.",
    "",
    (
        "percentile",
        "percentile",
        percentile(),
        "95",
        "How many percent of the calls are quicker than one that gets it.",
    ),
    ("delay_min", "delay_min_s", Duration("1ms", "1h", off=True), "1ms", "It begins no sooner."),
    ("budget", "budget", share(), "0.05", "The share of the calls that may have one."),
)
FALLBACK = _layer(
    "fallback",
    "Whether there is another answer where the function fails.",
    "function",
    (
        "function",
        "function",
        Text("a function's full name", FUNCTION_NAME),
        "none",
        "The function that answers instead, with the same input.",
    ),
    ("value", "value", Json(), "none", "The answer itself."),
    (
        "on",
        "on",
        Codes(),
        '["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"]',
        "Faults for which there is one.",
    ),
)
IDEMPOTENCY = _layer(
    "idempotency",
    "Whether a call that repeats an `Idempotency-Key` gets the first answer again.",
    "ttl",
    ("ttl", "ttl_s", Duration("1s", "365d"), "1h", "How long answers are kept."),
    ("entries", "entries_max", Whole(1, ENTRIES_MAX), "10000", "Answers kept in memory."),
    ("memory", "bytes_max", Size(KB, MEMORY_MAX), "64MB", "Memory for them."),
    ("shared", "shared", Flag(), "false", "Whether they are kept in `[shared]`, for all hosts."),
)
CHAOS = _layer(
    "chaos",
    "Whether faults are made on purpose; needs `project.chaos = true`.",
    "",
    ("latency", "latency", share(), "0", "The share of calls that are delayed."),
    ("latency_for", "latency_s", Duration("1ms", "1h"), "100ms", "By how much."),
    ("fault", "fault", share(), "0", "The share of calls that fail."),
    ("code", "code", OneCode(), '"UNAVAILABLE"', "With which code."),
    ("kill", "kill", share(), "0", "The share of calls whose worker is killed."),
    ("stop", "stop", share(), "0", "The share of calls whose worker is frozen."),
    ("drop", "drop", share(), "0", "The share of calls whose frame is lost."),
    ("corrupt", "corrupt", share(), "0", "The share of calls whose frame is spoilt."),
    ("memory", "memory", share(), "0", "The share of calls beside which memory is used up."),
    ("cpu", "cpu", share(), "0", "The share of calls beside which processors are used up."),
    ("exhaust_for", "exhaust_s", Duration("1ms", "1h"), "1s", "For how long."),
)

TABLES: Mapping[str, tuple[Setting, ...]] = {
    "fallback": FALLBACK,
    "rate": RATE,
    "idempotency": IDEMPOTENCY,
    "cache": CACHE,
    "coalesce": COALESCE,
    "shed": SHED,
    "retry": RETRY,
    "hedge": HEDGE,
    "breaker": BREAKER,
    "chaos": CHAOS,
    "bulkhead": BULKHEAD,
    "batch": BATCH,
}
"""The settings of each layer, in the order in which a call meets them."""

TASK = _layer(
    "task",
    "Whether the function may be called as a task: stored before it runs.",
    "attempts",
    ("attempts", "attempts", Whole(1, 1000), "3", "Attempts in all, the first included."),
    (
        "base",
        "base_s",
        Duration("1ms", "1d"),
        "1s",
        "The first pause between attempts; each is longer, and a random part of it is waited.",
    ),
    ("max", "max_s", Duration("1ms", "30d"), "5m", "The longest pause."),
    (
        "on",
        "on",
        Codes(),
        '["RESOURCE_EXHAUSTED", "UNAVAILABLE", "ABORTED"]',
        "Faults after which there is another attempt.",
    ),
    ("timeout", "timeout_s", Duration("1ms", "30d"), "the function's timeout", "How long one attempt may take."),
    (
        "deadline",
        "deadline_s",
        Duration("1ms", "365d"),
        "1d",
        "How long all of it may take, waiting included, from when it may first run.",
    ),
    (
        "concurrency",
        "concurrency",
        Whole(0, IN_FLIGHT_MAX),
        "0",
        "Tasks of the function that run at a time, on all hosts together; 0 for as many as there is room for.",
    ),
    default="true",
)
"""What holds where a function is called as a task. No layer: any function may be, unless it says `task = false`."""
LAYERS = tuple(setting for table in TABLES.values() for setting in table)
GROUPS: Mapping[str, tuple[Setting, ...]] = {**TABLES, "task": TASK}
"""Inner tables of a function's own."""


def options_class(layer: str) -> Callable[..., Options]:
    """What makes the options of a layer. Its module is imported with it: a host does without those that are not set."""
    return getattr(policies, f"{layer.capitalize()}Options")


REQUIRED: Mapping[str, tuple[str, ...]] = {
    "rate": ("rate.limit", "rate.caller_limit", "rate.total_limit"),
    "bulkhead": ("bulkhead.concurrency",),
    "fallback": ("fallback.function", "fallback.value"),
}
"""Layers that do nothing without one of these."""


def options_of(writings: Writings, *, bounded: bool = False) -> dict[str, Options]:
    """The options of each layer that the settings of one function switch on, in the order of the stack.

    `bounded` says that its source bounds calls by its own `concurrency`, which then is that of the bulkhead.
    """
    return {
        name: _options(name, writings)
        for name in TABLES
        if is_on(name, writings) and (is_whole(name, writings) or (bounded and name == "bulkhead"))
    }


def is_on(layer: str, writings: Writings) -> bool:
    """Whether a layer is switched on: by any of its keys that is nearer to the function than a `false`."""
    keys = [writings[setting.key].level for setting in GROUPS[layer][1:] if setting.key in writings]
    enabled = writings.get(f"{layer}.enabled")
    if enabled is None or enabled.value:
        return enabled is not None or bool(keys)
    return any(level > enabled.level for level in keys)


def is_whole(layer: str, writings: Writings) -> bool:
    """Whether it has what it cannot do without."""
    return layer not in REQUIRED or any(key in writings for key in REQUIRED[layer])


def _options(layer: str, writings: Writings) -> Options:
    values = {
        setting.field.rpartition(".")[2]: writings[setting.key].value
        for setting in TABLES[layer][1:]
        if setting.key in writings
    }
    if layer == "fallback" and {"function", "value"} <= values.keys():
        farther = min(("function", "value"), key=lambda key: writings[f"fallback.{key}"].level)
        del values[farther]
    return options_class(layer)(**(DERIVED.get(layer, _nothing)(values) | values))


def task_options(writings: Writings) -> TaskOptions:
    """How a function's tasks are run."""
    values = {
        setting.field.rpartition(".")[2]: writings[setting.key].value for setting in TASK[1:] if setting.key in writings
    }
    known = TaskOptions()
    values.setdefault("base_s", min(known.base_s, values.get("max_s", known.base_s)))
    values.setdefault("max_s", max(known.max_s, values["base_s"]))
    return TaskOptions(enabled="task.enabled" not in writings or is_on("task", writings), **values)


def _nothing(_: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _of_retry(values: Mapping[str, Any]) -> dict[str, Any]:
    """Bounds that nobody set follow those that somebody did, rather than contradict them."""
    known = policies.RetryOptions()
    least, most = known.base_s, known.max_s
    return {"base_s": min(least, values.get("max_s", least)), "max_s": max(most, values.get("base_s", most))}


def _of_rate(values: Mapping[str, Any]) -> dict[str, Any]:
    """As many calls at once as a second may have."""
    from dragoman.policies.bucket import second_of  # noqa: PLC0415 - for projects that limit rates, as all of a layer is

    limited = {burst: values.get(limit) for limit, burst in BURSTS.items()}
    return {burst: second_of(limit) for burst, limit in limited.items() if limit}


def _of_shed(values: Mapping[str, Any]) -> dict[str, Any]:
    known = policies.ShedOptions()
    set_first = values.get("first", known.first)
    least = min(known.least, values.get("most", known.least), set_first)
    most = max(known.most, values.get("least", known.most), set_first)
    first = min(max(known.first, values.get("least", least)), values.get("most", most))
    batch, normal = min(known.batch, values.get("normal", 1.0)), max(known.normal, values.get("batch", 0.0))
    return {"least": least, "most": most, "first": first, "batch": batch, "normal": normal}


DERIVED: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "rate": _of_rate,
    "retry": _of_retry,
    "shed": _of_shed,
}
