"""GET …/bias-report: the registered report and no other, as JSON and as a page."""

import json

import pytest

from models.errors import Note
from models.scores.groups import Rule, Tally, compare_shares
from pipelines.bias.document import axis_document
from pipelines.bias.values import Axis, Measure
from tests.services.wire.small import Place

PATH = "/v1/registry/models/vi-weighed/versions/1.0.0/bias-report"
PAGE = {"Accept": "text/html"}


def report() -> dict:
    rows = tuple(compare_shares([Tally("11", 60, 120), Tally("01", 900, 1000)], Rule(0.1)))
    measure = Measure("accuracy", Note("độ đúng", "accuracy"), "accuracy", Rule(0.1), "low", rows, Note("c", "m"))
    axis = Axis(
        "province", Note("Tỉnh", "Provinces"), (measure,), {"11": Note("<b>Điện Biên</b>", "Dien Bien")}, places="34"
    )
    run = {"at": "2026-11-24T00:00:00+00:00", "code_commit": "c", "tool": "t"}
    return {
        "schema": "bias-report/1", "model": {"name": "vi-weighed", "version": "1.0.0", "artifact_digest": "sha256:1"},
        "family": "text", "tier": "T1", "verdict": "FAIL", "verdict_by_axis": {"province": "FAIL"}, "margins": "m",
        "run": run, "datasets": [], "lists": [], "facts": {}, "harms": [], "axes": [axis_document(axis)],
        "untested": [],
    }  # fmt: skip


@pytest.fixture
def weighed(own: Place) -> Place:
    """A house with one model more, which has a report."""
    folder = own.registry.folder / "vi-weighed" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "bias.json").write_text(json.dumps(report(), ensure_ascii=False), encoding="utf-8")
    own.registry.add("vi-weighed", "text.segment/1")
    own.house.handles.refresh()
    return own


def test_the_report_comes_as_json_and_as_a_page_in_two_languages(weighed: Place):
    answer = weighed.get(PATH)
    assert answer.status_code == 200
    assert answer.json()["report"] == report()
    assert answer.json()["model"] == "vi-weighed@1.0.0"
    page = weighed.get(PATH, headers=PAGE)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "KHÔNG ĐẠT" in page.text
    assert "Trường Sa" in page.text
    assert "&lt;b&gt;Điện Biên" in page.text
    assert "<b>Điện" not in page.text
    assert "Bias report" in weighed.get(PATH + "?lang=en", headers=PAGE).text


def test_what_is_not_offered_is_refused(weighed: Place):
    assert weighed.get(PATH, headers={"Accept": "image/png"}).status_code == 406
    assert weighed.get(PATH + "?lang=fr", headers=PAGE).status_code == 422
    assert weighed.get(PATH.replace("vi-weighed", "vi-absent")).status_code == 404


def test_a_version_without_a_report_says_why_and_has_no_page(weighed: Place):
    path = PATH.replace("vi-weighed", "vi-topic")
    answer = weighed.get(path).json()
    assert answer["report"] is None
    assert "not_evaluated" in answer["bias_report"]
    assert weighed.get(path, headers=PAGE).status_code == 404


@pytest.mark.parametrize("change", ["altered", "removed"])
def test_a_report_that_is_not_the_registered_one_is_not_shown(weighed: Place, change: str):
    file = weighed.registry.folder / "vi-weighed" / "1.0.0" / "bias.json"
    if change == "removed":
        file.unlink()
    else:
        file.write_text(file.read_text(encoding="utf-8").replace("FAIL", "PASS"), encoding="utf-8")
    refused = weighed.get(PATH)
    assert refused.status_code == 503
    assert refused.json()["code"] == "evidence-altered"
