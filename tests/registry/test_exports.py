"""Foreign forms of card and artefact, judged by others: the CycloneDX schema and the OMS tool."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from models.artifact import Artifact, open_artifact
from models.errors import ConflictError
from registry.bundle import BUNDLED_FOLDER
from registry.entries import Digests
from registry.exports import cyclonedx
from registry.oms import sign_folder
from registry.signatures import Signer

SCHEMAS = Path(__file__).parent / "schemas"
FOLDERS = sorted(path.parent for path in BUNDLED_FOLDER.glob("*/*/card.json"))
DIGESTS = asdict(Digests(*(f"sha256:{letter * 64}" for letter in "abcdef0")))


@pytest.fixture(scope="module")
def schema() -> Draft7Validator:
    """The official schema, its references resolved from disk."""
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(SCHEMAS.glob("*.json"))]
    registry: Registry[Any] = Registry().with_resources(
        [(document["$id"], Resource.from_contents(document)) for document in documents]
    )
    main = next(document for document in documents if "bom-1.7" in document["$id"])
    return Draft7Validator(main, registry=registry)


def read(folder: Path) -> tuple[dict[str, Any], Artifact]:
    return json.loads((folder / "card.json").read_text(encoding="utf-8")), open_artifact(folder / "artifact")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_every_bundled_card_is_valid_cyclonedx(schema: Draft7Validator, folder: Path):
    card, artifact = read(folder)
    exported = cyclonedx(card, artifact, DIGESTS)
    document = json.loads(exported)
    assert [error.message for error in schema.iter_errors(document)] == []
    assert cyclonedx(deepcopy(card), artifact, dict(DIGESTS)) == exported
    component = document["metadata"]["component"]
    assert component["hashes"] == [{"alg": "SHA-256", "content": artifact.digest.removeprefix("sha256:")}]
    names = {row["name"] for row in component["modelCard"]["properties"]}
    fields = {f"aichung:{section}.{name}" for section, rows in card.items() if isinstance(rows, dict) for name in rows}
    assert names == fields


def test_the_schema_that_judges_refuses_what_is_not_cyclonedx(schema: Draft7Validator):
    card, artifact = read(FOLDERS[0])
    document = json.loads(cyclonedx(card, artifact, DIGESTS))
    document["metadata"]["component"]["modelCard"]["verdict"] = "PASS"
    document["metadata"]["component"]["licenses"] = [{"license": {"id": "Nobody-1.0"}}]
    assert len(list(schema.iter_errors(document))) == 2


def test_a_card_with_every_kind_of_value_stays_valid(schema: Draft7Validator):
    card, artifact = read(FOLDERS[0])
    said = {"source": "human", "by": "x", "at": "2026-01-01", "evidence": []}
    card["identity"]["base_model"] = said | {
        "value": {"name": "PhoBERT", "version": "2", "digest": "sha256:" + "1" * 64, "licence": "Giấy phép riêng"}
    }
    card["risk"]["risks"] = said | {"value": [{"id": "R1", "control": {"vi": "kiểm tra", "en": "check"}}]}
    card["data"]["datasets"] = {"not_evaluated": "chưa có"}
    card["evaluation"]["metrics"] = said | {"value": [{"name": "f1", "value": 1e-07, "ci95": None}]}
    document = json.loads(cyclonedx(card, artifact, DIGESTS))
    assert [error.message for error in schema.iter_errors(document)] == []
    card_of = document["metadata"]["component"]["modelCard"]
    assert card_of["quantitativeAnalysis"]["performanceMetrics"][0]["value"] == "1e-7"
    assert "datasets" not in card_of["modelParameters"]


def test_other_digests_are_another_document():
    card, artifact = read(FOLDERS[0])
    other = DIGESTS | {"policy": "sha256:" + "9" * 64}
    assert cyclonedx(card, artifact, DIGESTS) != cyclonedx(card, artifact, other)


# --- OMS ----------------------------------------------------------------------------------------------------


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A folder as a recipient has it: the artefact's files with `model.sig`, the public key beside."""
    signer = Signer.load_or_create(tmp_path / "keys" / "evidence.key", "evidence", "ecdsa-p256-sha256")
    folder = Path(shutil.copytree(FOLDERS[0] / "artifact", tmp_path / "model"))
    (tmp_path / "model.sig").write_text(sign_folder(open_artifact(folder), signer))
    return tmp_path


NEEDS_TOOL = pytest.mark.skipif(
    importlib.util.find_spec("OpenSSL") is None, reason="model-signing does not start without pyOpenSSL"
)


def check(signed: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-m", "model_signing", "verify", "key", "model", "--signature", "model.sig",
        "--public_key", "keys/evidence.key.pub",
    ]  # fmt: skip
    return subprocess.run(command, cwd=signed, capture_output=True, text=True, check=False)


@NEEDS_TOOL
def test_the_model_signing_tool_verifies_a_signed_folder(signed: Path):
    run = check(signed)
    assert run.returncode == 0, run.stderr + run.stdout
    assert "succeeded" in run.stdout + run.stderr


@NEEDS_TOOL
def test_the_model_signing_tool_refuses_a_changed_folder(signed: Path):
    changed = next(path for path in (signed / "model").rglob("*") if path.is_file() and path.name != "manifest.json")
    data = bytearray(changed.read_bytes())
    data[-1] ^= 1
    changed.write_bytes(data)
    assert check(signed).returncode != 0


def test_the_oms_form_needs_an_elliptic_curve_key():
    with pytest.raises(ConflictError) as refused:
        sign_folder(open_artifact(FOLDERS[0] / "artifact"), Signer.generate("x", "ed25519"))
    assert refused.value.word == "oms-needs-p256"
