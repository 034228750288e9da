"""The card in a foreign form: CycloneDX 1.7 (ECMA-424), a bill of materials with a model card.

Decisions
- The dossier stays the one original (GOVERNANCE 2.1); an export is a function of the registered card, manifest and
  digest set alone. It carries no clock and no chance, so the same digests give the same bytes.
- CycloneDX has a home for some of the fields and only as text. Every field therefore stands once more under
  `properties` as `aichung:<section>.<field>` in RFC 8785 form, gaps with their reasons: nothing is lost on the way.
- Figures are written by their shortest exact decimal; n and the data set stand in the slice, as there is no other home.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from models.artifact import Artifact
from registry.canonical import canonical, digest
from registry.card_fields import SECTIONS
from registry.card_text import fields_in_order, inline
from registry.card_values import GAPS, value_of

CYCLONEDX_TYPE: Final = "application/vnd.cyclonedx+json"
SPEC_VERSION: Final = "1.7"
SPDX_IDS: Final = frozenset((
    "Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MPL-2.0", "GPL-2.0-only", "GPL-3.0-only",
    "LGPL-3.0-only", "AGPL-3.0-only", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0",
    "CC-BY-ND-4.0", "ODbL-1.0", "ODC-By-1.0", "Unlicense",
))  # fmt: skip
"""Licences of data and models that CycloneDX takes by their SPDX identifier; others are written by name."""


def cyclonedx(card: Mapping[str, Any], artifact: Artifact, digests: Mapping[str, str]) -> bytes:
    """The card as a CycloneDX 1.7 document in RFC 8785 form; the same digest set gives the same bytes.

    `digests` is the registered digest set by name (registry.entries.Digests).
    """
    model = f"model:{card['name']}@{card['version']}"
    data = [_dataset(number, row) for number, row in enumerate(_rows(value_of(card, "data.datasets")))]
    files = [_file(path, sha256) for path, sha256 in sorted(artifact.files.items())]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest(dict(digests)))}",
        "version": 1,
        "metadata": {"component": _model(card, artifact, model, [row["bom-ref"] for row in data])},
        "components": [*data, *files],
        "dependencies": [
            {"ref": model, "dependsOn": [row["bom-ref"] for row in (*data, *files)]},
            *({"ref": row["bom-ref"], "dependsOn": []} for row in (*data, *files)),
        ],
        "properties": [_property(f"aichung:digest.{name}", value) for name, value in sorted(digests.items())],
    }
    return canonical(document)


def _model(card: Mapping[str, Any], artifact: Artifact, ref: str, data: Sequence[str]) -> dict[str, Any]:
    """The model itself with its model card."""
    component: dict[str, Any] = {
        "type": "machine-learning-model", "bom-ref": ref, "name": card["name"], "version": card["version"],
        "description": inline(value_of(card, "purpose.intended_use") or card["name"]),
        "hashes": _hashes(artifact.digest), "licenses": _licences(artifact.licence),
        "modelCard": _model_card(card, data),
    }  # fmt: skip
    provider, developer = value_of(card, "identity.provider_org"), value_of(card, "identity.developer_org")
    if provider:
        component["supplier"] = {"name": inline(provider)}
    if developer:
        component["manufacturer"] = {"name": inline(developer)}
    base = value_of(card, "identity.base_model")
    if isinstance(base, Mapping):
        component["pedigree"] = {"ancestors": [_ancestor(base)]}
    return component


def _ancestor(base: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "machine-learning-model", "name": inline(base.get("name", "?"))}
    if base.get("version"):
        found["version"] = inline(base["version"])
    if str(base.get("digest", "")).startswith("sha256:"):
        found["hashes"] = _hashes(str(base["digest"]))
    if base.get("licence"):
        found["licenses"] = _licences(inline(base["licence"]))
    return found


def _model_card(card: Mapping[str, Any], data: Sequence[str]) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "architectureFamily": inline(value_of(card, "identity.model_family") or card["name"]),
        "modelArchitecture": inline(value_of(card, "training.algorithm") or card["name"]),
        "inputs": [{"format": inline(row)} for row in _rows(value_of(card, "interface.inputs"))],
        "outputs": [{"format": inline(row)} for row in _rows(value_of(card, "interface.outputs"))],
        "datasets": [{"ref": ref} for ref in data],
    }
    figures = [*_rows(value_of(card, "evaluation.metrics")), *_rows(value_of(card, "evaluation.baselines"))]
    return {
        "modelParameters": {name: value for name, value in parameters.items() if value},
        "quantitativeAnalysis": {"performanceMetrics": [_metric(row) for row in figures]},
        "considerations": _considerations(card),
        "properties": list(_properties(card)),
    }


def _considerations(card: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "users": _lines(value_of(card, "purpose.intended_users")),
        "useCases": _lines(value_of(card, "purpose.intended_use")),
        "technicalLimitations": [
            *_lines(value_of(card, "risk.limitations")), *_lines(value_of(card, "data.known_gaps")),
        ],
        "performanceTradeoffs": _lines(value_of(card, "risk.tradeoffs")),
        "ethicalConsiderations": [
            *(_risk(row) for row in _rows(value_of(card, "risk.risks"))),
            *({"name": line} for line in _lines(value_of(card, "risk.misuse"))),
        ],
        "fairnessAssessments": [_harm(row) for row in _rows(value_of(card, "fairness.harms"))],
    }  # fmt: skip
    return {name: value for name, value in found.items() if value}


def _metric(row: Mapping[str, Any]) -> dict[str, Any]:
    """A figure; its data, n and, for a baseline, whose figure it is."""
    name = f"{row['name']} ({row['baseline']})" if row.get("baseline") else str(row["name"])
    parts = (("dataset", row.get("dataset")), ("slice", row.get("slice")), ("n", row.get("n")))
    found: dict[str, Any] = {
        "type": name, "value": _number(row["value"]),
        "slice": "; ".join(f"{key}={value}" for key, value in parts if value is not None),
    }  # fmt: skip
    interval = row.get("ci95")
    if isinstance(interval, Sequence) and len(interval) == 2:
        found["confidenceInterval"] = {"lowerBound": _number(interval[0]), "upperBound": _number(interval[1])}
    return found


def _risk(row: Mapping[str, Any]) -> dict[str, Any]:
    name = row.get("right_affected") or row.get("name") or row.get("id") or "?"
    found = {"name": inline(name)}
    if row.get("control"):
        found["mitigationStrategy"] = inline(row["control"])
    return found


def _harm(row: Mapping[str, Any]) -> dict[str, Any]:
    homes = (("groupAtRisk", "group"), ("benefits", "benefit"), ("harms", "harm"), ("mitigationStrategy", "mitigation"))
    return {home: inline(row[name]) for home, name in homes if row.get(name)}


def _dataset(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "data", "bom-ref": f"data:{number}", "name": inline(row.get("title") or row.get("id") or "?"),
        "data": [
            {"type": "dataset", "name": inline(row.get("id") or "?"), "description": inline(row.get("role", "?"))},
        ],
    }  # fmt: skip
    if str(row.get("digest", "")).startswith("sha256:"):
        found["hashes"] = _hashes(str(row["digest"]))
    if row.get("licence"):
        found["licenses"] = _licences(inline(row["licence"]))
    if str(row.get("repository", "")).startswith("https://"):
        found["externalReferences"] = [{"type": "source-distribution", "url": str(row["repository"])}]
    return found


def _file(path: str, sha256: str) -> dict[str, Any]:
    return {"type": "file", "bom-ref": f"file:{path}", "name": path, "hashes": _hashes(sha256)}


def _properties(card: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Every field of the dossier, exactly."""
    for section in SECTIONS:
        fields = card.get(section, {})
        for name in fields_in_order(section, fields):
            field = fields[name]
            gap = next((gap for gap in GAPS if gap in field), None)
            text = f"{gap}: {inline(field[gap])}" if gap else canonical(field["value"]).decode()
            yield _property(f"aichung:{section}.{name}", text)


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


def _hashes(sha256: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": sha256.removeprefix("sha256:")}]


def _licences(name: str) -> list[dict[str, Any]]:
    return [{"license": {"id": name} if name in SPDX_IDS else {"name": name}}]


def _rows(value: Any) -> list[Mapping[str, Any]]:
    """The records of a list; nothing for a gap or a value of another shape."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _lines(value: Any) -> list[str]:
    """A value as lines of text, one for each item of a list."""
    if value is None:
        return []
    return [inline(item) for item in value] if isinstance(value, list) else [inline(value)]


def _number(value: Any) -> str:
    return canonical(value).decode()
