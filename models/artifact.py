"""The artefact: a folder of safe files with a manifest of their digests.

    manifest.json   {"schema": "artifact/1", "name", "version", "kind", "licence", "config",
                     "files": {path: {sha256, bytes}}}
    *.safetensors  *.npy (no object arrays)  *.json  *.onnx

Decision: reading is parse → audit → construct. The manifest is parsed, every file is held against it (no file
more, none less, no links, no other formats, digests equal), and only then does a model class see bytes. `kind` is
a key of `models.catalog`, never a module path: stored data carries no code. The artefact's identity is the
SHA-256 of its manifest in RFC 8785 form, which names the digest of every other byte.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy.typing as npt
import rfc8785
from numpy.lib.format import read_array as read_npy
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as dump_tensors

from models.errors import IntegrityError

SCHEMA = "artifact/1"
MANIFEST = "manifest.json"
SAFE_SUFFIXES = frozenset({".safetensors", ".npy", ".json", ".onnx"})
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
VERSION = re.compile(r"\d{1,4}\.\d{1,4}\.\d{1,4}")
MAX_MANIFEST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Artifact:
    """A sealed folder whose every byte was held against its manifest when it was opened."""

    folder: Path
    name: str
    version: str
    kind: str
    licence: str
    config: Mapping[str, Any]
    files: Mapping[str, str]
    digest: str

    def read(self, path: str) -> bytes:
        """Bytes of a listed file, checked once more against the manifest. Raises IntegrityError."""
        if path not in self.files:
            raise IntegrityError(f"Thiếu tệp {path} trong mô hình {self.name}.", f"Artefact {self.name} lacks {path}.")
        data = (self.folder / path).read_bytes()
        if hashlib.sha256(data).hexdigest() != self.files[path]:
            raise _altered(self.name, path)
        return data

    def tensors(self, path: str) -> dict[str, npt.NDArray[Any]]:
        """Tensors of a safetensors file. Raises IntegrityError when it does not parse."""
        try:
            return load_tensors(self.read(path))
        except SafetensorError as error:
            raise _altered(self.name, path) from error

    def document(self, path: str) -> Any:
        """A JSON document. Raises IntegrityError when it does not parse."""
        try:
            return json.loads(self.read(path))
        except ValueError as error:
            raise _altered(self.name, path) from error


def _altered(name: str, path: str) -> IntegrityError:
    return IntegrityError(
        f"Tệp {path} của mô hình {name} đã bị thay đổi so với bản được niêm phong.",
        f"File {path} of artefact {name} differs from what was sealed.",
    )


def _broken(folder: Path, why: str) -> IntegrityError:
    return IntegrityError(f"Bản kê của mô hình {folder.name} không hợp lệ.", f"Artefact {folder.name}: {why}.")


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """`sha256:…` of a manifest in canonical form (RFC 8785)."""
    return "sha256:" + hashlib.sha256(rfc8785.dumps(cast(Any, dict(manifest)))).hexdigest()


def seal(folder: Path, *, name: str, version: str, kind: str, licence: str, config: Mapping[str, Any]) -> Artifact:
    """Write the manifest over the files that lie in `folder`; return the opened artefact.

    Raises IntegrityError when a file is of a format that is not allowed.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name == MANIFEST:
            continue
        data = path.read_bytes()
        files[path.relative_to(folder).as_posix()] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    manifest = {
        "schema": SCHEMA, "name": name, "version": version, "kind": kind, "licence": licence,
        "config": dict(config), "files": files,
    }  # fmt: skip
    text = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return open_artifact(folder)


def open_artifact(folder: Path) -> Artifact:
    """Parse and audit a sealed folder. Raises IntegrityError for anything that is not exactly as sealed."""
    manifest = _parse(folder)
    listed = {path: entry["sha256"] for path, entry in manifest["files"].items()}
    present = set()
    for path in folder.rglob("*"):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink() or (path.suffix not in SAFE_SUFFIXES and not path.is_dir()):
            raise _broken(folder, f"{relative} is a link or of a format that is not allowed")
        if path.is_file() and relative != MANIFEST:
            present.add(relative)
    if present != set(listed):
        raise _broken(folder, f"files differ from the manifest: {sorted(present ^ set(listed))[:5]}")
    artifact = Artifact(
        folder, manifest["name"], manifest["version"], manifest["kind"], manifest["licence"], manifest["config"],
        listed, manifest_digest(manifest),
    )  # fmt: skip
    for path in listed:
        artifact.read(path)
    return artifact


def _parse(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise _broken(folder, "manifest too large")
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _broken(folder, "manifest is missing or not JSON") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise _broken(folder, f"manifest schema is not {SCHEMA}")
    if not isinstance(manifest.get("files"), dict) or not isinstance(manifest.get("config"), dict):
        raise _broken(folder, "manifest lacks files or config")
    if not NAME.fullmatch(str(manifest.get("name"))) or not VERSION.fullmatch(str(manifest.get("version"))):
        raise _broken(folder, "name or version is malformed")
    if not all(isinstance(manifest.get(word), str) for word in ("kind", "licence")):
        raise _broken(folder, "kind or licence is missing")
    for relative, entry in manifest["files"].items():
        if relative.startswith("/") or ".." in relative.split("/") or not isinstance(entry, dict):
            raise _broken(folder, "a path leaves the folder")
        if not re.fullmatch(r"[0-9a-f]{64}", str(entry.get("sha256"))):
            raise _broken(folder, "a digest is malformed")
    return manifest


def write_tensors(path: Path, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a safetensors file like any other file; the library's own writer makes it readable by its owner only."""
    path.write_bytes(dump_tensors(dict(tensors)))


def read_array(artifact: Artifact, path: str) -> npt.NDArray[Any]:
    """A .npy array without pickled objects. Raises IntegrityError when it holds any, or is no array."""
    try:
        return read_npy(BytesIO(artifact.read(path)), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise _altered(artifact.name, path) from error
