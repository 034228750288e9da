"""A client of the Open Inference Protocol from the package registry, against the running platform."""

from __future__ import annotations

import numpy as np
import pytest
import tritonclient.http as triton

from tests.journeys.conftest import Platform

pytestmark = pytest.mark.journey

TEXTS = np.array(["Đội tuyển thắng trận chung kết bóng đá", "Giá xăng dầu và lãi suất ngân hàng tăng"], np.object_)


@pytest.fixture
def client(platform: Platform):
    client = triton.InferenceServerClient(f"127.0.0.1:{platform.port}")
    yield client, {"Authorization": f"Bearer {platform.keys['ministry']}"}
    client.close()


def test_the_server_and_its_models_introduce_themselves(client):
    line, key = client
    assert line.is_server_live()
    assert line.is_server_ready()
    assert line.get_server_metadata(headers=dict(key))["name"] == "aichung"
    assert line.is_model_ready("vi-topic", headers=dict(key))
    assert not line.is_model_ready("unknown", headers=dict(key))
    found = line.get_model_metadata("vi-topic", headers=dict(key))
    assert found["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]


@pytest.mark.parametrize("binary", [True, False])
def test_texts_are_sorted_as_by_the_language_dialect(platform: Platform, client, binary: bool):
    line, key = client
    given = triton.InferInput("text", [2], "BYTES")
    given.set_data_from_numpy(TEXTS, binary_data=binary)
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("labels", "scores")]
    found = line.infer("vi-topic", [given], outputs=wanted, headers=dict(key))
    documents = [{"id": str(place), "text": text} for place, text in enumerate(TEXTS)]
    said = platform.client().post("/v1/nlp/topics", json={"documents": documents}).json()["documents"]
    labels = [[one.decode() if isinstance(one, bytes) else one for one in row] for row in found.as_numpy("labels")]
    assert labels == [[label["label"] for label in one["labels"]] for one in said]
    assert found.as_numpy("scores") == pytest.approx(
        np.array([[label["score"] for label in one["labels"]] for one in said])
    )


def test_series_are_forecast_and_compressed_bodies_are_read(client):
    line, key = client
    given = triton.InferInput("series", [1, 48], "FP64")
    given.set_data_from_numpy(10 + np.sin(np.arange(48.0) / 12 * 2 * np.pi)[None])
    calendar = {"frequency": "M", "start_timestamp": "2021-01", "horizon": 6}
    found = line.infer(
        "forecast-core", [given], headers=dict(key), parameters=calendar, request_compression_algorithm="gzip"
    )
    mean, quantiles = found.as_numpy("mean"), found.as_numpy("quantiles")
    assert mean.shape == (1, 6)
    assert (np.diff(quantiles, axis=1) >= 0).all()


def test_a_refusal_reaches_the_client_with_its_reason(client):
    line, key = client
    given = triton.InferInput("text", [1], "BYTES")
    given.set_data_from_numpy(np.array(["MẬT\nBáo cáo"], np.object_))
    with pytest.raises(triton.InferenceServerException, match="mật"):
        line.infer("vi-topic", [given], headers=dict(key))
    given.set_data_from_numpy(np.array(["Báo cáo"], np.object_))
    with pytest.raises(triton.InferenceServerException, match="mô hình"):
        line.infer("unknown", [given], headers=dict(key))
