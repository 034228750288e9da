"""The tabular dialect over the whole path."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.wire.small import Place

PATH = "/v1/tabular/anomalies"


def body(rows: list[list[Any]] | None = None, **more: Any) -> dict[str, Any]:
    plain = [[10 + at % 5, "xã" if at % 3 else "phường"] for at in range(60)]
    plain[7] = [900, "xã"]
    columns = [{"name": "số ca", "type": "number"}, {"name": "cấp", "type": "category"}]
    return {"columns": columns, "rows": plain if rows is None else rows, **more}


def test_every_list_is_as_long_as_the_rows_and_the_strange_row_says_why(place: Place):
    answer = place.post(PATH, body())
    found = answer.json()
    assert answer.status_code == 200
    assert len(found["score"]) == len(found["is_anomaly"]) == len(found["reasons"]) == 60
    assert max(range(60), key=found["score"].__getitem__) == 7
    assert found["is_anomaly"][7] is True
    first = found["reasons"][7][0]
    assert first["column"] == "số ca"
    assert 0 < first["contribution"] <= 1
    assert "900" in first["reason"]["vi"]
    assert found["usage"] == {"rows": 60, "cells": 120}
    assert found["model"]["name"] == "anomaly-tabular"
    assert answer.headers["x-model"] == "anomaly-tabular@1.0.0"
    assert found["notice"]
    assert found["warnings"] == []


def test_options_and_null_optional_fields_are_taken(place: Place):
    asked = {"expected_share": 0.1, "reasons": 1, "explain": "all"}
    found = place.post(PATH, body(options=asked)).json()
    assert 6 <= sum(found["is_anomaly"]) <= 12
    assert all(len(row) == 1 for row in found["reasons"])
    assert place.post(PATH, body(options=dict.fromkeys(asked), labels=None, model=None)).status_code == 200


def test_labels_are_as_long_as_rows_and_0_1_or_null(place: Place):
    labels: list[Any] = [None] * 60
    assert place.post(PATH, body(labels=labels)).json()["warnings"][0]["code"] == "labels_unused"
    assert place.post(PATH, body(labels=labels[:3])).json()["code"] == "bad-labels"
    assert place.post(PATH, body(labels=[*labels[:-1], 2])).json()["errors"][0]["pointer"] == "/labels/59"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"rows": [["3", "xã"]]}, "/rows/0/0"),
        ({"rows": [[True, "xã"]]}, "/rows/0/0"),
        ({"rows": [[1, "xã"], [2]]}, "/rows/1"),
        ({"rows": []}, "/rows"),
        ({"columns": [], "rows": [[]]}, "/columns"),
        ({"columns": [{"name": "a", "type": "number"}] * 2}, "/columns"),
        ({"columns": [{"name": "a", "type": "text"}]}, "/columns/0/type"),
        ({"options": {"expected_share": 0.9}}, "/options/expected_share"),
        ({"colums": []}, ""),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_place(place: Place, change: dict[str, Any], pointer: str):
    answer = place.post(PATH, body() | change)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)


def test_a_table_of_too_many_cells_is_too_large(place: Place):
    columns = [{"name": f"c{at}", "type": "number"} for at in range(5001)]
    answer = place.post(PATH, {"columns": columns, "rows": [[1] * 5001]})
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_the_call_is_recorded_and_counted_in_cells(place: Place):
    assert place.post(PATH, body(), headers={"X-Request-Id": "tabular-1"}).status_code == 200
    record = next(one for one in reversed(place.records()) if one.get("request_id") == "tabular-1")
    assert record["task"] == "tabular-anomalies"
    assert record["model"]["name"] == "anomaly-tabular"


def test_without_a_key_there_is_no_answer(place: Place):
    assert place.post(PATH, body(), key=None).status_code == 401
