"""A client of the Open Inference Protocol from the package registry, on a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.http as triton

from tests.services.wire.small import Place

TEXTS = np.array(["Đội tuyển thắng trận chung kết", "Giá xăng dầu tăng"], np.object_)
Line = tuple[triton.InferenceServerClient, dict[str, str]]


@pytest.fixture
def client(place: Place, address: str) -> Iterator[Line]:
    client = triton.InferenceServerClient(address.removeprefix("http://"))
    yield client, {"Authorization": f"Bearer {place.keys['ministry']}"}
    client.close()


def test_the_server_and_its_models_introduce_themselves(client: Line):
    line, key = client
    assert line.is_server_live()
    assert line.is_server_ready()
    assert line.get_server_metadata(headers=dict(key))["name"] == "aichung"
    assert line.is_model_ready("vi-topic", headers=dict(key))
    assert not line.is_model_ready("unknown", headers=dict(key))
    found = line.get_model_metadata("vi-topic", headers=dict(key))
    assert found["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]


@pytest.mark.parametrize("binary", [True, False])
def test_texts_are_sorted_as_by_the_language_dialect(client: Line, binary: bool):
    line, key = client
    given = triton.InferInput("text", [2], "BYTES")
    given.set_data_from_numpy(TEXTS, binary_data=binary)
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("labels", "scores")]
    found = line.infer("vi-topic", [given], outputs=wanted, headers=dict(key), request_id="a1")
    labels = [[one.decode() if isinstance(one, bytes) else one for one in row] for row in found.as_numpy("labels")]
    assert labels == [["The thao", "Van hoa"]] * 2
    assert found.as_numpy("scores").tolist() == [[0.75, 0.25]] * 2
    assert found.get_response()["id"] == "a1"


def test_series_are_forecast_and_compressed_bodies_are_read(client: Line):
    line, key = client
    given = triton.InferInput("series", [1, 48], "FP64")
    given.set_data_from_numpy(np.arange(48.0)[None])
    calendar = {"frequency": "M", "start_timestamp": "2021-01", "horizon": 6}
    found = line.infer(
        "forecast-core", [given], headers=dict(key), parameters=calendar, request_compression_algorithm="gzip"
    )
    assert found.as_numpy("mean").tolist() == [[47.0] * 6]
    assert found.as_numpy("quantiles").shape == (1, 3, 6)


def test_a_refusal_reaches_the_client_with_its_reason(client: Line):
    line, key = client
    given = triton.InferInput("text", [1], "BYTES")
    given.set_data_from_numpy(np.array(["MẬT\nBáo cáo"], np.object_))
    with pytest.raises(triton.InferenceServerException, match="mật"):
        line.infer("vi-topic", [given], headers=dict(key))
    given.set_data_from_numpy(np.array(["Báo cáo"], np.object_))
    with pytest.raises(triton.InferenceServerException, match="mô hình"):
        line.infer("unknown", [given], headers=dict(key))
