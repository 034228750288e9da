"""The report as JSON, pictures and page: nothing below twenty cases, no NaN, every text escaped, both islands."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from models.artifact import Artifact
from models.errors import IntegrityError, Note
from models.scores.groups import Rule, Tally, compare_shares
from pipelines.bias.assessment import assess, put
from pipelines.bias.document import card_value, document, require_report
from pipelines.bias.page import render_page
from pipelines.bias.pictures import verdict_map
from pipelines.bias.values import Axis, Findings, Harming, Matrix, Measure, Untested
from pipelines.datasets import Datasets
from registry.bundle import BUNDLED_FOLDER
from registry.canonical import digest, read_document

RULE = Rule(0.05)
RUN = {"at": "2026-11-24T00:00:00+00:00", "code_commit": "c", "environment_digest": "e", "tool": "t", "quick": False}
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def artifact() -> Artifact:
    return Artifact(Path("."), "x", "1.0.0", "text.classify/1", "MIT", {}, {}, "sha256:" + "1" * 64)


def measure(tallies, **more) -> Measure:
    found = Measure(
        "accuracy", Note("độ đúng", "accuracy"), "accuracy", RULE, "low", tuple(compare_shares(tallies, RULE)),
        Note("cách", "method"),
    )  # fmt: skip
    return replace(found, **more)


def findings() -> Findings:
    groups = [Tally("01", 850, 1000), Tally("11", 300, 500), Tally("15", 8, 10), Tally("91", 22, 25)]
    labels = {"01": Note("Hà Nội", "Hanoi"), "11": Note(SCRIPT, SCRIPT)}
    axis = Axis(
        "province", Note("Tỉnh", "Provinces"), (measure(groups), measure(groups, confirmatory=False)), labels,
        Matrix(("01", "11"), ((0, 3), (3, 0)), 150, 0), "34",
    )  # fmt: skip
    harm = Harming(Note("ai", "who"), Note("lỗi", "error"), Note("hậu quả", "consequence"), "accuracy")
    return Findings("text", [axis], [harm], [Untested(Note("n", "n"), Note(SCRIPT, "why"))], (), ("persons",))


def made(artifact):
    return document(findings(), artifact, "T1", RUN, Datasets(None))


def test_small_cells_are_hidden_and_nothing_is_nan(artifact):
    report = made(artifact)
    rows = {row[0]: row for row in report["axes"][0]["measures"][0]["rows"]}
    assert rows["15"][1:9] == ["<20", *[None] * 7]
    assert rows["91"][1:9] == [25, *[None] * 7]
    assert (rows["11"][9], rows["01"][9]) == ("FAIL", "PASS")
    json.loads(json.dumps(report), parse_constant=lambda word: pytest.fail(word))
    exploratory = report["axes"][0]["measures"][1]
    assert exploratory["verdict"] is None
    assert {row[9] for row in exploratory["rows"]} <= {None, "SIGNAL"}


def test_the_card_names_digest_verdicts_and_what_could_not_be_tested(artifact):
    report = made(artifact)
    value = card_value(report)
    assert value["digest"] == digest(report)
    assert value["verdict_by_axis"] == report["verdict_by_axis"] == {"province": "FAIL"}
    assert value["failed"] == ["province/accuracy: 11"]
    assert value["groups_not_testable"]
    assert (value["groups_tested"], value["groups_without_enough_cases"]) == (2, 2)


def test_a_report_about_another_artefact_is_refused(artifact):
    report = made(artifact)
    require_report(report, artifact)
    with pytest.raises(IntegrityError):
        require_report(report, replace(artifact, digest="sha256:" + "2" * 64))
    with pytest.raises(IntegrityError):
        require_report({**report, "schema": "x"}, artifact)


def test_a_report_is_read_back_as_it_was_written(artifact, tmp_path):
    folder = tmp_path / "1.0.0"
    folder.mkdir()
    report = made(artifact)
    assert read_document(put(report, folder)) == report


@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_page_escapes_what_it_shows_and_has_a_table_beside_each_picture(artifact, language):
    page = render_page(made(artifact), language)
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page
    assert page.count("<figure>") >= 3
    assert page.count("<details") == 2
    for word in ("src=", 'href="http', "<link", "@import", "<script"):
        assert word not in page


def test_both_islands_stand_on_every_map(artifact):
    axis = made(artifact)["axes"][0]
    for places in ("34", "63"):
        picture = verdict_map({**axis, "places": places}, axis["measures"][0], "m", "vi")
        assert "Hoàng Sa" in picture
        assert "Trường Sa" in picture
    assert (
        verdict_map({key: value for key, value in axis.items() if key != "places"}, axis["measures"][0], "m", "vi")
        is None
    )


def bundled() -> list[Path]:
    return sorted(path.parent for path in BUNDLED_FOLDER.glob("*/*/bias.json"))


@pytest.mark.parametrize("folder", bundled(), ids=lambda folder: folder.parent.name)
def test_a_bundled_report_is_whole_and_its_page_can_be_made(folder):
    report, card = read_document(folder / "bias.json"), read_document(folder / "card.json")
    assert report["run"]["quick"] is False
    assert card["fairness"]["bias_report"]["value"]["digest"] == digest(report)
    assert report["model"]["artifact_digest"] == card["identity"]["artifact_digest"]["value"]
    assert all(axis.get("matrix", {"asymmetries": 0})["asymmetries"] == 0 for axis in report["axes"])
    assert report["untested"]
    assert "Hoàng Sa" in render_page(report) or not any("places" in axis for axis in report["axes"])


@pytest.mark.skipif(not os.environ.get("AICHUNG_DATA_MIRROR"), reason="needs the data mirror")
def test_two_runs_of_the_real_tests_find_the_same(tmp_path):
    reports = []
    for number in range(2):
        folder = tmp_path / str(number) / "anomaly-tabular" / "1.0.0"
        folder.mkdir(parents=True)
        (folder / "card.json").write_bytes((BUNDLED_FOLDER / "anomaly-tabular/1.0.0/card.json").read_bytes())
        (folder / "artifact").symlink_to(BUNDLED_FOLDER / "anomaly-tabular/1.0.0/artifact")
        reports.append(assess(folder, Path(os.environ["AICHUNG_DATA_MIRROR"]), lambda _: None, quick=True).report)
    assert reports[0]["axes"] == reports[1]["axes"]
