"""The model dossier (hồ sơ mô hình, `model-dossier/1`): one canonical JSON document per model version.

    {"schema": "model-dossier/1", "name": "vi-topic", "version": "1.0.0", "<section>": {"<field>": FIELD, …}, …}
    FIELD = {"value": …, "source": "auto|human|inherited", "by": …, "at": …, "evidence": [digest or run id, …]}
          | {"not_evaluated": "reason"} | {"not_applicable": "reason"}

Decisions
- Every field says where it comes from; a gap is explicit and has a reason, never blank, never guessed.
- The card is identified by the SHA-256 of its RFC 8785 form (`digest`), which the approval signs.
- The control tier is computed (`control_tier`), never declared downwards: a declaration can only raise it. What is
  not known counts as the gravest. State secrets are refused at any tier.
- People write the judgement (YAML under `model_cards/`), the pipeline fills the facts (`assemble`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.artifact import Artifact
from models.errors import InvalidInputError
from registry.canonical import digest
from registry.card_fields import FIELDS, INTERFACES, SECTIONS
from registry.card_lint import Finding, lint
from registry.card_page import render_page
from registry.card_text import render_markdown
from registry.card_values import GAPS, is_speed, value_of

__all__ = [
    "SCHEMA", "Finding", "assemble", "control_tier", "digest", "lint", "render_markdown", "render_page", "skill",
    "value_of",
]  # fmt: skip

SCHEMA = "model-dossier/1"
BIAS_PENDING = "Mô hình này chưa có báo cáo thiên lệch | This model has no bias report yet"
NOT_MEASURED = "Máy huấn luyện không đo điện năng | The training machine does not measure energy"
NOT_REPEATED = "Chưa huấn luyện lại để so sánh | Not trained again for comparison"
LATER_SECTIONS = "Chưa khai ở bước này | Not declared at this step"


def assemble(
    human: Mapping[str, Any],
    run: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    datasets: Sequence[Mapping[str, Any]],
    artifact: Artifact,
) -> dict[str, Any]:
    """Put the card together: the human part, then the facts over it.

    `human` is the YAML of `model_cards/<name>/card.yaml`: section → field → plain value, or {not_evaluated|
    not_applicable: reason}; `by` and `at` at its top say who and when. `run` holds run_id, by, at, code_commit,
    environment_digest, hardware, seconds, seed, parameters, notes. `evaluation` is an evaluation record
    (metrics, baselines, overlap_removed), `datasets` its rows of used data. Facts win over what people wrote; only a
    licence that people state otherwise than the artefact is refused (InvalidInputError).
    """
    stated = (human.get("identity") or {}).get("licence", artifact.licence)
    if stated != artifact.licence:
        raise InvalidInputError.at(
            "/identity/licence",
            "Giấy phép ghi trên thẻ khác giấy phép của mô hình đã niêm phong.",
            "The licence on the card is not the sealed artefact's.",
        )
    author, written = str(human.get("by", "model_cards")), human.get("at", run["at"])
    card: dict[str, Any] = {"schema": SCHEMA, "name": artifact.name, "version": artifact.version}
    for section in SECTIONS:
        fields = human.get(section) or {}
        card[section] = {name: _human(value, author, written) for name, value in sorted(fields.items())}
    for path, value in _facts(run, evaluation, datasets, artifact).items():
        section, _, name = path.partition(".")
        gap = isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in GAPS
        card[section][name] = value if gap else _field(value, "auto", run["by"], run["at"], [run["run_id"]])
    tier = control_tier(card)
    card["classification"]["control_tier"] = _field(tier, "auto", "registry.cards.control_tier", run["at"], [])
    for field in FIELDS:
        if field.name not in card[field.section] and not field.required(tier):
            card[field.section][field.name] = {"not_evaluated": LATER_SECTIONS}
    return card


def _field(value: Any, source: str, by: str, at: str, evidence: Sequence[str]) -> dict[str, Any]:
    return {"value": value, "source": source, "by": by, "at": str(at), "evidence": list(evidence)}


def _human(value: Any, by: str, at: Any) -> dict[str, Any]:
    """A field as people wrote it: an explicit gap, or a value with its provenance."""
    if isinstance(value, Mapping):
        for gap in GAPS:
            if set(value) == {gap}:
                return {gap: value[gap]}
    return _field(value, "human", by, str(at), [])


def _facts(
    run: Mapping[str, Any], evaluation: Mapping[str, Any], datasets: Sequence[Mapping[str, Any]], artifact: Artifact
) -> dict[str, Any]:
    """What the pipeline knows, by path."""
    interface = INTERFACES[artifact.kind.partition(".")[0]]
    rows = list(evaluation.get("metrics", ()))
    speed = [row for row in rows if is_speed(row["name"])]
    facts: dict[str, Any] = {
        "identity.id": f"{artifact.name}@{artifact.version}",
        "identity.version": artifact.version,
        "identity.artifact_digest": artifact.digest,
        "identity.licence": artifact.licence,
        "identity.mlflow": {"run_id": run["run_id"]},
        "identity.code_commit": run["code_commit"],
        "identity.env_lock_digest": run["environment_digest"],
        "data.datasets": [dict(row) for row in datasets],
        "data.preprocessing": dict(run.get("notes", {})) or {"not_applicable": "không có | none"},
        "data.leakage_check": dict(evaluation.get("overlap_removed", {}))
        or {"not_applicable": "huấn luyện không dùng văn bản hay chuỗi của tập đánh giá | no text or series is shared"},
        "training.algorithm": artifact.kind,
        "training.hyperparameters": dict(run.get("parameters", {})) or {"not_applicable": "không có | none"},
        "training.seed": run["seed"],
        "training.hardware": run["hardware"],
        "training.duration_seconds": run["seconds"],
        "training.energy_kwh": {"not_evaluated": NOT_MEASURED},
        "training.reproducibility": {"not_evaluated": NOT_REPEATED},
        "interface.inputs": interface["inputs"],
        "interface.outputs": interface["outputs"],
        "interface.api_version": "v1",
        "evaluation.metrics": [dict(row) for row in rows if not is_speed(row["name"])],
        "evaluation.baselines": [dict(row) for row in evaluation.get("baselines", ())],
        "evaluation.skill_vs_baseline": skill(rows, evaluation.get("baselines", ())),
        "fairness.bias_report": {"not_evaluated": BIAS_PENDING},
        "operation.incidents": [],
    }
    if speed:
        facts["evaluation.load_test"] = [dict(row) for row in speed]
    return facts


def skill(metrics: Sequence[Mapping[str, Any]], baselines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For every baseline row the model's figure beside it: same name, data and slice."""
    ours = {_measured(row): row["value"] for row in metrics if "value" in row}
    pairs = []
    for row in baselines:
        key = _measured(row)
        if key in ours and "value" in row:
            pairs.append(
                {
                    "name": key[0], "dataset": key[1], "slice": key[2], "baseline": row.get("baseline"),
                    "baseline_value": row["value"], "value": ours[key],
                }
            )  # fmt: skip
    return pairs


def _measured(row: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """What a figure is of: its name, data and slice."""
    return row.get("name"), row.get("dataset"), row.get("slice")


def control_tier(card: Mapping[str, Any]) -> str:
    """The control tier of GOVERNANCE 2.2, the maximum over its triggers; unknown facts count as the gravest.

    Raises InvalidInputError when the card declares any state secrecy.
    """

    def known(path: str) -> Any:
        return value_of(card, path)

    secrecy = known("classification.secrecy")
    if secrecy is not None and str(secrecy).strip().lower() not in ("không", "khong", "none"):
        raise InvalidInputError.at(
            "/classification/secrecy",
            "Nền tảng không nhận mô hình thuộc phạm vi bí mật nhà nước.",
            "The platform accepts no model within state secrecy.",
            code="secrecy-refused",
        )
    legal, art20 = known("classification.legal_tier"), known("classification.art20")
    uses = art20.get("uses", []) if isinstance(art20, Mapping) else None
    role, personal = known("purpose.decision_role"), known("classification.personal_data")
    grave = (
        legal not in ("thap", "trung_binh")
        or uses is None
        or (uses and art20.get("direct_basis") is not False)
        or bool(known("classification.sensitive_categories"))
        or role not in ("information", "advisory", "direct_basis")
        or (role == "direct_basis" and known("classification.independent_verification") is not True)
    )
    middle = legal == "trung_binh" or bool(uses) or personal is not False or bool(known("purpose.public_facing"))
    computed = "T3" if grave else "T2" if middle else "T0" if known("classification.sandbox") is True else "T1"
    declared = known("classification.declared_control_tier")
    return max(computed, declared) if declared in ("T0", "T1", "T2", "T3") else computed
