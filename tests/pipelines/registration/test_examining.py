"""One verdict: the platform's and the laptop's, how much of a card fills itself, what the fence lets through."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from models.errors import InvalidInputError
from pipelines.datasets import load_catalogue
from pipelines.registration.conversion import from_skops
from pipelines.registration.examining import Asked, check, examine, following
from pipelines.registration.sandbox import Sandbox
from registry.card_fields import FIELDS
from registry.card_values import field_of
from tests.pipelines.registration.samples import ROOT, graph, scikit

LEAST = {
    "classification": {
        "declared_control_tier": "T2", "legal_tier": "thap", "art20": {"uses": [], "direct_basis": False},
        "sensitive_categories": [], "personal_data": False, "secrecy": "không",
    },
    "purpose": {"decision_role": "information"},
}  # fmt: skip
FENCED = """
import os, socket, sys
from pathlib import Path
from pipelines.registration import cage
cage.shut([Path(sys.argv[1])])
def refused(work):
    try:
        work()
    except OSError:
        return True
    return False
print(refused(lambda: open(sys.argv[1] + "/new", "w")), refused(socket.socket), refused(os.fork),
      refused(lambda: os.listdir(sys.argv[2])), refused(lambda: os.unlink(sys.argv[1] + "/in")),
      open(sys.argv[1] + "/in").read())
"""


def test_behind_the_fence_only_the_one_folder_can_be_read_and_nothing_done(tmp_path: Path):
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir(), other.mkdir()
    (own / "in").write_text("read")
    run = subprocess.run([sys.executable, "-c", FENCED, own, other], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.split() == ["True", "True", "True", "True", "True", "read"], run.stderr


def test_three_fifths_of_a_card_fill_themselves_for_a_model_of_our_pipeline(tmp_path: Path):
    source = ROOT / "registry" / "bundled" / "vi-segment" / "1.0.0"
    with tarfile.open(tmp_path / "upload", "w:gz") as archive:
        for name in ("artifact", "evaluation.json", "card.json"):
            archive.add(source / name, name)
    (tmp_path / "card").write_text(json.dumps(LEAST), "utf-8")
    asked = Asked("vi-segment", "sub_1", "2026-11-24T00:00:00Z", "Bộ Y tế", sources=load_catalogue())
    found = examine(Sandbox(), tmp_path, "upload", "model.tar.gz", "card", asked)
    assert found.tier == "T2"
    assert found.report["filled"]["automatic_share"] >= 0.60
    required = [field for field in FIELDS if field.required("T2")]
    fields = [field_of(found.card, field.path) for field in required]
    automatic = [one for one in fields if one and one.get("source") in ("auto", "inherited")]
    assert len(automatic) / len(required) == pytest.approx(found.report["filled"]["automatic_share"], abs=0.001)
    assert all({"value", "by", "at", "evidence"} <= set(one) for one in automatic)


def test_a_laptop_gives_the_verdict_of_the_platform(tmp_path: Path):
    reports: list[dict[str, Any]] = []
    for asked in (Asked("tong", "laptop", "2026-01-01", "—"), Asked("tong", "sub_1", "2026-11-24", "Bộ Y tế")):
        folder = tmp_path / asked.by
        folder.mkdir()
        (folder / "upload").write_bytes(graph())
        (folder / "card").write_text(json.dumps(LEAST), "utf-8")
        reports.append(dict(examine(Sandbox(), folder, "upload", "model.onnx", "card", asked).report))
    for word in ("tier", "ready", "findings", "gaps", "filled"):
        assert reports[0][word] == reports[1][word]


@pytest.mark.parametrize("value", ["None", "", "Đang cập nhật", "liên hệ a@b.vn", "0912 345 678"])
def test_a_card_with_blanks_boilerplate_or_personal_data_is_refused_on_the_laptop(value: str):
    document = {**LEAST, "purpose": {**LEAST["purpose"], "intended_use": value}}
    with pytest.raises(InvalidInputError) as refusal:
        check(document)
    assert [fault.pointer for fault in refusal.value.faults] == ["/card/purpose/intended_use"]


def test_the_human_part_of_a_real_card_passes_and_a_bare_one_is_told_its_gaps():
    report = check(LEAST)
    named = {finding["field"] for finding in report["findings"]}
    assert {"purpose.intended_use", "risk.limitations"} <= named
    assert not named & {"identity.version", "evaluation.metrics", "operation.log_policy"}


def test_one_model_is_converted_to_the_same_bytes_everywhere(tmp_path: Path):
    model = tmp_path / "model.skops"
    model.write_bytes(scikit())
    text = (
        "import sys; from hashlib import sha256; from pathlib import Path\n"
        "from pipelines.registration.conversion import from_skops\n"
        "print(sha256(from_skops(Path(sys.argv[1]).read_bytes()).graph).hexdigest())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", text, str(model)], cwd=ROOT, check=True, capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "3", "11")
    }  # fmt: skip
    assert said == {sha256(from_skops(model.read_bytes()).graph).hexdigest().encode() + b"\n"}


def test_versions_count_up():
    assert [following(None), following("1.0.0"), following("2.9.3")] == ["1.0.0", "1.1.0", "2.10.0"]
