"""A version that is really complete: a bundled model's files under another name or version, sealed and registered."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.artifact import open_artifact, seal
from registry.canonical import read_document
from registry.entries import Digests, Entry, Stage
from registry.evidence import digests_of, read_evidence
from registry.store import Author

BUNDLED = Path(__file__).resolve().parents[3] / "registry" / "bundled"


def draft(
    store: Any, folder: Path, name: str, version: str, *, tenant: str, source: str = "vi-topic/1.0.0",
    author: str | None = None, changes: dict[str, Any] | None = None, public: bool = False, light: bool = False,
) -> Entry:  # fmt: skip
    """Register a draft; `changes` are fields of its card by path, `light` leaves its weights out."""
    place = folder / name / version
    shutil.copytree(BUNDLED / source, place)
    (place / "bias.json").unlink(missing_ok=True)
    old = open_artifact(place / "artifact")
    (place / "artifact" / "manifest.json").unlink(missing_ok=True)
    if light:
        shutil.rmtree(place / "artifact")
        (place / "artifact").mkdir()
        (place / "artifact" / "weights.json").write_text("{}")
    made = seal(
        place / "artifact", name=name, version=version, kind=old.kind, licence=old.licence, config=dict(old.config)
    )
    card, evaluation = read_document(place / "card.json"), read_document(place / "evaluation.json")
    card |= {"name": name, "version": version}
    card["identity"]["artifact_digest"]["value"] = made.digest
    card["identity"]["version"]["value"], card["identity"]["id"]["value"] = version, f"{name}@{version}"
    for path, value in (changes or {}).items():
        section, _, field = path.partition(".")
        card[section][field] = {
            "value": value,
            "source": "human",
            "by": "Tổ thẻ mô hình",
            "at": "2026-11-24",
            "evidence": [],
        }
    evaluation["model"] |= {"name": name, "version": version, "artifact_digest": made.digest}
    (place / "card.json").write_text(json.dumps(card, ensure_ascii=False), encoding="utf-8")
    (place / "evaluation.json").write_text(json.dumps(evaluation, ensure_ascii=False), encoding="utf-8")
    entry = Entry(
        name, version, old.kind, ("topics",), tenant, public, "T1", Stage.DRAFT, Digests(*[""] * 7), str(place), None,
        None, datetime.now(UTC),
    )  # fmt: skip
    kept = store.register(replace(entry, digests=digests_of(read_evidence(place), entry)))
    if author is None:
        return kept
    return store.credit(name, version, (Author(author, "registrant"), Author(author, "run")), author)
