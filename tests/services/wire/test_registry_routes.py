"""What the platform says of its models."""

from __future__ import annotations

import pytest

from models.errors import InvalidInputError
from services.documents import wanted_type
from tests.services.refusals import SEGMENT, docs
from tests.services.wire.small import BUNDLED, Place

VERSION = "/v1/registry/models/vi-topic/versions/1.0.0"


def test_the_registry_lists_models_in_pages(place: Place):
    first = place.get("/v1/registry/models?limit=4")
    body = first.json()
    assert [model["id"] for model in body["data"]] == sorted(BUNDLED)[:4]
    assert (body["has_more"], body["last_id"]) == (True, sorted(BUNDLED)[3])
    rest = place.get(first.headers["link"].split(">")[0][1:]).json()
    assert [model["id"] for model in rest["data"]] == sorted(BUNDLED)[4:]
    assert rest["has_more"] is False


def test_every_listing_names_a_bootstrap_approval_as_one(place: Place):
    one = place.get(VERSION).json()
    for version in (one, place.get("/v1/registry/models/vi-topic").json()["versions"][0]):
        assert version["approval"]["kind"] == "bootstrap"
        assert version["approval"]["verified"] is True
        assert set(version["approval"]["tiers"]) == {"T0", "T1"}
        assert version["state"] == "open"
        assert version["default_for"] == ["topics"]
    row = next(row for row in place.get("/v1/catalog").json()["data"] if row["name"] == "vi-topic")
    assert row["approval_kind"] == "bootstrap"


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_a_browser_gets_the_card_as_a_page_that_runs_nothing(place: Place):
    page = place.get(VERSION + "/card", headers={"Accept": BROWSER})
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["vary"] == "accept"
    assert page.headers["x-model-card"] == place.house.store.entry("vi-topic", "1.0.0").digests.card
    assert page.text.startswith('<!doctype html><html lang="vi">')
    offered = place.get("/openapi.json").json()["paths"]["/v1/registry/models/{name}/versions/{version}/card"]["get"]
    assert {"application/json", "text/html", "text/markdown", "application/pdf"} <= set(
        offered["responses"]["200"]["content"]
    )
    assert "406" in offered["responses"]


def test_a_card_comes_as_json_or_markdown(place: Place):
    card = place.get(VERSION + "/card")
    assert card.json()["schema"] == "model-dossier/1"
    assert card.headers["x-model-card"] == place.house.store.entry("vi-topic", "1.0.0").digests.card
    text = place.get(VERSION + "/card", headers={"Accept": "text/markdown"})
    assert text.headers["content-type"].startswith("text/markdown")
    assert text.text.startswith("# Hồ sơ mô hình")
    refused = place.get(VERSION + "/card", headers={"Accept": "image/png"})
    assert (refused.status_code, refused.json()["code"]) == (406, "not-acceptable")


def test_the_evaluation_and_the_missing_bias_report_are_shown(place: Place):
    assert place.get(VERSION + "/evaluation").json()["schema"] == "evaluation/1"
    assert "not_evaluated" in place.get(VERSION + "/bias-report").json()["bias_report"]


def test_the_catalog_shows_what_may_be_called_with_figures(place: Place):
    place.post(SEGMENT, docs("a"))
    place.house.telemetry.flush()
    rows = {row["name"]: row for row in place.get("/v1/catalog").json()["data"]}
    assert rows.keys() == BUNDLED.keys()
    assert rows["vi-segment"]["endpoints"] == [SEGMENT, "/v2/models/vi-segment/infer"]
    assert rows["vi-segment"]["measured"]["calls"] >= 1
    assert rows["vi-segment"]["measured"]["p50_ms"] > 0
    assert rows["vi-segment"]["accuracy"][0]["name"] == "word_f1"
    assert rows["vi-segment"]["throughput"][0]["name"] == "syllables_per_second"
    assert rows["forecast-prophet"]["measured"] is None


def test_models_are_listed_in_openais_dialect(place: Place):
    body = place.get("/v1/models").json()
    assert body["object"] == "list"
    assert {row["id"] for row in body["data"]} == set(BUNDLED)
    assert all(row["object"] == "model" and isinstance(row["created"], int) for row in body["data"])


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, "a/x"), ("*/*", "a/x"), ("b/y", "b/y"), ("a/x;q=0.2, b/y", "b/y"), ("b/*;q=0.5, */*;q=0.4", "b/y"),
        ("a/x;q=0, */*", "b/y"), ("b/y;q=nonsense, a/x", "a/x"),
    ],
)  # fmt: skip
def test_the_most_specific_range_decides_the_form(accept: str | None, wanted: str):
    assert wanted_type(accept, ("a/x", "b/y")) == wanted


def test_a_form_that_is_not_offered_is_refused():
    with pytest.raises(InvalidInputError):
        wanted_type("c/z, a/x;q=0", ("a/x",))
