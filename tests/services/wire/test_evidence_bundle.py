"""The evidence of a version that persons really reviewed: checked by a stranger, and closed to other organisations."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from registry import standalone
from registry.checkpoints import Checkpointer
from registry.signatures import Signer, envelope
from tests.services.wire.small import Place, small_house
from tests.services.wire.test_reviews import T2 as CHANGES
from tests.services.wire.test_reviews import TWO, approve, draft, path, subject

BIAS = {"verdict_by_axis": {"diacritics": "PASS"}}
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A house whose T2 model three persons approved, under a checkpoint."""
    home = tmp_path_factory.mktemp("house") / "var"
    made = small_house(home, models={"vi-segment": "text.segment/1"})
    assert draft(made, changes=CHANGES, bias=BIAS).tier == "T2"
    approve(made, *TWO, "dpo")
    checkpoint(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def bundle(place: Place) -> bytes:
    """The bundle as the inspector fetched it."""
    answer = place.get(path("/evidence"), key="inspector")
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.fixture
def files(bundle: bytes) -> Files:
    """The bundle's members."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def checkpoint(place: Place) -> None:
    home = place.house.settings.home
    signer = Signer.load_or_create(home / "keys" / "checkpoint.key", "checkpoint")
    place.records()
    Checkpointer(place.house.database, home / "checkpoints", signer, clock=place.house.clock).write()


def evidence_key(place: Place) -> Signer:
    return Signer.load(place.house.settings.home / "keys" / "evidence.key", "evidence")


def bad(files: Files) -> str:
    with pytest.raises(standalone.Bad) as found:
        standalone.check_bundle(files)
    return str(found.value)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def listed(files: Files) -> list[dict[str, str]]:
    """The persons' statements that the approval lists."""
    payload = json.loads(files["statements/approval.json"])["payload"]
    rows: list[dict[str, str]] = json.loads(base64.b64decode(payload))["predicate"]["statements"]
    return rows


def file_of(row: dict[str, str]) -> str:
    return f"statements/{row['sha256'].removeprefix('sha256:')}.json"


def signed_anew(files: Files, signer: Signer) -> Files:
    """The bundle with its manifest made true again and signed by the installation's own evidence key."""
    manifest = json.loads(files[standalone.MANIFEST])
    rest = {name: data for name, data in files.items() if name not in (standalone.MANIFEST, standalone.ENVELOPE)}
    manifest["files"] = {name: {"sha256": sha256(data).hexdigest(), "bytes": len(data)} for name, data in rest.items()}
    text = json.dumps(manifest).encode()
    signed = envelope(signer, standalone.MANIFEST_TYPE, text).encode()
    return {**rest, standalone.MANIFEST: text, standalone.ENVELOPE: signed}


def restated(files: Files, review: Signer, change: Callable[[list[dict[str, Any]]], object]) -> Files:
    """The bundle with another approval, signed by the platform's own review key."""
    statement = json.loads(base64.b64decode(json.loads(files["statements/approval.json"])["payload"]))
    change(statement["predicate"]["statements"])
    text = envelope(review, standalone.STATEMENT_TYPE, json.dumps(statement).encode())
    return {**files, "statements/approval.json": text.encode()}


def test_a_stranger_sees_every_person_the_approval_and_the_decisions(place: Place, bundle: bytes, tmp_path: Path):
    (tmp_path / "bundle.zip").write_bytes(bundle)
    (tmp_path / "verify.py").write_bytes(place.get("/v1/audit/verifier").content)
    key_id = evidence_key(place).public.key_id
    command = [sys.executable, "-I", "-S", "verify.py", "bundle.zip", "--key", key_id]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    for key, role in (("reviewer", "tech_reviewer"), ("fairness_reviewer", "fairness_reviewer"), ("dpo", "dpo")):
        assert f"✓ {role} {subject(place, key)} (platform)" in run.stdout
    assert "✓ review apr_" in run.stdout
    assert " review.approve " in run.stdout


def test_a_changed_byte_anywhere_is_named_by_its_file(files: Files):
    assert standalone.check_bundle(files)
    for name, data in files.items():
        for at in {0, len(data) // 2, len(data) - 2}:
            assert name in bad({**files, name: flipped(data, at)})


def test_a_member_more_or_less_is_named(files: Files):
    for name in files:
        assert name in bad({key: data for key, data in files.items() if key != name})
    assert "more.txt" in bad({**files, "more.txt": b""})


def test_whoever_signs_the_bundle_anew_changes_no_person_s_word(place: Place, files: Files):
    signer, rows = evidence_key(place), listed(files)
    assert standalone.check_bundle(signed_anew(files, signer))
    for row in rows:
        name = file_of(row)
        told = bad(signed_anew({**files, name: flipped(files[name], len(files[name]) // 2)}, signer))
        assert name in told
        assert f"{row['role']} {row['person']}" in told
        told = bad(signed_anew({key: data for key, data in files.items() if key != name}, signer))
        assert row["person"] in told
    for name in ("statements/approval.json", "subjects/card.json", "subjects/bias_report.json"):
        assert name in bad(signed_anew({**files, name: flipped(files[name], len(files[name]) // 2)}, signer))


def test_even_the_platform_s_own_keys_put_no_word_in_a_person_s_mouth(place: Place, files: Files):
    signer, rows = evidence_key(place), listed(files)
    review = Signer.load(place.house.settings.home / "keys" / "review" / "platform.key", "platform")

    def told(change: Callable[[list[dict[str, Any]]], object]) -> str:
        return bad(signed_anew(restated(files, review, change), signer))

    assert "sub_x" in told(lambda found: found[0].update(person="sub_x"))
    assert "agency_head" in told(lambda found: found[1].update(role="agency_head"))
    assert rows[0]["person"] in told(lambda found: found.append(found[0]))
    assert rows[2]["person"] in told(lambda found: found[2].update(key_id=found[1]["key_id"]))
    assert rows[1]["person"] in told(lambda found: found[1].update(sha256="sha256:" + "0" * 64))


# --- two organisations --------------------------------------------------------------------------------------


def inspector(place: Place, organisation: str) -> str:
    """A new inspector's key of an organisation."""
    tenant = place.house.identity.authenticate(f"Bearer {place.keys[organisation]}", None).tenant
    person = {"name": f"Thanh tra {organisation}", "kind": "person"}
    made = place.post(
        "/v1/keys", {"tenant": tenant, "subject": person, "role": "inspector", "scopes": []}, key="admin"
    )  # fmt: skip
    assert made.status_code == 201, made.text
    place.house.identity.refresh()
    return str(made.json()["key"])


def without_ids(answer: httpx.Response) -> dict[str, Any]:
    body = answer.json()
    return {key: value for key, value in body.items() if key not in ("request_id", "instance")}


PAPERS = (
    "", "/card", "/evaluation", "/bias-report", "/diff?against=1.0.0", "/evidence", "/signature", "/reviews",
    "/reviews/statement",
)  # fmt: skip


def test_an_organisation_s_inspector_meets_another_s_model_as_one_that_does_not_exist(place: Place):
    tenant = place.house.identity.authenticate(f"Bearer {place.keys['province']}", None).tenant
    place.registry.add("cua-tinh", "text.segment/1", tenant=tenant, public=False)
    place.house.handles.refresh()
    own, other = inspector(place, "province"), inspector(place, "ministry")
    secret = "/v1/registry/models/cua-tinh/versions/1.0.0"
    for paper in ("/card", "/evidence", "/evaluation"):
        assert place.get(secret + paper, key=own).status_code == 200
    for paper in PAPERS:
        refused, nothing = (
            place.get(f"/v1/registry/models/{name}/versions/1.0.0{paper}", key=other)
            for name in ("cua-tinh", "khong-co")
        )
        assert (refused.status_code, nothing.status_code) == (404, 404), paper
        assert without_ids(refused) == without_ids(nothing)
        assert "cua-tinh" not in json.dumps(without_ids(refused))


def test_an_organisation_s_inspector_reads_no_other_s_records(place: Place):
    own, other = inspector(place, "province"), inspector(place, "ministry")
    seen = place.get("/v1/me", key=own).json()["request_id"]
    place.records()
    checkpoint(place)
    (row,) = place.get(f"/v1/audit/records?request_id={seen}", key=own).json()["data"]
    assert place.get(f"/v1/audit/records?request_id={seen}", key=other).json()["data"] == []
    proof = f"/v1/audit/records/{row['seq']}/proof"
    assert place.get(proof, key=own).status_code == 200
    refused = place.get(proof, key=other)
    nothing = place.get(f"/v1/audit/records/{row['seq']}999999/proof", key=other)
    assert (refused.status_code, nothing.status_code) == (404, 404)
    assert without_ids(refused) == without_ids(nothing)
    answer = place.get(path("/evidence"), key=other)
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        proofs = [json.loads(archive.read(name)) for name in archive.namelist() if name.startswith("proofs/")]
    tenants = {json.loads(proof["record"]).get("tenant") for proof in proofs}
    assert tenants <= {None, place.house.identity.authenticate(f"Bearer {other}", None).tenant}


def test_every_view_is_itself_in_the_ledger(place: Place):
    reader = subject(place, "inspector")
    for paper, event in (
        ("/card", "card.read"), ("/evaluation", "card.read"), ("/evidence", "export.evidence"),
        ("/signature", "export.evidence"), ("/reviews", "review.read"),
    ):  # fmt: skip
        answer = place.get(path(paper), key="inspector")
        assert answer.status_code == 200
        asked = answer.headers["x-request-id"]
        (record,) = [one for one in place.records() if one.get("request_id") == asked]
        assert record["event"] == event
        assert reader in json.dumps(record)
    audit = place.get("/v1/audit/records?limit=1", key="inspector").json()["request_id"]
    assert [one["event"] for one in place.records() if one.get("request_id") == audit]
