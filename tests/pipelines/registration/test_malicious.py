"""Eleven kinds of malicious model: each refused with its reason, nothing run, nothing written outside."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from models.artifact import seal
from models.errors import InvalidInputError
from pipelines.registration.archive import MOST_MEMBERS, unpack
from pipelines.registration.assembly import assemble
from pipelines.registration.sandbox import Sandbox
from tests.pipelines.registration.samples import SECRET, endless, graph, malicious, scikit, zipped

CANARY = Path(tempfile.gettempdir()) / SECRET
KINDS = malicious(CANARY)


def files_of(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_malicious_model_is_refused_with_its_reason(kind: str, tmp_path: Path):
    name, data, word = KINDS[kind]
    (tmp_path / "in").mkdir()
    upload = tmp_path / "in" / "upload"
    upload.write_bytes(data)
    before = files_of(tmp_path)
    with pytest.raises(InvalidInputError) as refusal:
        assemble(unpack(upload, name), {})
    assert refusal.value.word == word
    assert refusal.value.note.vi
    assert not CANARY.exists()
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("kind", ["a pickle named model.onnx", "a gadget chain", "a path upwards in a tar"])
def test_the_sandbox_passes_the_reason_on_and_leaves_nothing(kind: str, tmp_path: Path):
    name, data, word = KINDS[kind]
    (tmp_path / "upload").write_bytes(data)
    with pytest.raises(InvalidInputError) as refusal:
        Sandbox().look_into(tmp_path, "upload", name, None, tmp_path / "artifact")
    assert refusal.value.word == word
    assert not CANARY.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["upload"]


def test_an_endless_loop_ends_with_its_trial(tmp_path: Path):
    (tmp_path / "upload").write_bytes(endless())
    sandbox = Sandbox(trial_seconds=6)
    found = sandbox.look_into(tmp_path, "upload", "model.onnx", None, tmp_path / "artifact")
    assert found.notes["loops"] is True
    seal(tmp_path / "artifact", name="endless", version="1.0.0", kind=found.kind, licence="MIT", config={})
    with pytest.raises(InvalidInputError) as refusal:
        sandbox.try_out(tmp_path / "artifact")
    assert refusal.value.word in ("trial-too-slow", "trial-failed")


def test_a_model_that_takes_all_memory_is_refused(tmp_path: Path):
    (tmp_path / "upload").write_bytes(zipped({"model.onnx": graph(4096, 4096)}))
    with pytest.raises(InvalidInputError) as refusal:
        Sandbox(memory_bytes=1 << 30).look_into(tmp_path, "upload", "a.zip", None, tmp_path / "artifact")
    assert refusal.value.word in ("trial-broken", "file-too-complex", "model-unreadable")


def test_as_many_files_as_are_allowed_are_unpacked(tmp_path: Path):
    upload = tmp_path / "upload"
    upload.write_bytes(zipped({f"{number}.json": b"{}" for number in range(MOST_MEMBERS)}))
    assert len(unpack(upload, "a.zip")) == MOST_MEMBERS


def test_a_bare_skops_file_is_one_file(tmp_path: Path):
    (tmp_path / "upload").write_bytes(scikit())
    assert list(unpack(tmp_path / "upload", "model.skops")) == ["model.skops"]
