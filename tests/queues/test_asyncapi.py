import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft7Validator

from dragoman.contract.function import Contract
from dragoman.core.call import Reply
from dragoman.core.fault import InvalidArgument
from dragoman.queues.answer import DEAD
from dragoman.queues.asyncapi import build
from dragoman.queues.consumer import Consumer
from dragoman.queues.message import Outgoing
from dragoman.queues.options import QueueOptions
from dragoman.testing.broker import MemoryBroker
from tests.queues.around import Function, Host

JUDGE = Path(__file__).parent / "asyncapi"
Y = {"type": "object", "properties": {"z": {"$ref": "#"}}}
PRICE = Contract(
    "price",
    description="What it costs.",
    input={
        "type": "object",
        "properties": {"x": {"type": "array", "prefixItems": [{"type": "string"}]}, "y": {"$ref": "#/$defs/Y"}},
        "$defs": {"Y": Y},
    },
    output={"type": "number"},
)
FUNCTIONS = {
    "shop.price": PRICE,
    "shop.lines": Contract("lines", streaming=True, output={"type": "string"}),
    "shop.image": Contract("image", raw_input=True, raw_output=True),
}
PLACES: dict[str, Any] = {"source": "in", "to": "out", "faults": "faults", "dead": "dead"}
EXCHANGE: dict[str, Any] = {**PLACES, "to": "/exchanges/x/y"}
QUEUES = [
    QueueOptions("redis", "redis://user:hunter2@h:1/2", function="shop.price", **PLACES),
    QueueOptions("rabbit", "amqps://user:hunter2@h/vh", function="shop.lines", **EXCHANGE),
    QueueOptions("kafka", "kafkas://user:hunter2@h,g:9?mechanism=SCRAM-SHA-512", function="shop.image", **PLACES),
    QueueOptions("plain", "kafka://user:hunter2@h", function="shop.price", **PLACES),
    QueueOptions("nats", "nats://h", function="gone.away", **PLACES),
    QueueOptions("mqtt", "mqtts://[::1]:3", format="cloudevents", function="shop.price", **PLACES),
    QueueOptions("any", "redis://h", **PLACES),
    QueueOptions("a socket, or so", "unix:///run/valkey", to="out"),
    QueueOptions("tasks", "redis://h", "from {here}", function="shop.price", becomes="task", to="ends"),
]


def judged(document: Any) -> tuple[list[Any], str]:
    """What the AsyncAPI initiative's own parser says of a document: what is wrong, and what it has found."""
    if not (JUDGE / "node_modules").exists():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=JUDGE, check=True, capture_output=True, timeout=300)
    node = shutil.which("node") or "node"
    done = subprocess.run(
        [node, JUDGE / "judge.mjs"], input=json.dumps(document), capture_output=True, text=True, timeout=60, check=True
    )
    *wrong, found = done.stdout.splitlines()
    return [each for each in map(json.loads, wrong) if each["code"] != "asyncapi-latest-version"], found


@pytest.mark.needs("node", "npm")
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("queues", "found"), [(QUEUES, "31 31 73"), ([], "0 0 0")])
def test_the_document_is_valid(queues: list[QueueOptions], found: str) -> None:
    assert judged(build("shop", "3", queues, FUNCTIONS)) == ([], found)


def test_no_secret_is_in_it() -> None:
    text = json.dumps(build("shop", "3", QUEUES, FUNCTIONS))
    assert "hunter2" not in text
    assert "user:" not in text


def test_several_servers_of_one_queue_are_one_with_all_their_hosts_and_no_secret() -> None:
    queues = [QueueOptions("nats", "nats://one:1,nats://user:hunter2@two", function="shop.price", **PLACES)]
    assert build("shop", "3", queues, FUNCTIONS)["servers"] == {
        "nats1": {
            "host": "one:1,two:4222",
            "protocol": "nats",
            "security": [{"$ref": "#/components/securitySchemes/userPassword"}],
        }
    }


def test_what_a_host_reads_it_receives_and_what_it_writes_it_sends() -> None:
    operations = build("shop", "3", QUEUES[:1], FUNCTIONS)["operations"]
    assert {name: each["action"] for name, each in operations.items()} == {
        "redis_in": "receive",
        "redis_out": "send",
        "redis_faults": "send",
        "redis_dead": "send",
    }


def test_messages_have_the_schemas_of_the_function_in_words_of_draft_7() -> None:
    document = build("shop", "3", QUEUES[:1], FUNCTIONS)
    messages, schemas = document["components"]["messages"], document["components"]["schemas"]
    assert messages["redis_call"]["payload"] == {"$ref": "#/components/schemas/shop.price.Input"}
    assert schemas["shop.price.Input"]["properties"]["x"] == {"type": "array", "items": [{"type": "string"}]}
    assert messages["redis_result"]["payload"] == {"$ref": "#/components/schemas/shop.price.Output"}


def test_a_queue_of_events_has_no_bare_messages_and_others_have_both() -> None:
    messages = build("shop", "3", QUEUES, FUNCTIONS)["components"]["messages"]
    assert "mqtt_call" not in messages
    assert {"mqtt_call_event", "mqtt_call_event_binary", "redis_call", "redis_call_event"} <= messages.keys()
    assert {"kafka_call_raw", "kafka_call", "kafka_result", "tasks_end"} <= messages.keys()
    assert not {"redis_call_raw", "tasks_end_event", "tasks_result"} & messages.keys()


def test_a_stream_of_results_is_one_array() -> None:
    messages = build("shop", "3", QUEUES, FUNCTIONS)["components"]["messages"]
    assert messages["rabbit_result"]["payload"]["type"] == "array"


def test_a_message_that_names_its_function_says_which_there_are() -> None:
    headers = build("shop", "3", QUEUES, FUNCTIONS)["components"]["messages"]["any_call"]["headers"]
    assert headers["allOf"][1]["properties"]["dragoman-function"]["enum"] == sorted(FUNCTIONS)


def test_queues_of_one_server_share_it() -> None:
    queues = [QueueOptions(name, "redis://h", source=name, function="shop.price") for name in ("a", "b")]
    assert list(build("shop", "3", queues, FUNCTIONS)["servers"]) == ["redis1"]


@pytest.mark.parametrize(
    ("queue", "prefix"),
    [("redis", "ce-"), ("nats", "ce-"), ("rabbit", "cloudEvents:"), ("kafka", "ce_"), ("mqtt", "")],
)
def test_binary_events_have_the_headers_that_the_binding_of_their_broker_says(queue: str, prefix: str) -> None:
    messages = build("shop", "3", QUEUES, FUNCTIONS)["components"]["messages"]
    for kind in ("call", "result", "fault"):
        message = messages[f"{queue}_{kind}_event_binary"]
        carried = message["headers"]["allOf"][1] if kind == "call" else message["headers"]
        assert carried["required"] == [f"{prefix}{name}" for name in ("specversion", "id", "source", "type")]
        assert f"{prefix}correlationid" in carried["properties"]
        assert message["correlationId"]["location"].endswith(f"#/{prefix}correlationid")


def test_every_broker_has_calls_results_problems_and_dead_letters() -> None:
    document = build("shop", "3", QUEUES, FUNCTIONS)
    servers = {name: each["protocol"] for name, each in document["servers"].items()}
    found = {
        (servers[channel["servers"][0]["$ref"].rpartition("/")[2]], name.rpartition("_")[2])
        for name, channel in document["channels"].items()
    }
    brokers = {"redis", "amqps", "kafka", "kafka-secure", "nats", "secure-mqtt"}
    assert {(broker, role) for broker in brokers for role in ("in", "out", "faults", "dead")} <= found
    messages = document["components"]["messages"]
    dead = messages["redis_dead"]["headers"]["$ref"].rpartition("/")[2]
    assert set(document["components"]["schemas"][dead]["required"]) == DEAD


def told(document: Any, name: str, outgoing: Outgoing) -> None:
    """See that a message is as the document says."""
    message = document["components"]["messages"][name]
    headers = {**outgoing.headers}
    media = headers.pop("content-type", "application/json")
    assert message["contentType"] == media
    schemas = {"components": document["components"]}
    Draft7Validator({**message["headers"], **schemas}).validate(headers)
    Draft7Validator({"allOf": [message["payload"]], **schemas}).validate(json.loads(outgoing.body))
    assert headers.keys() <= names_of(message["headers"], document)


def names_of(schema: Any, document: Any) -> set[str]:
    """The headers that a schema tells of."""
    if "$ref" in schema:
        return names_of(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    found = set(schema.get("properties", ()))
    return found.union(*(names_of(each, document) for each in schema.get("allOf", ())))


@pytest.mark.parametrize("shape", ["bare", "structured", "binary"])
async def test_what_a_consumer_sends_is_as_the_document_says(shape: str) -> None:
    options = QueueOptions("redis", "redis://h", function="shop.price", **PLACES)
    document = build("shop", "3", [options], FUNCTIONS)
    outcomes = iter((Reply(b"1.5"), InvalidArgument("no")))
    function = Function(lambda call: next(outcomes))
    host, broker = Host({"shop.price": function}), MemoryBroker()
    consuming = asyncio.ensure_future(Consumer(options, broker, host.around()).run())
    event = {"specversion": "1.0", "id": "7", "source": "/x", "type": "y", "correlationid": "c"}
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    for body in (b'{"x":[]}', b'{"x":["a"]}'):
        if shape == "structured":
            whole = json.dumps({**event, **trace, "data": json.loads(body)}).encode()
            broker.send(whole, {"content-type": "application/cloudevents+json"})
        elif shape == "binary":
            broker.send(body, {f"ce-{name}": text for name, text in (event | trace).items()})
        else:
            broker.send(body, trace)
    async with asyncio.timeout(10):
        while not {"out", "faults", "dead"} <= broker.places.keys():  # noqa: ASYNC110 - the broker is a test's own
            await asyncio.sleep(0.001)
    consuming.cancel()
    end = {"bare": "", "structured": "_event", "binary": "_event_binary"}[shape]
    told(document, f"redis_result{end}", broker.places["out"][0])
    told(document, f"redis_fault{end}", broker.places["faults"][0])
    schema = document["components"]["schemas"]["DeadHeaders"]
    Draft7Validator(schema).validate(dict(broker.places["dead"][0].headers))
