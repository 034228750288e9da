"""One model from what was sent to a verdict: looked into, sealed, tried, described, held against the rules.

Decision: the platform and a laptop (`aichung publish --dry-run`, `aichung card check`) run this one function, so they
cannot differ in what they refuse; only names, times and measurements do. It writes into one folder, which becomes the
version's own: `artifact/`, `evaluation.json`, `card.json`, and `bias.json` when a report came with it.

Decision: blanks, boilerplate, personal data and fields without their form are refused at once. A gap (a required field
that nobody wrote, a figure without its evidence) is named, and the model becomes a draft that cannot be submitted yet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from models.artifact import NAME, VERSION, Artifact, seal
from models.errors import Fault, InvalidInputError
from pipelines.bias.filing import bias_field, read_report
from pipelines.datasets import Source
from pipelines.registration.filling import FILLED_HERE, Known, fill
from pipelines.registration.sandbox import Inspected, Sandbox
from registry import cards
from registry.card_fields import BY_PATH, FIELDS, SECTIONS
from registry.card_lint import Finding
from registry.card_values import GAPS, field_of, is_gap
from registry.evidence import ARTIFACT, BIAS, CARD, EVALUATION

REFUSING: Final = frozenset({"blank", "boilerplate", "shape", "personal", "artifact"})
UNLICENSED: Final = "NOASSERTION"
SCHEMA: Final = "evaluation/1"


@dataclass(frozen=True, slots=True)
class Asked:
    """A registration as it is asked for. `version` None takes the card's, or the one after `previous`."""

    name: str
    by: str
    at: str
    organisation: str
    version: str | None = None
    previous: str | None = None
    run: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    others: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Examined:
    """What became of it: the sealed artefact, its card with the tier, what was measured, the report."""

    artifact: Artifact
    card: Mapping[str, Any]
    tier: str
    tasks: tuple[str, ...]
    report: Mapping[str, Any]


def examine(
    sandbox: Sandbox, folder: Path, upload: str, sent_as: str, card: str | None, asked: Asked, bias: str | None = None
) -> Examined:  # fmt: skip
    """Bring `folder/upload` to a verdict, with the card `folder/card` and the bias report `folder/bias`, if any.

    Raises InvalidInputError for a refusal.
    """
    found = sandbox.look_into(folder, upload, sent_as, card, folder / ARTIFACT)
    check(found.card, asked.others)  # what people wrote is judged before anything is run
    artifact = _sealed(found, folder, asked)
    trial = sandbox.try_out(folder / ARTIFACT)
    checks = _checks(found, trial)
    evaluation = _evaluation(found, artifact, asked, trial)
    known = Known(
        artifact, evaluation, trial, checks, asked.by, asked.at, asked.organisation, asked.previous,
        evaluation.get("run", {}), found.prior, asked.sources, found.notes,
    )  # fmt: skip
    document = fill(found.card, known)
    tier = str(cards.value_of(document, "classification.control_tier"))
    if bias is not None:
        tested = read_report((folder / bias).read_bytes(), artifact, tier)
        document["fairness"]["bias_report"] = bias_field(tested, artifact, "inherited")
        _write(folder / BIAS, tested)
    findings = cards.lint(document, tier, artifact_digest=artifact.digest, others=asked.others)
    refuse(findings, artifact.name, tier)
    _write(folder / EVALUATION, evaluation)
    _write(folder / CARD, document)
    report = {**verdict(document, tier, findings), "trial": trial, "checks": checks}
    return Examined(artifact, document, tier, tuple(trial["tasks"]), report)


def check(human: Mapping[str, Any], others: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The verdict on a card alone, as far as it can be given without the model (`aichung card check`).

    What the platform fills by itself is not counted as missing. Raises InvalidInputError (`card-refused`).
    """
    document: dict[str, Any] = {section: {} for section in SECTIONS}
    for section, fields in human.items():
        if section in document and isinstance(fields, Mapping):
            document[section] = {name: _as_written(value) for name, value in fields.items()}
    tier = cards.control_tier(document)
    document["classification"]["control_tier"] = _as_written(tier)
    findings = [
        finding
        for finding in cards.lint(document, tier, others=others)
        if finding.rule in REFUSING
        or (
            finding.rule == "required" and BY_PATH[finding.field].filler == "human" and finding.field not in FILLED_HERE
        )
    ]
    refuse(findings, str(human.get("name", "")), tier)
    return verdict(document, tier, findings)


def _by_people(path: str) -> bool:
    """Whether a field stays missing when people do not write it."""
    return BY_PATH[path].filler == "human" and path not in FILLED_HERE


def _as_written(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in GAPS:
        return dict(value)
    return {"value": value, "source": "human", "by": "card", "at": "", "evidence": []}


def refuse(findings: Sequence[Finding], name: str, tier: str) -> None:
    """Raise InvalidInputError (`card-refused`) for findings that no draft may have."""
    faults = [
        Fault("/card/" + finding.field.replace(".", "/"), finding.vi, finding.en)
        for finding in findings
        if finding.blocking and finding.rule in REFUSING
    ]
    if faults:
        raise InvalidInputError(
            f"Thẻ của {name} có mục để trống, câu mẫu hoặc dữ liệu cá nhân.",
            f"The card of {name} holds blanks, boilerplate or personal data.", faults, code="card-refused", tier=tier,
        )  # fmt: skip


def verdict(card: Mapping[str, Any], tier: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """The report on a card: what is wrong, what is a gap, and who filled how much of what the tier requires."""
    required = [entry for entry in FIELDS if entry.required(tier)]
    filled = {"auto": 0, "inherited": 0, "human": 0, "gap": 0, "missing": 0}
    gaps = []
    for entry in required:
        found = field_of(card, entry.path)
        if found is None:
            filled["missing"] += 1
        elif is_gap(found):
            filled["gap"] += 1
            gaps.append({"field": entry.path, "vi": entry.vi, "en": entry.en, "reason": next(iter(found.values()))})
        else:
            filled[found["source"]] += 1
    automatic = filled["auto"] + filled["inherited"]
    return {
        "tier": tier,
        "ready": not any(finding.blocking for finding in findings),
        "findings": [
            {"field": f.field, "rule": f.rule, "vi": f.vi, "en": f.en, "blocking": f.blocking} for f in findings
        ],
        "gaps": gaps,
        "filled": {**filled, "required": len(required), "automatic_share": round(automatic / len(required), 3)},
    }


# --- parts --------------------------------------------------------------------------------------------------


def _sealed(found: Inspected, folder: Path, asked: Asked) -> Artifact:
    """Seal what was found, or lay down the manifest that it came with. Raises InvalidInputError."""
    stated = asked.version or found.card.get("version")
    if found.manifest is not None:
        name, version = str(found.manifest["name"]), str(found.manifest["version"])
        licence = str(found.manifest.get("licence", UNLICENSED))
    else:
        licence = str((found.card.get("identity") or {}).get("licence") or UNLICENSED)
        name, version = asked.name, str(stated or following(asked.previous))
    if name != asked.name or found.card.get("name", name) != name:
        raise _other("/card/name", "Tên mô hình", "The model's name")
    if stated is not None and str(stated) != version:
        raise _other("/card/version", "Phiên bản", "The version")
    if not NAME.fullmatch(name) or not VERSION.fullmatch(version):
        vi, en = "Phiên bản có dạng 1.0.0; tên gồm a–z, 0–9, gạch nối.", "A version is 1.0.0, a name a–z, 0–9, hyphens."
        raise InvalidInputError.at("/card/version", vi, en, code="wrong-value")
    return seal(folder / ARTIFACT, name=name, version=version, kind=found.kind, licence=licence, config=found.config)


def following(previous: str | None) -> str:
    """The version after `previous`: its second number one higher."""
    if previous is None:
        return "1.0.0"
    major, minor, _ = previous.split(".")
    return f"{major}.{int(minor) + 1}.0"


def _other(pointer: str, vi: str, en: str) -> InvalidInputError:
    return InvalidInputError.at(
        pointer, f"{vi} ở các nơi không giống nhau.", f"{en} is not the same everywhere.", code="name-mismatch"
    )


def _checks(found: Inspected, trial: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was looked at on the way, as the card tells it; what failed never comes this far."""
    looked = {name: found.notes[name] for name in ("operators", "loops", "largest_difference") if name in found.notes}
    return [
        {"test": "formats by content; archive without links, devices, paths", "result": "pass"},
        {"test": "no code, no external data, no foreign operators", "result": "pass", **looked},
        {"test": "sandboxed trial without network, processes, writing", "result": "pass", "calls": trial["calls"]},
    ]


def _evaluation(found: Inspected, artifact: Artifact, asked: Asked, trial: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluation record: what was claimed beside the model, about this artefact. Raises InvalidInputError."""
    run = dict(asked.run)
    logged = {"metrics": run.pop("figures", []), "datasets": run.pop("datasets", [])}
    claimed = dict(found.evaluation or {name: rows for name, rows in logged.items() if rows})
    about = (claimed.get("model") or {}).get("artifact_digest") if found.manifest is not None else None
    if found.manifest is not None and claimed and about != artifact.digest:
        raise _other("/artifact", "Mã băm trong evaluation.json và của mô hình", "The digest in evaluation.json")
    for name in ("metrics", "baselines", "datasets"):
        rows = claimed.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            vi, en = f"evaluation.json: {name} là danh sách các dòng.", f"evaluation.json: {name} is a list of rows."
            raise InvalidInputError.at("/artifact", vi, en, code="wrong-document")
    named = {"name": artifact.name, "version": artifact.version, "artifact_digest": artifact.digest}
    whole = {"run": {**(claimed.get("run") or {}), **run}} if claimed.get("run") or run else {}
    return {**claimed, "schema": SCHEMA, "model": named, **whole, "trial": dict(trial)}


def _write(path: Path, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False) + "\n"
    path.write_text(text, encoding="utf-8")
