"""What the tracking door writes itself, and what it lets nobody else write."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.errors import ForbiddenError, InvalidInputError
from services.stamps import stamped, writes_tags

API = "/mlflow/api/2.0/mlflow/"
AJAX = "/mlflow/ajax-api/3.0/mlflow/"
STAMP = {"key": "aichung.subject", "value": "sub_1"}


def passed(path: str, document: Any, method: str = "POST") -> Any:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return json.loads(stamped(method, path, body, "sub_1"))


@pytest.mark.parametrize("path", [API + "runs/create", AJAX + "runs/create", API + "logged-models",
                                  API + "model-versions/create"])  # fmt: skip
def test_what_is_made_carries_its_maker(path: str) -> None:
    assert writes_tags("POST", path)
    own = {"key": "a", "value": "b"}
    assert passed(path, {"x": 1, "tags": [own]}) == {"x": 1, "tags": [own, STAMP]}
    assert passed(path, b"") == {"tags": [STAMP]}
    assert passed(path, json.dumps(json.dumps({"x": 1})).encode()) == {"x": 1, "tags": [STAMP]}


@pytest.mark.parametrize("key", ["aichung.subject", "gov.stage", " aichung.subject", "AICHUNG.subject", "gov."])
@pytest.mark.parametrize("form", ["plain", "string", "twice", "wide"])
def test_a_reserved_tag_is_refused_in_every_way_of_writing_it(key: str, form: str) -> None:
    tags = [{"key": "a", "value": "b"}, {"key": key, "value": "x"}]
    text = json.dumps({"run_id": "r", "tags": tags})
    body = {
        "plain": text.encode(), "string": json.dumps(text).encode(), "wide": text.encode("utf-16"),
        "twice": f'{{"tags": [], "tags": {json.dumps(tags)}}}'.encode(),
    }[form]  # fmt: skip
    with pytest.raises(ForbiddenError):
        stamped("POST", API + "runs/log-batch", body, "sub_1")


def test_of_a_key_that_stands_twice_only_what_was_checked_is_passed_on() -> None:
    reserved = json.dumps([{"key": "gov.stage", "value": "x"}])
    sent = f'{{"tags": {reserved}, "tags": []}}'.encode()
    assert passed(API + "runs/log-batch", sent) == {"tags": []}


@pytest.mark.parametrize(("method", "path"), [
    ("DELETE", API + "logged-models/m-0/tags/aichung.subject"), ("DELETE", API + "logged-models/m-0/tags/gov.a/"),
])  # fmt: skip
def test_a_reserved_tag_is_not_deleted_by_address(method: str, path: str) -> None:
    assert writes_tags(method, path)
    with pytest.raises(ForbiddenError):
        stamped(method, path, b"", "sub_1")


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"1", b'{"tags": {"key": "gov.a"}}', b'{"tags": ["gov.a"]}', b"\xff\xfe"]
)
def test_a_body_that_is_no_object_with_a_list_of_tags_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInputError):
        stamped("POST", API + "runs/log-batch", body, "sub_1")


def test_metrics_parameters_and_other_tags_pass_as_they_are() -> None:
    batch = {"metrics": [{"key": "gov.f1", "value": 0.1}], "params": [{"key": "gov.a", "value": "b"}],
             "tags": [{"key": "governance", "value": "c"}]}  # fmt: skip
    assert passed(API + "runs/log-batch", batch) == batch
    metric = {"key": "gov.f1", "value": 0.1}
    assert passed(API + "runs/log-metric", metric) == metric


@pytest.mark.parametrize(("method", "path"), [
    ("GET", API + "runs/get"), ("POST", API + "runs/search"), ("POST", API + "runs/log-inputs"),
    ("PUT", "/mlflow/api/2.0/mlflow-artifacts/artifacts/runs/set-tag"), ("POST", "/mlflow/v1/traces"),
])  # fmt: skip
def test_what_writes_no_tags_is_streamed(method: str, path: str) -> None:
    assert not writes_tags(method, path)
