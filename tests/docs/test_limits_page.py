"""Every number on the page of limits is the code's own, and every setting beside it exists."""

from __future__ import annotations

import inspect

import pytest

import dragoman
from dragoman.building import builder, cache, files
from dragoman.client import endpoint, exchange, hop, posting
from dragoman.client import failure as client_failure
from dragoman.client.value import GATHERED_BYTES_MAX
from dragoman.config import document, load, queues, schedules, settings
from dragoman.config.project import BUILD_TIMEOUT_S_DEFAULT, OUTPUT_BYTES_MAX_DEFAULT, TIMEOUT_S_DEFAULT
from dragoman.contract import check, docstring, function, manifest, nesting, parameters, query
from dragoman.core import items, problem, terms
from dragoman.core.units import format_duration, format_size
from dragoman.guest import nested, output, printed, reports, template
from dragoman.host import assemble, errands
from dragoman.ingress import holding
from dragoman.ingress.http import answering, feed, head, later, tasks
from dragoman.ingress.http.options import HttpOptions
from dragoman.policies import batch, budget, fallback, idempotency, key, retry, shared
from dragoman.policies import cache as answers
from dragoman.policies.bulkhead import BulkheadOptions
from dragoman.policies.cache import CacheOptions
from dragoman.policies.rate import RateOptions
from dragoman.queues import answer, cloudevents, consumer, outlet, producer, redis_streams, window
from dragoman.queues.options import QueueOptions
from dragoman.sandbox.confinement import Limits
from dragoman.stores.options import StoreOptions
from dragoman.tasks import courier, resolver, rooms, run, schedule, scheduler
from dragoman.tasks.options import TaskOptions, TasksOptions
from dragoman.tasks.stores.postgres import PostgresOptions
from dragoman.tasks.stores.sqlite.options import Options as SqliteOptions
from dragoman.tasks.task import BODY_BYTES_MAX, DELIVERED_BYTES_MAX, NOTES_MAX, US
from dragoman.tasks.tasks import CHILDREN_MAX
from dragoman.telemetry import line, log, writer
from dragoman.upstream import child, http, intake, request, schema
from dragoman.upstream import document as openapi_document
from dragoman.upstream.options import CONCURRENCY_DEFAULT
from dragoman.upstream.rpc import pool, protoc, reflection
from dragoman.wire import handshake, meta
from dragoman.workers import scaling, upkeep
from dragoman.workers.options import PoolOptions
from dragoman.workers.runtimes.runtime import GUEST_CONCURRENCY
from tests.docs.tables import ROOT, bare

PAGE = "docs/reference/limits.md"
HTTP, POOL, POSTGRES = HttpOptions(), PoolOptions(), PostgresOptions("postgres://")

BOUNDS = {
    "a request's body": format_size(HTTP.body_bytes_max),
    "a request's head": format_size(HTTP.header_bytes_max),
    "path and query": format_size(head.TARGET_BYTES_MAX),
    "connections at a time": f"{HTTP.connections_max:,}",
    "time to send the head": format_duration(HTTP.header_timeout_s),
    "time to send the body": format_duration(HTTP.body_timeout_s),
    "time that an idle connection is kept": format_duration(HTTP.keep_alive_s),
    "time that a reply may lie unread": format_duration(HTTP.write_timeout_s),
    "bodies of the largest size held at a time": f"{holding.HELD_BODIES}",
    "their bytes, or four of the largest if that is more": format_size(holding.HELD_BYTES_MAX),
    "requests that wait behind another on one connection": f"{answering.PIPELINE_MAX}",
    "values in a query string": f"{query.PAIRS_MAX:,}",
    "time for calls in flight after SIGTERM": format_duration(HTTP.shutdown_grace_s),
    "time that anybody is kept waiting for a task": format_duration(later.WAIT_S_MAX),
    "tasks of one page": f"{tasks.PAGE_MAX:,}",
    "how far ahead a delay or a deadline may be": format_duration(terms.AHEAD_S_MAX),
    "events kept for those who follow a task and read slowly": f"{feed.EVENTS_MAX:,}",
    "their text": format_size(feed.EVENT_BYTES_MAX),
    "a call's time, waiting included": format_duration(TIMEOUT_S_DEFAULT),
    "calls that wait for one source": f"{POOL.queue:,}",
    "calls inside one worker, or to one service": (
        f"{POOL.concurrency} for Python, {CONCURRENCY_DEFAULT} for a service, else {GUEST_CONCURRENCY}"
    ),
    "body of a call": format_size(POOL.body_bytes_max),
    "the largest body that any setting allows": format_size(settings.BODY_BYTES_MAX),
    "a stream's bytes ahead of its reader": format_size(handshake.CREDIT_BYTES),
    "nesting of a value": f"{nesting.DEPTH_MAX} levels",
    "breaches in one answer": f"{check.BREACHES_MAX}",
    "a fault's detail": f"{problem.DETAIL_CHARS_MAX:,} characters",
    "depth of a chain of `ctx.call`": f"{meta.DEPTH_MAX}",
    "a stream gathered by `ctx.call`": format_size(items.GATHERED_BYTES_MAX),
    "its items": f"{nested.ITEMS_MAX:,}",
    "callers that a rate tells apart": f"{RateOptions().callers_max:,}",
    "calls that wait in a bulkhead": f"{BulkheadOptions().queue:,}",
    "answers that a cache keeps": f"{CacheOptions().entries_max:,}",
    "memory for the answers of a cache": format_size(CacheOptions().bytes_max),
    "answers computed anew in the background at a time": f"{answers.REFRESHES_MAX}",
    "a body that is told apart from others": format_size(key.WHOLE_BYTES_MAX),
    "callers that wait for one run": f"{answers.WAITING_MAX:,}",
    "answers kept for idempotency keys": f"{idempotency.IdempotencyOptions().entries_max:,}",
    "memory for the answers of idempotency keys": format_size(idempotency.IdempotencyOptions().bytes_max),
    "repeats that wait for a call with their key": f"{idempotency.WAITING_MAX}",
    "an answer in the store that hosts share": format_size(shared.BYTES_MAX),
    "time that a call waits for the store": format_duration(StoreOptions("").timeout_s),
    "the pause before another attempt, of a call without a deadline": format_duration(retry.PAUSE_S_MAX),
    "attempts that good times save up": f"{budget.TOKENS_MAX:g}",
    "functions that stand in for one another": f"{fallback.DEPTH_MAX}",
    "a body that is gathered": format_size(batch.CALL_BYTES_MAX),
    "bodies gathered into one": format_size(batch.BYTES_MAX),
    "batches that gather at a time": f"{batch.OPEN_MAX}",
    "time of each step of a build": format_duration(BUILD_TIMEOUT_S_DEFAULT),
    "builds at a time": f"{assemble.BUILD_JOBS_MAX}",
    "files that a source is made of": f"{files.FILES_MAX:,}",
    "their size": format_size(files.BYTES_MAX),
    "builds kept of one source": f"{cache.BUILDS_MAX}",
    "time that a build is kept unused": format_duration(cache.UNUSED_S_MAX),
    "what a tool says, in a fault": f"{builder.DETAIL_CHARS_MAX:,} characters",
    "workers kept ready": f"{POOL.workers_min}",
    "time that a spare worker may be idle": format_duration(POOL.idle_s),
    "time to be ready": format_duration(POOL.start_timeout_s),
    "time to give up a cancelled call": format_duration(POOL.cancel_grace_s),
    "time for calls in flight at a reload": format_duration(POOL.drain_timeout_s),
    "pause between failed starts, at most": format_duration(scaling.BACKOFF_MAX_S),
    "time to answer a ping while idle": format_duration(upkeep.PONG_S),
    "open descriptors of each process": f"{Limits().files:,}",
    "the project file": format_size(document.FILE_BYTES_MAX),
    "sources of a project": f"{load.SOURCES_MAX:,}",
    "functions of a source": f"{manifest.FUNCTIONS_MAX:,}",
    "characters of a function's name": f"{function.NAME_CHARACTERS_MAX}",
    "parameters of a function": f"{parameters.PARAMETERS_MAX}",
    "a schema": format_size(manifest.SCHEMA_BYTES_MAX),
    "characters of a description": f"{docstring.DOCSTRING_CHARACTERS_MAX:,}",
    "what a call prints on standard output": format_size(OUTPUT_BYTES_MAX_DEFAULT),
    "one argument": f"{template.ARGUMENT_BYTES_MAX:,} bytes",
    "arguments of a call": f"{template.ARGUMENTS_MAX:,}",
    "standard error kept as log, a call": format_size(printed.LOG_BYTES_MAX),
    "standard error quoted in a fault": format_size(printed.TAIL_BYTES_MAX),
    "a reply, or an item of a stream, of a service": format_size(OUTPUT_BYTES_MAX_DEFAULT),
    "an OpenAPI document": format_size(openapi_document.DOCUMENT_BYTES_MAX),
    "references that lead to references": f"{openapi_document.HOPS_MAX}",
    "types that an operation leads to": f"{schema.DEFINITIONS_MAX:,}",
    "levels of a type": f"{schema.DEPTH_MAX}",
    "parameters of an operation": f"{intake.PARAMETERS_MAX}",
    "the URL of a request to a service": f"{request.URL_CHARACTERS_MAX:,} characters",
    "redirects in a row, on one host": f"{http.REDIRECTS_MAX}",
    "a problem document of a service": format_size(client_failure.PROBLEM_BYTES_MAX),
    "time that an idle connection to a service is kept": format_duration(hop.IDLE_S_MAX),
    "services that a gRPC server tells of": f"{reflection.SERVICES_MAX:,}",
    "files that describe a gRPC service": f"{pool.FILES_MAX:,}",
    "time to read a `.proto`": format_duration(protoc.COMPILE_S_MAX),
    "time of one look at a service's health": format_duration(child.ASK_S_MAX),
    "a callback's URL": f"{terms.CALLBACK_CHARS_MAX:,} characters",
    "attempts of a task": f"{TaskOptions().attempts}",
    "time of a whole task, from when it may first run": format_duration(TaskOptions().deadline_s),
    "its input, its result": f"{format_size(BODY_BYTES_MAX)}, and what a call may have",
    "the body of a message that a producer sends": format_size(producer.BODY_BYTES_MAX),
    "places that a Python producer sends to": f"{producer.PLACES_MAX}",
    "queues of a project": f"{queues.QUEUES_MAX:,}",
    "messages in hand beyond those that run": f"{QueueOptions('', '').prefetch}",
    "of these, what ends within": format_duration(window.HORIZON_S),
    "bodies of messages in hand, about": format_size(consumer.HELD_BYTES_MAX),
    "messages fetched at a time": f"{consumer.BATCH}",
    "attempts at a message": f"{QueueOptions('', '').attempts}",
    "messages that wait for another attempt": f"{consumer.WAITING_MAX:,}",
    "refused messages that are held": f"{consumer.HELD_MAX}",
    "times that one message alone is refused": f"{consumer.REFUSALS_MAX}",
    "time without a sign of a host that has messages": format_duration(QueueOptions("", "").lease_s),
    "messages kept in `to`, `faults` and `dead`": f"{QueueOptions('', '').keep:,}",
    "pause between tries to reach a broker": format_duration(consumer.PAUSE_S_MAX),
    "attributes of an event": f"{cloudevents.ATTRIBUTES_MAX}",
    "a problem in a header": f"{answer.PROBLEM_CHARS_MAX:,} characters",
    "fields of an entry of Redis that is sent": f"{redis_streams.FIELDS_MAX:,}",
    "messages that wait to be published to a queue": f"{outlet.WAITING_MAX:,}",
    "tasks that wait": f"{TasksOptions().backlog:,}",
    "time that tasks which have ended are kept": format_duration(TasksOptions().keep_s),
    "tasks that have ended and are kept": f"{TasksOptions().keep_count:,}",
    "time without a sign of a host": format_duration(TasksOptions().lease_s),
    "lines kept of one task": f"{NOTES_MAX:,}",
    "one of these lines": f"{run.LINE_CHARS_MAX:,} characters",
    "a stream that a task gives": format_size(items.GATHERED_BYTES_MAX),
    "tasks claimed ahead of the workers of a source": f"{rooms.AHEAD_MAX}",
    "their inputs": format_size(rooms.AHEAD_BYTES_MAX),
    "tasks that one `tasks.submit` makes, that one `tasks.gather` waits for": f"{errands.GATHER_MAX:,}",
    "tasks below one that are cancelled with it": f"{CHILDREN_MAX:,}",
    "time that another process may hold the SQLite file": format_duration(SqliteOptions().busy_s),
    "connections of a host to Postgres, beside one that listens": f"{POSTGRES.connections}",
    "time that one is waited for": format_duration(POSTGRES.patience_s),
    "time to make one": format_duration(POSTGRES.connect_s),
    "time for Postgres to answer": format_duration(POSTGRES.timeout_s),
    "operations that wait for their turn in Postgres": f"{POSTGRES.waiting_max:,}",
    "time after which what was missed is looked up": format_duration(POSTGRES.look_s),
    "time of one attempt of a callback": format_duration(TasksOptions().callback_timeout_s),
    "attempts of a callback": f"{TasksOptions().callback_attempts}",
    "the pause between two of them": format_duration(courier.CourierOptions().pause_s_max),
    "callbacks in hand at a time": f"{courier.CourierOptions().in_hand}",
    "callbacks under way to one address": f"{courier.CourierOptions().share}",
    "a result within a message": format_size(DELIVERED_BYTES_MAX),
    "what is read of an endpoint's answer": format_size(posting.READ_BYTES_MAX),
    "time that it is read for": format_duration(posting.READ_S_MAX),
    "names that are looked up at a time": f"{resolver.THREADS_MAX}",
    "schedules of a project": f"{schedules.SCHEDULES_MAX:,}",
    "missed moments that are caught up with": f"{schedule.CATCH_UP_MAX:,}",
    "time after which a moment is missed": format_duration(schedule.ON_TIME_US / US),
    "time that a clock which was set is not noticed": format_duration(scheduler.LOOK_S),
    "what a Python call prints and logs": format_size(output.QUOTA_BYTES),
    "one line of it": format_size(output.LINE_BYTES_MAX),
    "lines that the workers of a source log, a second": f"{log.OUTPUT_RATE_PER_S:g}",
    "faults of a function that are logged, a second": f"{log.FAULT_RATE_PER_S:g}",
    "one line of the host's log": format_size(line.LINE_BYTES_MAX),
    "log that waits for a slow reader": format_size(writer.HELD_BYTES_MAX),
    "pause between reports of progress": format_duration(reports.PROGRESS_S_MIN),
    "a reply, or an item of a stream": format_size(GATHERED_BYTES_MAX),
    "a stream gathered by `call`": format_size(GATHERED_BYTES_MAX),
    "calls in flight to one host, by HTTP": f"{endpoint.CONNECTIONS_MAX}",
    "time to connect": format_duration(exchange.CONNECT_S_MAX),
    "time that a function's contract is remembered": format_duration(endpoint.LISTED_S),
}
"""What the page calls each bound, and what the code says it is."""

DEFAULTS = {
    **{f"queues.{setting.key}": setting.default for setting in settings.QUEUE},
    **{f"http.{setting.key}": setting.default for setting in settings.HTTP},
    **{f"shared.{setting.key}": setting.default for setting in settings.SHARED},
    **{f"tasks.{setting.key}": setting.default for setting in settings.TASKS},
    **{setting.key: setting.default for setting in settings.SOURCE},
    "reply_bytes_max": format_size(inspect.signature(dragoman.connect).parameters["reply_bytes_max"].default),
}
"""The default of each setting that the page may name, as it is documented elsewhere."""


def rows() -> list[list[str]]:
    """The rows of every table on the page."""
    lines = (ROOT / PAGE).read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in cells if row[0] != "What" and not row[0].startswith("---")]


def test_the_page_and_the_code_name_the_same_bounds() -> None:
    said = {row[0]: row[1] for row in rows()}
    assert len(said) == len(rows())
    assert said == BOUNDS


@pytest.mark.parametrize("row", [row for row in rows() if row[2]], ids=lambda row: bare(row[2]))
def test_the_setting_beside_a_bound_exists_and_has_it_as_its_default(row: list[str]) -> None:
    assert DEFAULTS[bare(row[2])].replace(",", "") == row[1].replace(",", "")


def test_bursts_are_those_of_the_code() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    assert f"after {log.OUTPUT_BURST} at once" in text
    assert f"after {log.FAULT_BURST} at once" in text


def test_more_time_for_more_bytes_is_that_of_the_code() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    assert f"a second longer for each {format_size(int(POSTGRES.bytes_per_s))}" in text
