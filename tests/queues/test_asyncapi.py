import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dragoman.contract.function import Contract
from dragoman.queues.asyncapi import build
from dragoman.queues.options import QueueOptions

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
    "shop.image": Contract("image", raw_output=True),
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
@pytest.mark.parametrize(("queues", "found"), [(QUEUES, "31 31 52"), ([], "0 0 0")])
def test_the_document_is_valid(queues: list[QueueOptions], found: str) -> None:
    assert judged(build("shop", "3", queues, FUNCTIONS)) == ([], found)


def test_no_secret_is_in_it() -> None:
    text = json.dumps(build("shop", "3", QUEUES, FUNCTIONS))
    assert "hunter2" not in text
    assert "user:" not in text


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
    assert {"mqtt_call_event", "redis_call", "redis_call_event"} <= messages.keys()


def test_a_stream_of_results_is_one_array() -> None:
    messages = build("shop", "3", QUEUES, FUNCTIONS)["components"]["messages"]
    assert messages["rabbit_result"]["payload"]["type"] == "array"


def test_a_message_that_names_its_function_says_which_there_are() -> None:
    headers = build("shop", "3", QUEUES, FUNCTIONS)["components"]["messages"]["any_call"]["headers"]
    assert headers["allOf"][1]["properties"]["dragoman-function"]["enum"] == sorted(FUNCTIONS)


def test_queues_of_one_server_share_it() -> None:
    queues = [QueueOptions(name, "redis://h", source=name, function="shop.price") for name in ("a", "b")]
    assert list(build("shop", "3", queues, FUNCTIONS)["servers"]) == ["redis1"]
