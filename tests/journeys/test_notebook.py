"""The ministry's notebook runs against a started platform, and what is committed is what it shows.

AICHUNG_URL=… AICHUNG_KEY=… python -m tests.journeys.test_notebook      execute it and keep the outputs
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.journeys.conftest import ROOT, Platform

NOTEBOOK = ROOT / "notebooks" / "ministry.ipynb"
METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
PICTURE = "image/png"


def executed(path: Path, variables: dict[str, str]) -> Any:
    """A notebook with fresh outputs; raises CellExecutionError for a cell that fails."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=400, kernel_name="python3", record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )  # fmt: skip
    client.execute(env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **variables})
    return notebook


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def printed(notebook: Any) -> str:
    """Everything that stands under the cells as text."""
    found = outputs(notebook)
    return "\n".join(
        [o.text for o in found if "text" in o] + [o.data.get("text/plain", "") for o in found if "data" in o]
    )


def pictures(notebook: Any) -> list[str]:
    return [output.data[PICTURE] for output in outputs(notebook) if PICTURE in output.get("data", {})]


def must_hold(notebook: Any) -> None:
    """What a reader is promised: provenance, pictures, numbers, and the proof."""
    said = printed(notebook)
    assert not [output for output in outputs(notebook) if output.output_type == "error"]
    assert len(pictures(notebook)) == 3
    assert min(map(len, pictures(notebook))) > 5_000
    for model in ("vi-segment", "vi-topic", "vi-diacritics", "forecast-core", "anomaly-series"):
        assert re.search(rf"{model}@\d+\.\d+\.\d+ +open +T1 +bootstrap", said), model
    assert "Kết quả do hệ thống AI đề xuất" in said
    assert "Sức khỏe" in said
    assert "báo cáo" in re.findall(r"De nghi .* → (.*)", said)[0]
    assert re.search(r"ca_sot_xuat_huyet_minh_hoa +2025-11 +\d+\.\d", said)
    assert {"spike", "missing_report", "dip", "backfilled_report"} <= set(re.findall(r"^\[(\w+), mức \d", said, re.M))
    assert "NGUYÊN VẸN · INTACT: inference 200 vi-topic" in said
    assert "Bản ghi bị sửa: Bằng chứng không khớp" in said


@pytest.mark.journey
@pytest.mark.filterwarnings("ignore")  # the kernel's own libraries warn
def test_the_notebook_runs_on_a_started_platform(platform: Platform):
    must_hold(executed(NOTEBOOK, {"AICHUNG_URL": platform.url, "AICHUNG_KEY": platform.keys["ministry"]}))


def test_the_committed_notebook_shows_what_it_promises():
    must_hold(nbformat.read(NOTEBOOK, as_version=4))


def test_the_committed_notebook_is_small_and_keeps_no_key_and_no_path():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 600_000
    assert not re.search(r"aic_[0-9a-z]+_\w{20}", text)
    assert not re.search(r"/(?:root|home|work|Users|tmp)/", text)


def test_every_heading_is_in_both_languages():
    cells = [cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "markdown"]
    for source in cells:
        assert re.search(r"^\*[A-Z]", source, re.M), source[:80]


def refresh(path: Path) -> int:
    """Execute a notebook against AICHUNG_URL with AICHUNG_KEY and write the outputs."""
    notebook = executed(path, {name: os.environ[name] for name in ("AICHUNG_URL", "AICHUNG_KEY")})
    notebook.metadata = METADATA
    for cell in notebook.cells:
        cell.metadata = {}
    nbformat.write(notebook, path)
    return 0


if __name__ == "__main__":
    sys.exit(refresh(NOTEBOOK))
