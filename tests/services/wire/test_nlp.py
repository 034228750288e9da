"""The language dialect over the whole path."""

from __future__ import annotations

from typing import Any

from tests.services.wire.small import Place


def docs(*texts: str) -> dict[str, Any]:
    return {"documents": [{"id": f"d{i}", "text": text} for i, text in enumerate(texts)]}


def test_an_answer_names_its_model_its_card_and_that_a_machine_proposed_it(place: Place):
    answer = place.post("/v1/nlp/segment", docs("xin chào bạn"))
    body = answer.json()
    assert answer.status_code == 200
    assert body["documents"] == [
        {
            "id": "d0",
            "tokens": [
                {"text": "xin", "start": 0, "end": 3},
                {"text": "chào", "start": 4, "end": 8},
                {"text": "bạn", "start": 9, "end": 12},
            ],
            "sentences": [{"start": 0, "end": 12}],
        }
    ]
    assert body["errors"] == [] and body["usage"] == {"documents": 1, "characters": 12}
    entry = place.house.store.entry("vi-segment", "1.0.0")
    assert body["model"] == {"name": "vi-segment", "version": "1.0.0", "card": entry.digests.card}
    assert answer.headers["x-model"] == "vi-segment@1.0.0" and answer.headers["x-model-card"] == entry.digests.card
    assert body["notice"] == "Kết quả do hệ thống AI đề xuất"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["ratelimit-policy"].startswith('"minute";q=') and "r=" in answer.headers["ratelimit"]
