"""The card on paper and what changed between two: the same bytes for the same card, every word as text."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zlib
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.bundle import BUNDLED_FOLDER
from registry.diffs import compare, render_diff
from registry.entries import Digests, Entry, Stage
from registry.evidence import digests_of, read_evidence
from registry.paper import render_pdf
from tests.registry.making import NOW

CARDS = sorted(BUNDLED_FOLDER.glob("*/*/card.json"))
EMPTY = Digests("", "", "", "", "", "", "")


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.parent.parent.name)
def test_every_bundled_card_prints_with_its_fonts_embedded(path: Path):
    printed = render_pdf(load(path))
    assert printed.startswith(b"%PDF-")
    assert b"/FontFile2" in printed
    assert b"+DejaVuSans" in printed
    assert len(printed) < 500_000


def test_the_same_card_is_the_same_bytes_here_and_in_another_process():
    card = load(CARDS[0])
    printed = render_pdf(card)
    assert render_pdf(deepcopy(card)) == printed
    code = (
        "import json,sys,zlib;from registry.paper import render_pdf;"
        "print(zlib.crc32(render_pdf(json.load(open(sys.argv[1], encoding='utf-8')))))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(CARDS[0])], capture_output=True, text=True, check=True)
    assert int(run.stdout) == zlib.crc32(printed)


def test_another_word_is_another_paper():
    card = load(CARDS[0])
    other = deepcopy(card)
    other["purpose"]["intended_use"]["value"] = "mục đích khác"
    assert render_pdf(card) != render_pdf(other)


@settings(max_examples=6, deadline=None)
@given(st.text(max_size=200))
def test_no_word_of_a_card_breaks_the_paper(text: str):
    card = load(CARDS[0])
    said = {"source": "human", "by": "x", "at": "2026-01-01", "evidence": []}
    card["purpose"]["intended_use"] = said | {"value": {"vi": f"<b>{text}", "en": "</para><img src='x'/>" + text}}
    card["risk"]["limitations"] = said | {"value": [{"a": text * 4, "b": 1.5}, {"a": text}]}
    assert render_pdf(card).startswith(b"%PDF-")


# --- differences --------------------------------------------------------------------------------------------


def entry_of(version: str, digests: Digests = EMPTY) -> Entry:
    return Entry(
        "m", version, "k/1", (), "platform", True, "T1", Stage.SERVING, digests, "x", None, None,
        datetime.fromtimestamp(NOW, UTC),
    )  # fmt: skip


def test_a_difference_names_fields_figures_and_digests():
    was = replace(read_evidence(CARDS[0].parent), bias=None)
    card = deepcopy(was.card)
    card["purpose"]["intended_use"]["value"] = {"vi": "<script>alert(1)</script>", "en": "other"}
    card["purpose"]["prohibited"]["at"] = "2030-01-01"
    del card["risk"]["misuse"]
    row = next(row for row in card["evaluation"]["metrics"]["value"])
    row["value"] += 0.25
    now = replace(was, card=card, bias={"verdict": "FAIL"})
    old, new = entry_of("1.0.0"), entry_of("1.1.0")
    old = replace(old, digests=digests_of(was, old))
    new = replace(new, digests=digests_of(now, new))
    found = compare(old, was, new, now)
    kinds = {change.pointer: change.kind for change in found.fields}
    assert kinds["/purpose/intended_use"] == "changed"
    assert kinds["/risk/misuse"] == "removed"
    assert "/purpose/prohibited" not in kinds
    assert [figure.change for figure in found.figures] == [pytest.approx(0.25)]
    assert {"card", "bias_report", "serving"} <= set(found.digests)
    assert [(change.pointer, change.kind) for change in found.bias] == [("/verdict", "added")]
    page = render_diff(found)
    assert "<script" not in page
    assert not re.search(r"<(del|ins)>[^<]*<script", page)


def test_a_version_does_not_differ_from_itself():
    evidence = read_evidence(CARDS[0].parent)
    found = compare(entry_of("1.0.0"), evidence, entry_of("1.0.0"), evidence)
    assert (found.digests, found.fields, found.figures, found.bias) == ((), (), (), ())
