"""The description and the platform agree, and no request that fits its shape breaks anything."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest

from tests.journeys.conftest import Platform
from tests.journeys.operations import Operation, operations
from tests.journeys.test_gate import CALLS

pytestmark = pytest.mark.journey

SECONDS = 20.0
NASTY: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3.5, -0.0, 1e30, -1e30, 1e300, 2**31, 2**63, -(2**63), 10**30, "", " ", "a",
    "\u202e", "😀" * 3, "2024-01", "9999-12-31", "0001-01-01", "M", "D", "W-SUN", "30min", "[]", "x" * 300, [], [None],
    [1, None, 2], [[]], {}, {"a": 1}, [1e30] * 5, list(range(60)), ["2024-01"] * 3, "vi-segment", "forecast-prophet",
]  # fmt: skip


@pytest.fixture(scope="module")
def document(platform: Platform) -> dict[str, Any]:
    return platform.client(None).get("/openapi.json").json()


def validate(document: dict[str, Any], path: str, method: str, answer: httpx.Response) -> None:
    """Hold an answer to the schema that the description gives for its status."""
    responses = document["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in responses, f"{method} {path}: {answer.status_code} is not described"
    content = responses[str(answer.status_code)].get("content", {})
    media = answer.headers.get("content-type", "").partition(";")[0]
    if not answer.content:
        return
    assert media in content, f"{method} {path}: {media} is not described for {answer.status_code}"
    if media.endswith("json"):
        schema = {**content[media]["schema"], "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json())


def test_the_description_is_openapi_3_1_and_lists_every_family(document: dict[str, Any]):
    assert document["openapi"] == "3.1.0"
    assert {"/v1/nlp/segment", "/v1/timeseries/forecast", "/v1/keys", "/v1/audit/records"} <= document["paths"].keys()
    names = [row["operationId"] for methods in document["paths"].values() for row in methods.values()]
    assert len(names) == len(set(names))
    for methods in document["paths"].values():
        for row in methods.values():
            assert " | " in row["summary"]


@pytest.mark.parametrize("name", CALLS)
def test_a_models_answer_is_what_the_description_says(platform: Platform, document: dict[str, Any], name: str):
    path, body = CALLS[name]
    answer = platform.client().post(path, json=body)
    assert answer.status_code == 200
    validate(document, path, "POST", answer)


def test_every_answer_that_needs_no_body_is_what_the_description_says(platform: Platform, document: dict[str, Any]):
    known = {"{name}": "forecast-core", "{version}": "1.0.0"}
    for operation in operations(platform):
        if operation.method != "GET" or operation.streamed:
            continue
        url = operation.path
        for place, value in known.items():
            url = url.replace(place, value)
        answer = operation.allowed(platform).get(url.replace("{seq}", "nlp-khong-co:1"))
        first = operation.path.endswith("/diff") and answer.status_code == 422  # nothing was approved before it
        assert first or answer.status_code in (200, 404), f"{operation}: {answer.text[:200]}"
        validate(document, operation.path, "GET", answer)


def test_every_example_of_the_description_is_answered(platform: Platform, document: dict[str, Any]):
    shown = 0
    for operation, body in examples(platform, document):
        if operation.path in ("/v1/nlp/sentiment", "/v1/nlp/toxicity", "/v1/nlp/classify"):
            continue  # no model is bundled for these; classify wants one named
        answer = operation.allowed(platform).request(operation.method, operation.url, json=body)
        expected = (404,) if "{" in operation.path else (200, 201, 202)  # nothing has the made-up id of a path
        assert answer.status_code in expected, f"{operation}: {answer.text[:300]}"
        validate(document, operation.path, operation.method, answer)
        shown += 1
    assert shown >= 6


def examples(platform: Platform, document: dict[str, Any]) -> Iterator[tuple[Operation, Any]]:
    for operation in operations(platform):
        content = document["paths"][operation.path][operation.method.lower()].get("requestBody", {}).get("content", {})
        for example in content.get("application/json", {}).get("examples", {}).values():
            yield operation, example["value"]


EXTRA: dict[str, Any] = {
    "/v1/keys": {"subject": {"name": "Thử", "kind": "system"}, "role": "service", "scopes": ["predict"],
                 "limits": {"requests_per_minute": 5, "units_per_minute": 5}, "expires_at": "2030-01-01T00:00:00Z"},
    "/v1/tenants": {"code": "thu", "vintage": "2025-07-01", "name": "Thử", "kind": "state", "level": "commune"},
    "/v1/timeseries/anomalies": {
        "inputs": [{"name": "s", "series": [5.0] * 20 + [90.0] + [5.0] * 5, "frequency": "D",
                    "start_timestamp": "2024-01-01", "kind": "count", "group": "g"}],
        "options": {"mode": "stream", "sensitivity": 50, "direction": "up", "min_effect": {"absolute": 1.0},
                    "holidays": "VN", "suppress": {"window": 3}, "season_length": 7}},
    "/v1/timeseries/forecast": {
        "inputs": [{"name": "s", "series": [float(i % 12) for i in range(40)], "frequency": "M", "kind": "positive",
                    "timestamps": [f"{2020 + i // 12}-{i % 12 + 1:02}" for i in range(40)]}],
        "options": {"horizon": 3, "quantiles": [0.1, 0.9], "holidays": "VN", "reconcile": "none",
                    "backtest": {"origins": 2}, "season_length": 12, "seed": 1}},
}  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place inside a JSON value."""
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], (*path, name))
    elif isinstance(value, list):
        for number in range(min(len(value), 3)):
            yield from places(value[number], (*path, number))


def changed(body: Any, chance: random.Random) -> Any:
    """A body with one to three places replaced, dropped or doubled."""
    found = copy.deepcopy(body)
    for _ in range(chance.randint(1, 3)):
        *way, last = chance.choice([place for place in places(found) if place]) or [None]
        holder = found
        for step in way:
            holder = holder[step]
        act = chance.random()
        if act < 0.7:
            holder[last] = copy.deepcopy(chance.choice(NASTY))
        elif act < 0.85 and isinstance(holder, dict):
            del holder[last]
        elif isinstance(holder, list):
            holder.append(copy.deepcopy(holder[last]))
        if not (isinstance(found, dict) and found):
            return found
    return found


def test_no_request_that_resembles_a_right_one_breaks_anything(platform: Platform, document: dict[str, Any]):
    chance = random.Random(2026)
    bodies = [(operation, body) for operation, body in examples(platform, document)]
    bodies += [(operation, EXTRA[operation.path]) for operation in operations(platform)
               if operation.method == "POST" and operation.path in EXTRA]  # fmt: skip
    clients = {operation.path: operation.allowed(platform) for operation, _ in bodies}
    sent, answered, ends = 0, 0, time.monotonic() + SECONDS
    while time.monotonic() < ends:
        operation, body = chance.choice(bodies)
        asked = changed(body, chance)
        answer = clients[operation.path].request(operation.method, operation.url, json=asked)
        assert answer.status_code < 500, f"{operation} {asked!r}: {answer.text[:300]}"
        validate(document, operation.path, operation.method, answer)
        sent += 1
        answered += answer.status_code in (200, 201)
    assert sent > 200
    assert answered > sent / 50
    assert "aichung_internal_errors_total" not in platform.client("operator").get("/metrics").text
