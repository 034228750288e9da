"""A bias report that comes with a model: taken as it is for these bytes, refused for others or when it contradicts."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.artifact import Artifact, open_artifact
from models.errors import InvalidInputError
from pipelines.bias.filing import MOST_BYTES, bias_field, read_report
from registry.bundle import BUNDLED_FOLDER
from registry.canonical import digest

SEGMENT = BUNDLED_FOLDER / "vi-segment" / "1.0.0"
Change = Callable[[dict[str, Any]], object]


def read(report: dict[str, Any], tier: str = "T1", artifact: Artifact | None = None) -> dict[str, Any]:
    return read_report(json.dumps(report).encode(), artifact or open_artifact(SEGMENT / "artifact"), tier)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SEGMENT / "bias.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize("file", sorted(BUNDLED_FOLDER.glob("*/*/bias.json")), ids=lambda file: file.parent.parent.name)
def test_every_report_of_ours_passes_for_its_own_bytes(file: Path):
    artifact, stated = open_artifact(file.parent / "artifact"), json.loads(file.read_text("utf-8"))
    taken = read_report(file.read_bytes(), artifact, stated["tier"])
    assert taken == stated
    card = bias_field(taken, artifact, "inherited")
    assert card["evidence"] == [card["value"]["digest"]] == [digest(stated)]


def test_a_report_about_other_bytes_is_refused(report: dict[str, Any]):
    other = replace(open_artifact(SEGMENT / "artifact"), digest="sha256:" + "2" * 64)
    with pytest.raises(InvalidInputError) as refusal:
        read(report, artifact=other)
    assert refusal.value.word == "evidence-mismatch"
    assert refusal.value.facts["artifact_digest"] == other.digest
    assert [fault.pointer for fault in refusal.value.faults] == ["/bias"]


def test_margins_of_a_laxer_tier_and_trials_of_seconds_are_refused(report: dict[str, Any]):
    for tier, run in (("T3", {}), (report["tier"], {"quick": True})):
        with pytest.raises(InvalidInputError) as refusal:
            read({**report, "run": {**report["run"], **run}}, tier)
        assert refusal.value.word == "bias-margins"


def _hide_a_failure(report: dict[str, Any]) -> None:
    """One row is turned, the verdicts above it are left."""
    counted = (one for axis in report["axes"] for one in axis["measures"] if one["confirmatory"])
    next(one for one in counted if one["verdict"] != "FAIL")["rows"][0][9] = "FAIL"


CHANGES: dict[str, Change] = {
    "a verdict that its rows do not give": _hide_a_failure,
    "a verdict of an axis that is better than its figures": lambda it: it["verdict_by_axis"].update(
        dict.fromkeys(it["verdict_by_axis"], "PASS")
    ),
    "no axes": lambda it: it.update(axes=[], verdict_by_axis={}),
    "a figure without rows": lambda it: it["axes"][0]["measures"][0].pop("rows"),
    "text for a number": lambda it: it["axes"][0]["measures"][0]["rows"][0].__setitem__(2, "<b>"),
    "no run": lambda it: it.pop("run"),
    "another model's name": lambda it: it["model"].update(name="khac"),
    "another form": lambda it: it.update(schema="bias-report/0"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_report_that_lacks_parts_or_contradicts_itself_is_refused(report: dict[str, Any], change: Change):
    altered = copy.deepcopy(report)
    change(altered)
    with pytest.raises(InvalidInputError) as refusal:
        read(altered)
    assert refusal.value.word == "wrong-document"


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"a": NaN}', b"[" * 100_000, b" " * (MOST_BYTES + 1)])
def test_what_is_no_report_at_all_is_refused(content: bytes):
    with pytest.raises(InvalidInputError) as refusal:
        read_report(content, open_artifact(SEGMENT / "artifact"), "T1")
    assert refusal.value.word == "wrong-document"
