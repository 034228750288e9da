"""Files of an artefact: written like any other file, and never read as something else than they were sealed as."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from models.artifact import open_artifact, read_array, seal, write_tensors
from models.errors import IntegrityError


def sealed(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    seal(folder, name="x", version="1.0.0", kind="x/1", licence="MIT", config={})
    return folder


def npy(array: np.ndarray, **words: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **words)
    return buffer.getvalue()


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.arange(3))
    return buffer.getvalue()


def test_an_array_comes_back(tmp_path: Path):
    folder = sealed(tmp_path, "a.npy", npy(np.arange(6.0).reshape(2, 3)))
    assert read_array(open_artifact(folder), "a.npy").tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        npy(np.arange(9))[:-8],
        npy(np.array([object()]), allow_pickle=True),
        npz(),
        b"PK\x03\x04",
        b"x",
    ],
    ids=["empty", "torn-magic", "torn-data", "objects", "zip", "torn-zip", "noise"],
)
def test_a_sealed_file_that_is_no_array_is_told_as_a_broken_artefact(tmp_path: Path, content: bytes):
    artifact = open_artifact(sealed(tmp_path, "a.npy", content))
    with pytest.raises(IntegrityError):
        read_array(artifact, "a.npy")


def test_tensors_are_readable_as_the_umask_says(tmp_path: Path):
    before = os.umask(0o022)
    try:
        write_tensors(tmp_path / "w.safetensors", {"a": np.arange(3.0)})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "w.safetensors").stat().st_mode) == 0o644
    artifact = seal(tmp_path, name="x", version="1.0.0", kind="x/1", licence="MIT", config={})
    assert artifact.tensors("w.safetensors")["a"].tolist() == [0, 1, 2]
