"""Open Inference Protocol v2: what is released, in named tensors, as JSON and in binary."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from registry.entries import Stage
from services.tensor_wire import DATATYPES
from tests.models.onnx.graphs import affine, every_type
from tests.models.onnx.test_table import CONFIG as TABLE
from tests.models.onnx.test_text import CONFIG as TEXT
from tests.models.onnx.trained import ROWS, complaints, outliers
from tests.services.wire.engineers import Brought, bring, engineers_house
from tests.services.wire.small import Place

ROWS_IN = {"name": "x", "shape": [2, 3], "datatype": "FP32", "data": [1, 2, 3, 4, 5, 6.5]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    place = engineers_house(
        tmp_path_factory.mktemp("home"),
        Brought("affine", "onnx.tensor/1", affine()),
        Brought("types", "onnx.tensor/1", every_type()),
        Brought("phan-anh", "onnx.text-classify/1", complaints(False), TEXT),
        Brought("chi-tieu", "onnx.tabular/1", outliers(), TABLE),
        Brought("nhap", "onnx.tensor/1", affine(), released=False),
    )
    yield place
    place.close()


def check(answer, status: int, code: str | None = None) -> None:
    """A refusal is a problem with this status and word."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert code in (None, answer.json()["code"])


def infer(place: Place, model: str, *inputs: dict, **more):
    headers = more.pop("headers", None)
    key = more.pop("key", "ministry")
    return place.post(f"/v2/models/{model}/infer", {"inputs": list(inputs), **more}, headers=headers, key=key)


def outputs(answer) -> dict[str, dict]:
    assert answer.status_code == 200, answer.text
    return {one["name"]: one for one in answer.json()["outputs"]}


def test_the_server_says_who_it_is_and_that_it_lives(place: Place):
    assert place.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert place.get("/v2/health/live", key=None).json() == {"live": True}
    assert place.get("/v2/health/ready", key=None).json()["ready"] is True
    assert place.get("/v2", key=None).status_code == 401


def test_a_graph_declares_itself(place: Place):
    found = place.get("/v2/models/affine").json()
    assert found["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}]
    assert found["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}]
    assert (found["versions"], found["platform"]) == (["1.0.0"], "onnx_onnxv1")
    assert place.get("/v2/models/affine/versions/1.0.0/ready").json() == {"ready": True, "name": "affine"}
    check(place.get("/v2/models/unknown"), 404, "unknown-model")
    check(place.get("/v2/models/affine/versions/9.9.9/ready"), 404, "unknown-model")


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6.5], [[1, 2, 3], [4, 5, 6.5]]])
def test_a_graph_answers_json_flat_or_nested_and_says_who_vouches_for_it(place: Place, data):
    answer = infer(place, "affine", {**ROWS_IN, "data": data}, id="a7")
    found = outputs(answer)["y"]
    assert (found["shape"], found["datatype"]) == ([2, 3], "FP32")
    shift = outputs(infer(place, "affine", {**ROWS_IN, "shape": [1, 3], "data": [0, 0, 0]}))["y"]["data"]
    assert found["data"] == pytest.approx([2 * x + s for x, s in zip([1, 2, 3, 4, 5, 6.5], shift * 2, strict=True)])
    body = answer.json()
    assert (body["id"], body["model_name"], body["model_version"]) == ("a7", "affine", "1.0.0")
    assert body["parameters"]["card"] == answer.headers["x-model-card"]
    assert body["parameters"]["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-model"] == "affine@1.0.0"


def binary(arrays: dict[str, tuple[str, list[int], bytes]], **more) -> tuple[bytes, dict[str, str]]:
    inputs = [
        {"name": n, "shape": s, "datatype": d, "parameters": {"binary_data_size": len(b)}}
        for n, (d, s, b) in arrays.items()
    ]
    head = json.dumps({"inputs": inputs, **more}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    return head + b"".join(b for _, _, b in arrays.values()), headers


def test_every_datatype_goes_in_and_comes_out_in_binary_byte_for_byte(place: Place):
    names = dict(zip(
        ("bool", "u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "f16", "f32", "f64"),
        [word for word in DATATYPES if word != "BYTES"], strict=True,
    ))  # fmt: skip
    arrays = {n: (d, [3], np.array([1, 0, 1]).astype(DATATYPES[d]).tobytes()) for n, d in names.items()}
    texts = b"".join(struct.pack("<I", len(t)) + t for t in ("đường".encode(), b"", b"x"))
    arrays["text"] = ("BYTES", [3], texts)
    content, headers = binary(arrays, parameters={"binary_data_output": True})
    answer = place.call("POST", "/v2/models/types/infer", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    length = int(answer.headers["inference-header-content-length"])
    at = length
    for one in json.loads(answer.content[:length])["outputs"]:
        size = one["parameters"]["binary_data_size"]
        datatype, _, sent = arrays[one["name"].removesuffix("_out")]
        assert (one["datatype"], answer.content[at : at + size]) == (datatype, sent)
        at += size
    assert at == len(answer.content)


def test_an_output_can_be_asked_for_in_binary_alone(place: Place):
    answer = infer(place, "affine", ROWS_IN, outputs=[{"name": "y", "parameters": {"binary_data": True}}])
    assert answer.headers["content-type"] == "application/octet-stream"
    check(infer(place, "affine", ROWS_IN, outputs=[{"name": "z"}]), 422, "unknown-output")


@pytest.mark.parametrize(("change", "pointer"), [
    ({"data": [1, 2, 3, 4, 5, "6"]}, "/inputs/0/data"), ({"data": [1, 2, 3, 4, 5, True]}, "/inputs/0/data"),
    ({"data": [1, 2, 3, 4, 5, None]}, "/inputs/0/data"), ({"data": [1, 2, 3, 4, 5, 1e39]}, "/inputs/0/data"),
    ({"data": [1, 2, 3]}, "/inputs/0/data"), ({"data": [[1, 2, 3], [4, 5]]}, "/inputs/0/data"),
    ({"data": [[[1]]]}, "/inputs/0/data"), ({"data": []}, "/inputs/0/data"), ({"shape": [3, 2]}, "/inputs/0"),
    ({"shape": [6]}, "/inputs/0"), ({"shape": [10**9, 10**9]}, "/inputs/0/shape"),
    ({"shape": [-1, 3]}, "/inputs/0/shape/0"), ({"datatype": "FP64"}, "/inputs/0"),
    ({"datatype": "FLOAT"}, "/inputs/0/datatype"), ({"name": "z"}, "/inputs/0/name"),
    ({"extra": 1}, "/inputs/0"), ({"parameters": {"binary_data_size": 24}}, "/inputs/0"),
    ({"parameters": {"shared_memory_region": "a"}}, "/inputs/0/parameters"), ({"data": None}, "/inputs/0"),
])  # fmt: skip
def test_what_is_not_declared_is_refused_with_its_place(place: Place, change: dict, pointer: str):
    answer = infer(place, "affine", {**ROWS_IN, **change})
    assert answer.status_code in (413, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"].startswith(pointer), answer.json()


@pytest.mark.parametrize("word", ["sequence_id", "priority", "frequency", "timeout"])
def test_a_parameter_that_a_model_has_not_is_refused(place: Place, word: str):
    check(infer(place, "affine", ROWS_IN, parameters={word: 1}), 422, "unsupported-option")


@pytest.mark.parametrize(("header", "tail"), [
    ("0", b""), ("-1", b""), ("99999", b""), ("x", b""), (None, b"1234"), (None, b""),
])  # fmt: skip
def test_a_binary_part_that_does_not_fit_is_refused(place: Place, header: str | None, tail: bytes):
    content, headers = binary({"x": ("FP32", [1, 3], bytes(12))})
    if header is not None:
        headers["Inference-Header-Content-Length"] = header
    elif tail:
        content += tail
    else:
        content = content[:-1]
    answer = place.call("POST", "/v2/models/affine/infer", content=content, headers=headers)
    assert answer.status_code in (400, 422), answer.text


@pytest.mark.parametrize("packed", [b"\x05\0\0\0ab", b"\xff\xff\xff\xff", b"\x01\0\0\0\xff", b"\x01\0\0\0a\0", b"\x01"])
def test_text_in_binary_is_whole_and_utf_8(place: Place, packed: bytes):
    content, headers = binary({"text": ("BYTES", [1], packed)})
    answer = place.call("POST", "/v2/models/phan-anh/infer", content=content, headers=headers)
    assert answer.status_code == 422


def test_not_a_number_passes_in_binary_and_comes_back_as_null(place: Place):
    content, headers = binary({"x": ("FP32", [1, 3], np.array([np.nan, np.inf, 1], "<f4").tobytes())})
    answer = place.call("POST", "/v2/models/affine/infer", content=content, headers=headers)
    assert outputs(answer)["y"]["data"][:2] == [None, None]


TEXTS = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["rất hài lòng, nhanh gọn", "đường hỏng nặng"]}


def test_a_registered_text_classifier_answers_here_and_under_classify(place: Place):
    found = outputs(infer(place, "phan-anh", TEXTS))
    assert (found["labels"]["shape"], found["abstained"]["datatype"]) == ([2, 2], "BOOL")
    body = {"model": "phan-anh", "documents": [{"id": str(i), "text": text} for i, text in enumerate(TEXTS["data"])]}
    said = place.post("/v1/nlp/classify", body)
    assert said.status_code == 200, said.text
    assert said.json()["model"]["name"] == "phan-anh"
    scores = [label["score"] for one in said.json()["documents"] for label in one["labels"]]
    assert scores == pytest.approx(found["scores"]["data"])
    explained = {**body, "options": {"explain": True}}
    check(place.post("/v1/nlp/classify", explained), 422, "unsupported-option")


def test_a_registered_detector_answers_here_and_under_anomalies(place: Place):
    rows = [*ROWS[:20].astype(float).tolist(), [0.0, 50.0, 0.0]]
    names = [column["name"] for column in TABLE["columns"]]
    columns = [
        {"name": n, "shape": [21], "datatype": "FP64", "data": [r[i] for r in rows]} for i, n in enumerate(names)
    ]
    found = outputs(infer(place, "chi-tieu", *columns))
    body = {"model": "chi-tieu", "columns": TABLE["columns"], "rows": rows}
    said = place.post("/v1/tabular/anomalies", body)
    assert said.status_code == 200, said.text
    assert said.json()["score"] == pytest.approx(found["score"]["data"])
    assert said.json()["is_anomaly"] == found["is_anomaly"]["data"]
    assert said.json()["reasons"][20][0]["column"] == names[1]
    assert [one["name"] for one in place.get("/v2/models/chi-tieu").json()["inputs"]] == names


def test_the_platforms_own_models_are_reached_too(place: Place):
    assert outputs(infer(place, "vi-diacritics", {**TEXTS, "data": ["xin chao", "chao"]}))["restored"]["data"] == [
        "xin chào", "chào"
    ]  # fmt: skip
    segments = outputs(infer(place, "vi-segment", TEXTS))["segments"]["data"]
    assert json.loads(segments[1])["tokens"][0] == [0, 5]
    assert outputs(infer(place, "vi-topic", TEXTS))["labels"]["shape"] == [2, 2]
    series = {"name": "series", "shape": [1, 12], "datatype": "FP64", "data": [*range(11), 500]}
    calendar = {"frequency": "M", "start_timestamp": "2024-01"}
    found = outputs(infer(place, "forecast-core", series, parameters={**calendar, "horizon": 3}))
    assert (found["mean"]["data"], found["quantiles"]["shape"]) == ([500, 500, 500], [1, 3, 3])
    flags = outputs(infer(place, "anomaly-series", series, parameters=calendar))["is_anomaly"]["data"]
    assert flags == [False] * 11 + [True]
    check(infer(place, "forecast-core", series, parameters={**calendar, "horizon": 0}), 422, "bad-horizon")
    check(infer(place, "forecast-core", series, parameters={"horizon": 3}), 422, "missing-parameter")
    column = {"name": "a", "shape": [20, 1], "datatype": "FP64", "data": [float(i) for i in range(20)]}
    kinds = {"name": "b", "shape": [20], "datatype": "BYTES", "data": ["x"] * 20}
    assert outputs(infer(place, "anomaly-tabular", column, kinds))["score"]["shape"] == [20]
    for name in ("vi-segment", "forecast-core", "anomaly-series", "anomaly-tabular"):
        assert place.get(f"/v2/models/{name}").status_code == 200


def test_a_text_with_a_secrecy_mark_is_refused_in_any_tensor(place: Place):
    marked = "UBND TỈNH\nMẬT\nBáo cáo"
    check(infer(place, "phan-anh", {**TEXTS, "data": ["a", marked]}), 422, "secrecy-mark")
    check(infer(place, "types", {**TEXTS, "data": ["a", marked]}), 422, "secrecy-mark")


def test_one_call_is_one_record_with_its_model_and_no_content(place: Place):
    before = len(place.records())
    infer(place, "phan-anh", TEXTS)
    new = place.records()[before:]
    told = [record for record in new if record["event"] == "inference"]
    assert len(told) == 1
    assert told[0]["model"]["name"] == "phan-anh"
    assert told[0]["in"]["units"] == 2
    assert "hài lòng" not in json.dumps(new, ensure_ascii=False)


def test_a_refusal_also_says_what_it_is_where_clients_of_the_protocol_look(place: Place):
    for answer in (infer(place, "unknown", ROWS_IN), infer(place, "affine", {**ROWS_IN, "shape": [6]})):
        assert answer.json()["error"] == answer.json()["detail"]


def test_roles_and_scopes_hold_as_elsewhere(place: Place):
    check(infer(place, "affine", ROWS_IN, key="admin"), 403, "forbidden")
    check(place.post("/v2/models/affine/infer", {"inputs": [ROWS_IN]}, key=None), 401)


def test_a_draft_answers_who_made_it_by_its_version_and_nobody_else(place: Place):
    path = "/v2/models/nhap/versions/1.0.0/infer"
    mine = place.post(path, {"inputs": [ROWS_IN]}, key="engineer")
    assert mine.status_code == 200, mine.text
    assert place.get("/v2/models/nhap/versions/1.0.0", key="engineer").json()["parameters"]["stage"] == "draft"
    check(place.post("/v2/models/nhap/infer", {"inputs": [ROWS_IN]}, key="engineer"), 403, "gate-closed")
    check(place.post(path, {"inputs": [ROWS_IN]}, key="operator"), 403)
    check(place.post(path, {"inputs": [ROWS_IN]}, key="engineer_b"), 404, "unknown-model")
    check(place.post(path, {"inputs": [ROWS_IN]}, key="ministry"), 404, "unknown-model")


def test_a_suspended_model_leaves_memory_and_answers_no_more(tmp_path: Path):
    place = engineers_house(tmp_path / "home", Brought("affine", "onnx.tensor/1", affine()))
    try:
        assert infer(place, "affine", ROWS_IN).status_code == 200
        loaded = place.house.handles.loaded
        place.registry.store.move("affine", "1.0.0", Stage.SUSPENDED, "test")
        place.house.handles.refresh()
        assert place.house.handles.loaded == loaded - 1
        check(infer(place, "affine", ROWS_IN), 403, "gate-closed")
        check(place.get("/v2/models/affine/ready"), 403, "gate-closed")
        bring(place, Brought("affine", "onnx.tensor/1", affine(scale=3.0), version="1.1.0"))
        place.house.handles.refresh()
        assert place.get("/v2/models/affine").json()["versions"] == ["1.1.0"]
        assert infer(place, "affine", ROWS_IN).headers["x-model"] == "affine@1.1.0"
    finally:
        place.close()
