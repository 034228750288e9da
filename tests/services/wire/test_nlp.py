"""The language dialect over the whole path."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.offsets import converted
from services.secrecy import is_marked
from tests.services.refusals import docs
from tests.services.wire.small import POISON, Place


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
    entry = place.house.store.entry("vi-segment", "1.0.0")
    assert body["errors"] == []
    assert body["usage"] == {"documents": 1, "characters": 12}
    assert body["model"] == {"name": "vi-segment", "version": "1.0.0", "card": entry.digests.card}
    assert body["notice"] == "Kết quả do hệ thống AI đề xuất"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-model"] == "vi-segment@1.0.0"
    assert answer.headers["x-model-card"] == entry.digests.card
    assert answer.headers["ratelimit-policy"].startswith('"minute";q=')
    assert answer.headers["ratelimit"].startswith('"minute";r=')


def test_a_document_that_fails_stands_in_errors_and_the_others_are_answered_in_order(place: Place):
    body = place.post("/v1/nlp/diacritics", docs("chao", POISON, "TUYỆT MẬT\nchao", "chao chao")).json()
    assert [(d["id"], d["text"]) for d in body["documents"]] == [("d0", "chào"), ("d3", "chào chào")]
    assert [(e["id"], e["error"]["code"]) for e in body["errors"]] == [("d1", "unusable"), ("d2", "secrecy-mark")]
    assert all(e["error"]["status"] == 422 for e in body["errors"])


def test_all_failed_is_still_an_answer(place: Place):
    answer = place.post("/v1/nlp/diacritics", docs("MẬT\nchao", "TỐI MẬT"))
    assert answer.status_code == 200
    assert (answer.json()["documents"], len(answer.json()["errors"])) == ([], 2)


def test_a_secret_document_is_counted_in_the_ledger_without_its_text(place: Place):
    request_id = place.post("/v1/nlp/segment", docs("ĐỘ MẬT: TỐI MẬT kế hoạch Z")).json()["request_id"]
    record = next(r for r in place.records() if r.get("request_id") == request_id)
    assert (record["event"], record["secrecy_marks"]) == ("inference", 1)
    assert "kế hoạch" not in str(record)


def test_labels_are_all_classes_and_an_explanation_comes_when_asked(place: Place):
    plain = place.post("/v1/nlp/topics", docs("bóng đá")).json()["documents"][0]
    assert plain["labels"][0] == {"label": "The thao", "score": 0.75, "label_vi": "Thể thao"}
    assert plain["abstained"] is False
    assert "explanation" not in plain
    told = place.post("/v1/nlp/topics", docs("bóng đá", options={"explain": True})).json()["documents"][0]
    assert told["explanation"]["sum_check"] == 0
    assert told["explanation"]["contributions"] == [{"name": "bón", "span": [0, 3], "value": 1.0}]
    assert "Thể thao" in told["explanation"]["text_vi"]


def test_classify_takes_any_text_classifier(place: Place):
    for body in (docs("a"), docs("a", model="vi-topic"), docs("a", model="vi-topic@1.0.0")):
        assert place.post("/v1/nlp/classify", body).json()["model"]["name"] == "vi-topic"


def test_optional_fields_accept_null(place: Place):
    assert place.post("/v1/nlp/segment", docs("a", model=None, options=None)).status_code == 200


@pytest.mark.parametrize(("unit", "places"), [("codepoint", (2, 5)), ("utf16", (3, 6)), ("byte", (5, 9))])
def test_offsets_come_in_the_unit_asked_for(place: Place, unit: str, places: tuple[int, int]):
    body = place.post("/v1/nlp/segment", docs("😀 chà", options={"offset_unit": unit})).json()
    assert (body["documents"][0]["tokens"][1]["start"], body["documents"][0]["tokens"][1]["end"]) == places


@given(st.text(max_size=30), st.data())
def test_converted_offsets_cut_the_same_text_in_their_unit(text: str, data: Any):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    [(a, b)] = converted([(start, end)], text, "byte")
    encoded = text.encode("utf-8", "surrogatepass")
    if not any("\ud800" <= sign <= "\udfff" for sign in text):
        assert encoded[a:b].decode() == text[start:end]
        [(a, b)] = converted([(start, end)], text, "utf16")
        assert text.encode("utf-16-le")[2 * a : 2 * b].decode("utf-16-le") == text[start:end]


def test_an_analysis_answers_each_task_and_writes_a_record_for_each(place: Place):
    asked = docs("xin chao", tasks=[{"task": "segment"}, {"task": "diacritics"}, {"task": "topics"}])
    answer = place.post("/v1/nlp/analyze", asked)
    body = answer.json()
    assert [task["task"] for task in body["tasks"]] == ["segment", "diacritics", "topics"]
    assert body["tasks"][1]["documents"] == [{"id": "d0", "text": "xin chào"}]
    assert [task["model"]["name"] for task in body["tasks"]] == ["vi-segment", "vi-diacritics", "vi-topic"]
    assert answer.headers["x-model"] == "vi-segment@1.0.0, vi-diacritics@1.0.0, vi-topic@1.0.0"
    records = [r for r in place.records() if r.get("request_id") == body["request_id"]]
    assert [(r["event"], r["task"]) for r in records] == [
        ("inference", "segment"), ("inference", "diacritics"), ("inference", "topics"),
    ]  # fmt: skip


def test_an_analysis_carries_the_problem_of_a_task_whose_model_is_missing(place: Place):
    body = place.post("/v1/nlp/analyze", docs("a", tasks=[{"task": "sentiment"}, {"task": "segment"}])).json()
    assert body["tasks"][0]["error"]["code"] == "unknown-task"
    assert body["tasks"][1]["documents"]
    alone = place.post("/v1/nlp/analyze", docs("a", tasks=[{"task": "sentiment"}]))
    assert (alone.status_code, alone.json()["code"]) == (404, "unknown-task")


@pytest.mark.parametrize(
    "text",
    [
        "MẬT", "TỐI MẬT\nKính gửi", "CỘNG HÒA\nTUYỆT MẬT\nSố 1", "BỘ CÔNG AN   MẬT", "UBND TỈNH\t TỐI MẬT", "(MẬT)",
        "Độ mật: Tối mật", "ĐỘ MẬT: MẬT", "TUYET MAT", "TO\u0302\u0301I MA\u0323\u0302T", "độ mật : tuyệt mật",
    ],
)  # fmt: skip
def test_a_secrecy_heading_is_recognised(text: str):
    assert is_marked(text)


@pytest.mark.parametrize(
    "text",
    [
        "mật", "Mật ong rừng", "bí mật nhà nước", "Luật Bảo vệ BÍ MẬT NHÀ NƯỚC quy định", "tài liệu MẬT của cơ quan",
        "MẬT ONG RỪNG", "Bảo mật: rất tốt", "mật độ dân số: 300 người/km2", "độ mật mã hóa", "",
    ],
)  # fmt: skip
def test_a_word_that_only_looks_secret_is_not(text: str):
    assert not is_marked(text)
