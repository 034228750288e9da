"""Models that engineers brought, real graphs behind real seals, in the small house."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.artifact import Artifact
from models.catalog import model_class, open_model
from models.contract import Model
from registry.approvals import bootstrap
from registry.entries import Digests, Entry, Stage
from registry.evidence import digests_of, read_evidence
from registry.store import Author
from tests.models.onnx.graphs import sealed
from tests.services.wire.small import KINDS, Place, open_small, papers, small_house


@dataclass(frozen=True)
class Brought:
    """A graph with its configuration; `released` or still the engineer's own draft."""

    name: str
    kind: str
    data: bytes
    config: Mapping[str, Any] = field(default_factory=dict)
    version: str = "1.0.0"
    released: bool = True


def open_any(artifact: Artifact) -> Model[Any, Any, Any]:
    """Small models as they are, graphs for real."""
    return open_small(artifact) if artifact.kind in KINDS else open_model(artifact)


def bring(place: Place, one: Brought) -> Entry:
    """Seal, register and, when it is to be released, approve and release a graph of the engineer's."""
    engineer = place.house.identity.authenticate(f"Bearer {place.keys['engineer']}")
    folder = Path(place.registry.folder) / one.name / one.version
    artifact = sealed(folder / "artifact", one.kind, one.data, dict(one.config), one.name, one.version)
    card, evaluation = papers(artifact)
    (folder / "card.json").write_text(json.dumps(card, ensure_ascii=False))
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    at = datetime.fromtimestamp(place.registry.clock(), UTC)
    entry = Entry(
        one.name, one.version, one.kind, model_class(one.kind).tasks, engineer.tenant, one.released, "T1", Stage.DRAFT,
        Digests("", "", "", "", "", "", ""), str(folder), None, None, at,
    )  # fmt: skip
    store = place.registry.store
    entry = store.register(replace(entry, digests=digests_of(read_evidence(folder), entry)))
    store.credit(one.name, one.version, [Author(engineer.subject.id, "run")], "test")
    if one.released:
        for stage in (Stage.CHECKING, Stage.IN_REVIEW):
            entry = store.move(one.name, one.version, stage, "test")
        store.approve(
            one.name, one.version, bootstrap(entry, place.registry.signer, place.registry.clock()).statement, "test"
        )
        entry = store.move(one.name, one.version, Stage.SERVING, "test")
    place.house.handles.refresh()
    return entry


def engineers_house(home: Path, *brought: Brought) -> Place:
    """A small house with models that engineers brought."""
    place = small_house(home)
    place.house.handles._opener = open_any
    for one in brought:
        bring(place, one)
    return place
