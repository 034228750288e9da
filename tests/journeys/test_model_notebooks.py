"""The engineer's notebook, then the reviewer's, on one started platform: what is committed is what they show.

AICHUNG_URL=… AICHUNG_KEYS=var/keys.json python -m tests.journeys.test_model_notebooks    execute both, keep the outputs
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.journeys.conftest import ROOT, Platform
from tests.journeys.test_notebook import METADATA, executed, outputs, pictures, printed

ENGINEER, REVIEWER = (ROOT / "notebooks" / name for name in ("ml_engineer.ipynb", "reviewer.ipynb"))
BOTH = pytest.mark.parametrize("path", [ENGINEER, REVIEWER], ids=["engineer", "reviewer"])


def engineers_promises(notebook: Any) -> None:
    """From a gap that is named to a version in review; nothing with code gets in."""
    said = printed(notebook)
    assert not [output for output in outputs(notebook) if output.output_type == "error"]
    assert len(pictures(notebook)) == 2
    assert re.search(r"linh-vuc-so-tay@\d+\.\d+\.0 · draft · T1 · onnx.text-classify/1", said)
    assert "data.leakage_check" in said
    assert re.findall(r"ready: (\w+)", said) == ["False", "True"]
    assert "unsafe-format · Tệp «model.onnx» là pickle" in said
    assert "Đường vào thôn bị ngập → {'Giao thông'" in said
    assert re.search(r"/v2: Giao thông \d+\.\d+\.0 True", said)
    assert "Chờ chữ ký của người thẩm định công bằng" in said
    assert re.search(r"checking +in_review", said)


def reviewers_promises(notebook: Any) -> None:
    """Evidence first, two signatures, a release, a stop, a refusal with its reason, and proofs that hold elsewhere."""
    said = printed(notebook)
    assert not [output for output in outputs(notebook) if output.output_type == "error"]
    assert len(pictures(notebook)) == 2
    assert "reviewer: evidence-unread" in said
    assert "engineer_b: forbidden" in said
    assert "fairness_reviewer → approved" in said
    assert "illegal-move · Không chuyển được từ serving sang canary" in said
    assert "['Giao thông', 'Giáo dục']" in said
    assert re.search(r"macro_f1 +all +0\.9\d+ +0\.8\d+ +-0\.1", said)
    assert re.search(r"in_review +draft +Người thẩm định kỹ thuật", said)
    assert "gate closed: True" in said
    assert "answers again: True" in said
    assert said.count("NGUYÊN VẸN | INTACT") == 2
    assert said.count("✗ KHÔNG NGUYÊN VẸN | NOT INTACT") == 1
    assert "suspended" in said.splitlines()


PROMISES = {ENGINEER: engineers_promises, REVIEWER: reviewers_promises}


def run_both(url: str, keys_file: Path, keys: Mapping[str, str]) -> dict[Path, Any]:
    """Execute the engineer's notebook, then the reviewer's, who finds its model in the inbox."""
    made = executed(ENGINEER, {"AICHUNG_URL": url, "AICHUNG_KEY": keys["engineer_b"]})
    return {ENGINEER: made, REVIEWER: executed(REVIEWER, {"AICHUNG_URL": url, "AICHUNG_KEYS": str(keys_file)})}


@pytest.mark.journey
@pytest.mark.filterwarnings("ignore")  # the kernel's own libraries warn
def test_a_model_goes_from_the_engineers_notebook_through_the_reviewers(platform: Platform):
    for path, notebook in run_both(platform.url, (platform.home / "keys.json").resolve(), platform.keys).items():
        PROMISES[path](notebook)


@BOTH
def test_the_committed_notebook_shows_what_it_promises(path: Path):
    PROMISES[path](nbformat.read(path, as_version=4))


@BOTH
def test_the_committed_notebook_is_small_and_keeps_no_key_and_no_path(path: Path):
    text = path.read_text(encoding="utf-8")
    assert len(text) < 400_000
    assert not re.search(r"aic_[0-9a-z]+_\w{20}", text)
    assert not re.search(r"/(?:root|home|work|Users|tmp)/", text)


@BOTH
def test_every_text_is_in_both_languages(path: Path):
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    for source in cells:
        assert re.search(r"^\*[A-Z]", source, re.M), source[:80]


def refresh() -> int:
    """Execute both against AICHUNG_URL with the keys of AICHUNG_KEYS and write the outputs."""
    file = Path(os.environ["AICHUNG_KEYS"]).resolve()
    for path, notebook in run_both(os.environ["AICHUNG_URL"], file, json.loads(file.read_text("utf-8"))).items():
        notebook.metadata = METADATA
        for cell in notebook.cells:
            cell.metadata = {}
        nbformat.write(notebook, path)
    return 0


if __name__ == "__main__":
    sys.exit(refresh())
