"""Evidence bundles: whole, signed, and checked by one file that needs neither the platform nor a library."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest

from models.errors import IntegrityError
from registry import standalone
from registry.approvals import Trust
from registry.bundle import BUNDLED_FOLDER, install
from registry.checkpoints import Checkpointer
from registry.database import Database
from registry.entries import Entry
from registry.keypairs import FileKey
from registry.ledger import Ledger
from registry.packets import Packets
from registry.proofs import prove
from registry.signatures import Signer, envelope
from registry.sql_store import SqlStore
from tests.registry.making import HandClock

NAME = "vi-segment"


class Scene:
    """An installation of one bundled model with its ledger under a checkpoint."""

    def __init__(self, database: Database, home: Path) -> None:
        clock = HandClock()
        bundled = home / "bundled"
        shutil.copytree(BUNDLED_FOLDER / NAME, bundled / NAME)
        self.home, self.database = home, database
        bootstrap = Signer.load_or_create(home / "keys" / "bootstrap.key", "bootstrap")
        self.checkpoint = Signer.load_or_create(home / "keys" / "checkpoint.key", "checkpoint")
        trust = Trust((bootstrap.public,))
        book = Ledger(database, "chain", clock=clock)
        book.start()
        store = SqlStore(database, trust, note=book.note, clock=clock)
        install(bundled, store, bootstrap, clock=clock)
        for tenant in (None, "ten_a", "ten_b"):
            event = {"event": "deploy.suspend", "model": {"name": NAME, "version": "1.0.0"}, "tenant": tenant}
            book.note({**event, "request_id": "req_1"})
        book.close()
        Checkpointer(database, home / "checkpoints", self.checkpoint, clock=clock).write()
        self.entry: Entry = next(entry for entry in store.entries() if entry.name == NAME)
        self.packets = Packets(database, home, trust)


@pytest.fixture
def scene(database: Database, tmp_path: Path) -> Scene:
    return Scene(database, tmp_path / "home")


def files_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The verifier as a stranger runs it: the file alone, isolated, without the platform's packages."""
    script = Path(shutil.copy(standalone.__file__, path.parent / "verify.py"))
    command = [sys.executable, "-I", "-S", str(script), str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=path.parent, check=False)


def test_a_stranger_verifies_a_bundle_with_one_file_and_the_key(scene: Scene, tmp_path: Path):
    path = tmp_path / "bundle.zip"
    path.write_bytes(scene.packets.bundle(scene.entry, None))
    found = run(path, "--key", str(scene.home / "keys" / "evidence.key.pub"))
    assert found.returncode == 0, found.stdout + found.stderr
    assert "INTACT" in found.stdout
    assert "bootstrap apr_" in found.stdout
    assert "deploy.suspend" in found.stdout
    assert run(path).returncode == 3
    assert run(path, "--key", "sha256:" + "0" * 64).returncode == 1


def test_the_same_version_and_ledger_give_the_same_bytes(scene: Scene):
    assert scene.packets.bundle(scene.entry, None) == scene.packets.bundle(scene.entry, None)


def test_every_digest_of_the_approval_is_that_of_a_file(scene: Scene):
    files = files_of(scene.packets.bundle(scene.entry, None))
    manifest = json.loads(files["manifest.json"])
    assert manifest["digests"] == asdict(scene.entry.digests)
    assert {f"subjects/{name}.json" for name in manifest["digests"]} <= set(files)
    assert "artifact/model.sig" in files


def test_any_changed_added_or_missing_file_is_found(scene: Scene):
    files = files_of(scene.packets.bundle(scene.entry, None))
    assert standalone.check_bundle(files)
    for name, data in files.items():
        with pytest.raises((standalone.Bad, ValueError, KeyError)):
            standalone.check_bundle({**files, name: data[:-2] + bytes([data[-2] ^ 1]) + data[-1:]})
        with pytest.raises((standalone.Bad, KeyError)):
            standalone.check_bundle({key: value for key, value in files.items() if key != name})
    with pytest.raises(standalone.Bad):
        standalone.check_bundle({**files, "more.txt": b""})


def test_a_bundle_signed_anew_by_another_is_found_by_its_key(scene: Scene):
    files = files_of(scene.packets.bundle(scene.entry, None))
    evidence = scene.packets.signer().public
    stranger = Signer.generate("stranger", "ecdsa-p256-sha256")
    manifest = json.loads(files["manifest.json"])
    row = manifest["keys"].pop(evidence.key_id)
    manifest["keys"][stranger.public.key_id] = row
    files[row["file"]] = stranger.public.pem()
    listed = manifest["files"][row["file"]]
    listed["sha256"] = standalone.hashlib.sha256(stranger.public.pem()).hexdigest()
    files["manifest.json"] = json.dumps(manifest).encode()
    files["manifest.dsse.json"] = envelope(stranger, standalone.MANIFEST_TYPE, files["manifest.json"]).encode()
    assert standalone.check_bundle(files)
    with pytest.raises(standalone.Bad):
        standalone.check_bundle(files, evidence.key_id)


def test_a_reader_of_one_organisation_gets_no_other_s_records(scene: Scene):
    mine = files_of(scene.packets.bundle(scene.entry, "ten_a"))
    records = [json.loads(json.loads(data)["record"]) for name, data in mine.items() if name.startswith("proofs/")]
    assert {record.get("tenant") for record in records} == {None, "ten_a"}
    everything = files_of(scene.packets.bundle(scene.entry, None))
    assert sum(name.startswith("proofs/") for name in everything) == len(records) + 1


def test_no_bundle_is_made_of_an_altered_version(scene: Scene):
    card = Path(scene.entry.folder) / "card.json"
    card.write_bytes(card.read_bytes().replace(b'"T1"', b'"T0"', 1))
    with pytest.raises(IntegrityError):
        scene.packets.bundle(scene.entry, None)


def test_a_record_s_proof_is_verified_alone(scene: Scene, tmp_path: Path):
    proof = prove(scene.database, scene.home / "checkpoints", scene.checkpoint.public, "chain", 2)
    path = tmp_path / "proof.json"
    path.write_text(json.dumps({**proof, "public_key": scene.checkpoint.public.pem().decode()}))
    assert run(path, "--key", scene.checkpoint.public.key_id).returncode == 0
    path.write_text(json.dumps({**proof, "record": proof["record"].replace("registry", "Registry")}))
    assert run(path, "--key", str(scene.home / "keys" / "checkpoint.key.pub")).returncode == 1


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256-sha256", "rsa-pss-sha256"])
def test_the_verifier_s_arithmetic_agrees_with_the_library(algorithm):
    for number in range(4):
        secret = FileKey.generate(algorithm)
        key, data = standalone.Key(secret.public.pem().decode()), bytes([number]) * (50 * number)
        signature = secret.sign(data)
        assert key.id == secret.public.key_id
        assert key.holds(signature, data)
        assert not key.holds(signature, data + b"\0")
        for place in (0, len(signature) // 2, len(signature) - 1):
            altered = bytearray(signature)
            altered[place] ^= 1
            assert not key.holds(bytes(altered), data)
        assert not standalone.Key(FileKey.generate(algorithm).public.pem().decode()).holds(signature, data)
