"""The papers of a version over HTTP: forms of the card, differences, the signed bundle, the keys and the verifier."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from registry import standalone
from tests.services.wire.small import Place

VERSION = "/v1/registry/models/vi-topic/versions/1.0.0"
CYCLONEDX = "application/vnd.cyclonedx+json"


def test_the_card_comes_printed_and_as_a_bill_of_materials_always_the_same(place: Place):
    for accept, start in (("application/pdf", b"%PDF-"), (CYCLONEDX, b'{"$schema"')):
        first = place.get(VERSION + "/card", headers={"Accept": accept})
        assert first.status_code == 200
        assert first.headers["content-type"].startswith(accept)
        assert first.content.startswith(start)
        assert place.get(VERSION + "/card", headers={"Accept": accept}).content == first.content
    digests = {row["name"]: row["value"] for row in first.json()["properties"]}
    assert digests["aichung:digest.card"] == place.house.store.entry("vi-topic", "1.0.0").digests.card


def test_a_version_is_compared_with_another(place: Place):
    body = place.get(VERSION + "/diff?against=1.0.0").json()["diff"]
    assert (body["before"], body["after"], body["fields"]) == ("1.0.0", "1.0.0", [])
    page = place.get(VERSION + "/diff?against=1.0.0", headers={"Accept": "text/html"})
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert place.get(VERSION + "/diff").status_code == 422
    assert place.get(VERSION + "/diff?against=9.9.9").status_code == 404


def test_the_bundle_of_the_wire_is_checked_by_the_verifier_of_the_wire(place: Place, tmp_path: Path):
    answer = place.get(VERSION + "/evidence")
    assert answer.headers["content-type"] == "application/zip"
    (tmp_path / "bundle.zip").write_bytes(answer.content)
    (tmp_path / "verify.py").write_bytes(place.get("/v1/audit/verifier").content)
    keys = {row["use"]: row for row in place.get("/v1/audit/keys").json()["data"]}
    command = [sys.executable, "-I", "-S", "verify.py", "bundle.zip", "--key", keys["evidence"]["key_id"]]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        manifest = json.loads(archive.read(standalone.MANIFEST))
    assert manifest["model"] == {"name": "vi-topic", "version": "1.0.0"}


def test_the_folder_s_signature_is_a_sigstore_bundle(place: Place):
    found = place.get(VERSION + "/signature").json()
    assert found["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"


def test_unknown_versions_have_no_papers(place: Place):
    for paper in ("card", "evaluation", "diff?against=1.0.0", "evidence", "signature"):
        assert place.get(f"/v1/registry/models/vi-topic/versions/9.9.9/{paper}").status_code == 404
