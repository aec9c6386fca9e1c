"""The page of metrics holds what a running host exposes, and no more."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from dragoman.config.layers import TABLES, options_class
from dragoman.config.project import FunctionSettings, Source
from dragoman.contract.batch import Batch
from dragoman.contract.function import Contract
from dragoman.core.service import Pending
from dragoman.host.registry import target_of
from dragoman.host.stacks import Site, stack
from dragoman.host.world import World
from dragoman.ingress.http.tasks import OVER
from dragoman.policies.bulkhead import BulkheadOptions
from dragoman.policies.fallback import FallbackOptions
from dragoman.policies.rate import RateOptions
from dragoman.policies.surroundings import Surroundings
from dragoman.telemetry.metrics import BOUNDS_S
from dragoman.telemetry.task_meter import OUTCOMES, WAITING
from tests.docs.tables import ROOT, bare, read_table

PAGE = "docs/reference/metrics.md"
STOP_S = 15
COLUMNS = ("Metric", "Type", "Labels", "Meaning")

SOURCE = """\
def half(number: int) -> float:
    if number < 0:
        raise ValueError("no negative numbers")
    return number / 2
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file: Path = tmp_path_factory.mktemp("metrics") / "halves.py"
    file.write_text(SOURCE, encoding="utf-8")
    project = file.parent / "dragoman.toml"
    text = '[sources.halves]\npath = "halves.py"\nbreaker = true\n'
    queue = '[queues.orders]\nurl = "redis://127.0.0.1:1"\nfrom = "orders"\nfunction = "halves.half"\n'
    schedule = '[schedules.often]\nfunction = "halves.half"\nevery = "1s"\ninput = { number = 2 }\n'
    project.write_text(text + queue + schedule, encoding="utf-8")
    native = f"unix://{file.parent}/n.sock"
    command = [sys.executable, "-m", "dragoman", "serve", "--port", "0", "--native", native, "--json", str(project)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        try:
            ready = json.loads(server.stdout.readline())
            refuse(ready["native"][0].removeprefix("unix://"))
            yield ready["url"]
        finally:
            server.terminate()
            server.wait(STOP_S)


def refuse(path: str) -> None:
    """Break the protocol once, and read to the end of what is said to that."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"\xff" * 64)
        while client.recv(65536):
            pass


def ask(url: str, body: bytes | None = None, prefer: str = "") -> str:
    request = urllib.request.Request(url, body, {"content-type": "application/json", "prefer": prefer})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


@pytest.fixture(scope="module")
def families(url: str) -> dict[str, Metric]:
    """What the host exposes after calls, a fault, a refusal, a task and a moment of a schedule, by queried names."""
    for body in (b'{"number": 1}', b'{"number": -1}', b"{}"):
        ask(f"{url}/v1/call/halves.half", body)
    ask(f"{url}/v1/call/halves.nothing", b"{}")
    ask(f"{url}/v1/call/halves.half", b'{"number": 4}', "respond-async, wait=10")
    until = time.monotonic() + STOP_S
    while not (told := json.loads(ask(f"{url}/v1/tasks?schedule=often"))["tasks"]):
        assert time.monotonic() < until, "the schedule does not come"
    ask(f"{url}/v1/tasks/{told[0]['id']}?wait=10s")
    found = text_string_to_metric_families(ask(f"{url}/metrics"))
    return {f"{each.name}_total" if each.type == "counter" else each.name: each for each in found}


def test_the_page_and_the_host_name_the_same_metrics(families: dict[str, Metric]) -> None:
    said = {bare(row[0]): row[1] for row in read_table(PAGE, *COLUMNS)}
    assert said == {name: family.type for name, family in families.items() if name.startswith("dragoman_")}


def test_each_metric_has_the_labels_that_the_page_gives(families: dict[str, Metric]) -> None:
    for name, _, labels, _ in read_table(PAGE, *COLUMNS):
        samples = families[bare(name)].samples
        assert samples, f"{name} has no sample"
        for sample in samples:
            assert sample.labels.keys() - {"le"} == set(re.findall(r"`(\w+)`", labels))


def test_calls_are_counted_by_function_and_code(families: dict[str, Metric]) -> None:
    samples = [each for each in families["dragoman_calls_total"].samples if each.labels["ingress"] == "http"]
    counted = {sample.labels["code"]: sample.value for sample in samples}
    assert counted == {"OK": 1, "UNKNOWN": 1, "INVALID_ARGUMENT": 1}


def test_the_states_of_a_worker_are_those_of_the_page(families: dict[str, Metric]) -> None:
    states = {sample.labels["state"] for sample in families["dragoman_workers"].samples}
    (meaning,) = [row[3] for row in read_table(PAGE, *COLUMNS) if "_workers`" in row[0]]
    assert states == set(re.findall(r"`(\w+)`", meaning))


def test_the_bounds_of_the_histogram_are_those_of_the_page() -> None:
    told = re.search(r"upper bounds of the histogram, in seconds:([\d.,\s]+)", (ROOT / PAGE).read_text("utf-8"))
    assert told is not None
    assert [float(bound) for bound in told[1].strip().rstrip(".").split(",")] == list(BOUNDS_S)


def test_the_states_and_outcomes_of_tasks_are_those_of_the_page() -> None:
    said = {bare(row[0]): set(re.findall(r"`([A-Za-z_]+)`", row[3])) for row in read_table(PAGE, *COLUMNS)}
    assert said["dragoman_tasks_queued"] == set(WAITING)
    assert said["dragoman_tasks_ended_total"] == set(OVER)
    assert said["dragoman_task_callbacks_total"] == set(OUTCOMES)


def test_every_reason_for_a_refusal_is_explained() -> None:
    said = {bare(row[0]) for row in read_table(PAGE, "Reason", "Status", "The request")}
    ingress = ROOT / "src" / "dragoman" / "ingress" / "http"
    used = {
        reason for file in ingress.glob("*.py") for reason in re.findall(r'reason="(\w+)"', file.read_text("utf-8"))
    }
    assert said == used


def test_every_reason_for_a_refusal_of_a_native_client_is_explained() -> None:
    said = {bare(row[0]) for row in read_table(PAGE, "Reason", "Refused")}
    ingress = ROOT / "src" / "dragoman" / "ingress" / "native"
    pattern = re.compile(r'(?:refused|turn_away)\(.*?"(\w+)"\)\n')
    assert said == {reason for file in ingress.glob("*.py") for reason in pattern.findall(file.read_text("utf-8"))}


def test_every_event_of_a_layer_is_on_the_page() -> None:
    said = {
        bare(layer): {*re.findall(r"`(\w+)`", events), *re.findall(r"`(\w+)`", values)}
        for layer, events, values in read_table(PAGE, "Layer", "Events", "Values")
    }
    assert said.keys() == TABLES.keys()
    contract = Contract("f", input=LISTS, output={"type": "array"}, batch=Batch())
    source = Source("s", "guest", Path("/"))
    target = target_of("s.f", source, contract, 0, FunctionSettings(timeout_s=1.0))
    options = {name: options_class(name)() for name in TABLES if name != "fallback"} | {
        "fallback": FallbackOptions(value=b"1"),
        "bulkhead": BulkheadOptions(1),
        "rate": RateOptions(1.0),
    }
    made = stack(lambda _: Pending(), Site(source, contract, target, options), World(Surroundings.here()))
    for name, layer in made.layers.items():
        assert set(layer.counts) <= said[name]


LISTS = {"type": "object", "properties": {"xs": {"type": "array"}}, "required": ["xs"]}
