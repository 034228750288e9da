"""The province's notebook runs against a started platform, and what is committed is what it shows.

AICHUNG_URL=… AICHUNG_KEY=… python -m tests.journeys.test_province      execute it and keep the outputs
"""

from __future__ import annotations

import re
import sys
from typing import Any

import nbformat
import pytest

from models.tables.cells import read_workbook
from tests.journeys.conftest import ROOT, Platform
from tests.journeys.test_notebook import executed, outputs, printed, refresh
from tests.journeys.yearbook import SAMPLE, tcvn3, workbook

NOTEBOOK = ROOT / "notebooks" / "province.ipynb"


def must_hold(notebook: Any) -> None:
    """What a reader is promised: questions, events with cells, the one-page report, next year's file unasked."""
    said = printed(notebook)
    assert not [output for output in outputs(notebook) if output.output_type == "error"]
    assert "TØnh/T.phè" in said
    assert re.search(r"Soi A1:Z65 2024-01 … 2024-12 \(file_name\) tcvn3", said)
    assert "? Cột Z" in said
    assert "needs_input · Cột Z" in said
    assert re.search(r"succeeded .*630.*'failed': 0", said)
    assert re.search(r"Hà Nội +Soi / Mắc +2024-03 .*Soi!F3", said)
    assert "TCM!R44 = 2170" in said
    assert re.search(r"Khánh Hòa +SXH / Mắc +2024-10 +2024-12 +missing_report", said)
    assert re.search(r"'Tóm tắt': \d+, 'Sự kiện': \d+, 'Dữ liệu': 7561, 'Nguồn': \d+", said)
    assert '"Chuỗi số liệu";"Mã đơn vị"' in said
    assert "byte; True True" in said
    assert any("Hoàng Sa" in output.get("data", {}).get("text/html", "") for output in outputs(notebook))
    assert "pattern applied: True · còn hỏi · asked: 0" in said
    assert "2025-01 … 2025-12" in said


@pytest.mark.journey
@pytest.mark.filterwarnings("ignore")  # the kernel's own libraries warn
def test_the_notebook_runs_on_a_started_platform(platform: Platform):
    must_hold(executed(NOTEBOOK, {"AICHUNG_URL": platform.url, "AICHUNG_KEY": platform.keys["province"]}))


def test_the_committed_notebook_shows_what_it_promises():
    must_hold(nbformat.read(NOTEBOOK, as_version=4))


def test_the_committed_notebook_is_small_and_keeps_no_key_and_no_path():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 300_000
    assert not re.search(r"aic_[0-9a-z]+_\w{20}", text)
    assert not re.search(r"/(?:root|home|work|Users|tmp)/", text)


def test_every_text_is_in_both_languages():
    cells = [cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "markdown"]
    for source in cells:
        assert re.search(r"^\*(?:[A-Z]|`)", source, re.M), source[:80]


def test_the_sample_is_what_its_script_makes_and_lies_as_in_an_office():
    assert SAMPLE.read_bytes() == workbook()
    book = read_workbook(SAMPLE, SAMPLE.name)
    assert [sheet.name for sheet in book.sheets] == ["LyTT", "SXH", "Dai", "Soi", "TCM"]
    first = book.sheets[0]
    assert len(first.rows) == 65
    assert first.rows[0][:2] == (tcvn3("Tỉnh/T.phố"), tcvn3("Tháng 1"))
    assert first.rows[2][0] == "Hµ Néi"


if __name__ == "__main__":
    sys.exit(refresh(NOTEBOOK))
