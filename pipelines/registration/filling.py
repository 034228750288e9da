"""The card of a registered model: what people wrote, and every field that the platform can fill itself.

    auto        measured or known here: digests, versions, the run, the trial, what the evaluation record says
    inherited   taken from what was vouched for elsewhere: the data catalogue, the organisation, a record beside it
    human       the judgement; it wins over what is inherited, facts win over it

Decision: nothing is guessed. What a machine ought to know and does not (no run was named) is an explicit gap with that
reason; what people ought to write stays missing, so that the lint names it. Energy is an estimate by the published rule
for an unknown processor and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from models.artifact import Artifact
from models.errors import InvalidInputError
from pipelines.datasets import Source
from registry import cards
from registry.card_fields import INTERFACES, SECTIONS
from registry.card_values import GAPS, is_speed, value_of
from registry.policy import POLICY_VERSION

WATTS_A_CORE: Final = 12.0
"""Power of one core of an unknown processor (Lannelongue et al. 2021, Green Algorithms)."""

CALIBRATION: Final = re.compile(r"calibration|coverage|brier", re.IGNORECASE)
MOST_ROWS: Final = 40
LOG_MONTHS: Final = 12
OURS: Final = re.compile(r"aichung \d")
NO_RUN: Final = "không có lần chạy nào ghi lại | no run recorded it"
NOT_DRILLED: Final = "chưa thử ngắt; thử trước khi phát hành | not drilled yet; drilled before release"
NOTICE: Final = "Kết quả do hệ thống AI đề xuất; hãy kiểm tra trước khi dùng."
FILLED_HERE: Final = frozenset(
    {
        "identity.previous_version", "identity.model_family", "identity.provider_org", "identity.developer_org",
        "identity.deployer_orgs", "purpose.user_notice_vi", "interface.abstain_policy", "evaluation.load_test",
        "fairness.waivers", "explanation.method", "risk.security_tests", "operation.monitoring", "operation.rollback",
        "operation.log_policy", "operation.kill_switch_test",
    }
)  # fmt: skip
"""Fields that people may write and that are filled here for every model when they do not."""

UNEXPLAINED: Final = {"vi": "loại mô hình này không kèm lời giải thích", "en": "this kind gives no explanation"}
EXPLAINED: Final = {
    "text.classify/1": {"vi": "phân rã tuyến tính chính xác theo đoạn chữ", "en": "exact linear attribution by span"},
    "tabular.anomaly/1": {"vi": "phần đóng góp của từng cột", "en": "contribution of each column"},
    "onnx.tabular/1": {"vi": "che từng cột bằng giá trị thường gặp", "en": "occlusion by usual values"},
    "anomaly.series/1": {"vi": "giá trị mong đợi và lý do bằng lời", "en": "expected values and reasons in words"},
}
ABSTAINS: Final = {"vi": "đánh dấu không chắc khi dưới ngưỡng", "en": "marks an answer abstained below the threshold"}
ANSWERS: Final = {"vi": "không từ chối trả lời", "en": "never abstains"}
WATCHED: Final = {
    "vi": "nền tảng đếm lượt gọi, từ chối, lỗi và độ trễ theo mô hình (/v1/usage, /v1/kpis, /metrics)",
    "en": "the platform counts calls, refusals, errors and latency by model (/v1/usage, /v1/kpis, /metrics)",
}
NO_PERSONAL: Final = {"vi": "không áp dụng: không có dữ liệu cá nhân", "en": "not applicable: no personal data"}
ASKED_ABOUT: Final = {
    "diacritics": {"vi": "chưa đo trên văn bản bỏ dấu", "en": "not measured on text without diacritics"},
    "region": {"vi": "chưa đo theo vùng, phương ngữ", "en": "not measured by region or dialect"},
    "minority": {"vi": "chưa đo theo nhóm dân tộc thiểu số", "en": "not measured for ethnic minorities"},
    "short": {"vi": "chưa đo trên đầu vào rất ngắn", "en": "not measured on very short input"},
}
"""Words of slices that a review asks about, with what it means when none of them was measured."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about a model beside what people wrote.

    `by` and `at` say who registered it and when, `organisation` for whom; `previous` is the version before it; `run` is
    the tracking run it came from (id, parameters, seconds …), `prior` a card that lay beside it; `sources` are the rows
    of the data catalogue by id.
    """

    artifact: Artifact
    evaluation: Mapping[str, Any]
    trial: Mapping[str, Any]
    checks: Sequence[Mapping[str, Any]]
    by: str
    at: str
    organisation: str
    previous: str | None = None
    run: Mapping[str, Any] = field(default_factory=dict)
    prior: Mapping[str, Any] | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        """Whether our own training pipeline made it: a kind that only it makes, with its evaluation record."""
        return OURS.match(str(self.evaluation.get("tool", ""))) is not None and "." in self.artifact.kind


def fill(human: Mapping[str, Any], known: Known) -> dict[str, Any]:
    """The whole card with its computed tier. Raises InvalidInputError (form, licence, state secrecy)."""
    artifact = known.artifact
    card: dict[str, Any] = {"schema": cards.SCHEMA, "name": artifact.name, "version": artifact.version}
    card |= {section: {} for section in SECTIONS}
    for path, value in _inherited(known).items():
        _put(card, path, value, "inherited", known)
    _lay(card, human, known)
    for path, value in _facts(known).items():
        _put(card, path, value, "auto", known)
    for path, value in _no_personal_data(card).items():
        if path.partition(".")[2] not in card["classification"]:
            _put(card, path, value, "auto", known)
    for path, reason in _unknown(known).items():
        section, _, name = path.partition(".")
        card[section].setdefault(name, {"not_evaluated": reason})
    tier = cards.control_tier(card)
    _put(card, "classification.control_tier", tier, "auto", known)
    return card


def _put(card: dict[str, Any], path: str, value: Any, source: str, known: Known) -> None:
    """Set a field unless there is nothing to say; a gap stands as it is."""
    section, _, name = path.partition(".")
    if value is None:
        return
    if isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in GAPS:
        card[section][name] = dict(value)
        return
    run = known.run.get("id") or (known.evaluation.get("run") or {}).get("id")
    evidence = [known.artifact.digest, *([str(run)] if run else [])]
    card[section][name] = {
        "value": value, "source": source, "by": "platform", "at": known.at, "evidence": evidence
    }  # fmt: skip


def _lay(card: dict[str, Any], human: Mapping[str, Any], known: Known) -> None:
    """Lay what people wrote over what is inherited. Raises InvalidInputError for sections that no card has."""
    author = str(human.get("by") or known.by)
    for section, fields in human.items():
        if section in ("name", "version", "by", "at", "schema"):
            continue
        if section not in SECTIONS or not isinstance(fields, Mapping):
            names = ", ".join(SECTIONS)
            raise InvalidInputError.at(
                f"/card/{section}", f"Thẻ chỉ có các phần: {names}.", f"A card has the sections: {names}.",
                code="unknown-field",
            )  # fmt: skip
        for name, value in fields.items():
            gap = isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in GAPS
            at = str(human.get("at") or known.at)
            card[section][name] = (
                dict(value) if gap else {"value": value, "source": "human", "by": author, "at": at, "evidence": []}
            )
    stated = value_of(card, "identity.licence")
    if stated is not None and stated != known.artifact.licence:
        raise InvalidInputError.at(
            "/card/identity/licence", "Giấy phép ghi trên thẻ khác giấy phép của mô hình đã niêm phong.",
            "The licence on the card is not the sealed artefact's.",
        )  # fmt: skip


# --- inherited ----------------------------------------------------------------------------------------------


def _inherited(known: Known) -> dict[str, Any]:
    rows = [row for row in known.evaluation.get("datasets", ()) if isinstance(row, Mapping)]
    trained = [row for row in rows if row.get("role") == "training"]
    sources = [known.sources[str(row["id"]).partition("#")[0]] for row in trained if _catalogued(row, known)]
    complete = bool(trained) and len(sources) == len(trained)
    found: dict[str, Any] = {
        "identity.provider_org": known.organisation,
        "identity.developer_org": known.organisation,
        "purpose.user_notice_vi": NOTICE,
        "explanation.method": EXPLAINED.get(known.artifact.kind, UNEXPLAINED),
        "interface.abstain_policy": ABSTAINS if known.artifact.config.get("abstain_below") else ANSWERS,
        "operation.monitoring": WATCHED,
        "data.known_gaps": _not_measured(known),
    }
    if complete:
        titles = dict.fromkeys(f"{source.title} ({source.authors}), {source.licence}" for source in sources)
        found |= {
            "identity.citation": list(titles),
            "classification.data_class": "open",
            "data.legal_basis": [
                {"dataset": s.id, "licence": s.licence, "basis": s.reason, "may_bundle": s.may_bundle} for s in sources
            ],
            "data.collection": [
                {"dataset": s.id, "title": s.title, "repository": s.repository, "commit": s.commit, "path": s.path,
                 "conversion": s.conversion, "personal_data": s.personal_data}
                for s in sources
            ],
        }  # fmt: skip
    if known.ours:
        found["identity.base_model"] = {"vi": "không có: huấn luyện từ đầu", "en": "none: trained from scratch"}
        found["data.geo_vintage"] = {"vi": "loại mô hình không đọc địa giới", "en": "this kind reads no boundaries"}
        if known.artifact.kind.startswith("text."):
            found["identity.languages"] = ["vi"]
    for path in ("training.hyperparameters", "data.preprocessing") if known.prior else ():
        found[path] = value_of(known.prior or {}, path)
    return found


def _catalogued(row: Mapping[str, Any], known: Known) -> bool:
    """Whether the catalogue holds these very bytes under this id."""
    source = known.sources.get(str(row.get("id")).partition("#")[0])
    return source is not None and row.get("digest") == f"sha256:{source.sha256}"


def _not_measured(known: Known) -> Any:
    """The groups that a review asks about and that no row of the evaluation record names."""
    names = {str(row.get("slice", "")) for row in known.evaluation.get("metrics", ()) if isinstance(row, Mapping)}
    if not names:
        return None
    lacking = [note for word, note in ASKED_ABOUT.items() if not any(word in name for name in names)]
    return lacking or None


def _no_personal_data(card: Mapping[str, Any]) -> dict[str, Any]:
    """What follows when people say that there is no personal data."""
    stated = value_of(card, "classification.personal_data"), value_of(card, "classification.sensitive_categories")
    if stated != (False, []):
        return {}
    return dict.fromkeys(("classification.pdp_level", "classification.dpia_ref"), NO_PERSONAL)


# --- facts --------------------------------------------------------------------------------------------------


def _facts(known: Known) -> dict[str, Any]:
    """What is known here, by path; None for what there is no fact about."""
    artifact, run = known.artifact, {**(known.evaluation.get("run") or {}), **known.run}
    first = {"vi": "không có: đây là phiên bản đầu tiên", "en": "none: this is the first version"}
    direct = {"vi": "tải tệp trực tiếp, không qua MLflow", "en": "sent as a file, not through MLflow"}
    ports = _ports(known)
    return {
        "identity.id": f"{artifact.name}@{artifact.version}",
        "identity.version": artifact.version,
        "identity.previous_version": known.previous or first,
        "identity.model_family": artifact.kind,
        "identity.artifact_digest": artifact.digest,
        "identity.licence": artifact.licence if artifact.licence != "NOASSERTION" else None,
        "identity.mlflow": {"run_id": run["id"]} if run.get("id") else direct,
        "identity.code_commit": run.get("code_commit"),
        "identity.env_lock_digest": run.get("environment_digest"),
        "identity.deployer_orgs": [],
        "training.algorithm": _algorithm(known),
        "training.hyperparameters": run.get("parameters") or None,
        "training.seed": run.get("seed"),
        "training.hardware": run.get("hardware"),
        "training.duration_seconds": run.get("seconds"),
        "training.energy_kwh": _energy(run),
        "interface.inputs": ports["inputs"],
        "interface.outputs": ports["outputs"],
        "interface.api_version": "v2" if artifact.kind.startswith(("onnx.tensor", "safetensors")) else "v1",
        "interface.decision_thresholds": _thresholds(artifact),
        "fairness.waivers": [],
        "risk.security_tests": [dict(check) for check in known.checks],
        "operation.rollback": {"previous_version": known.previous, "without_one": "suspend | đình chỉ"},
        "operation.incidents": [],
        "operation.log_policy": {
            "level": "siêu dữ liệu và mã băm | metadata and digests", "retention_months": LOG_MONTHS,
            "payload": "none", "policy": POLICY_VERSION,
        },
        "fairness.bias_report": {"not_evaluated": cards.BIAS_PENDING},
        **_measured(known),
    }  # fmt: skip


def _ports(known: Known) -> Mapping[str, Any]:
    """What goes in and comes out: as the model declares it, or as its family of kinds does."""
    if known.trial["inputs"]:
        return {"inputs": known.trial["inputs"], "outputs": known.trial["outputs"]}
    kind = known.artifact.kind
    return INTERFACES[next(family for family in INTERFACES if family in kind)]


def _algorithm(known: Known) -> Any:
    made = {name: known.notes[name] for name in ("from", "estimator", "operators", "parameters") if name in known.notes}
    return {"kind": known.artifact.kind, **made} if made else known.artifact.kind


def _energy(run: Mapping[str, Any]) -> Any:
    seconds, threads = run.get("seconds"), run.get("threads")
    if not isinstance(seconds, int | float) or not isinstance(threads, int):
        return None
    kwh = seconds * threads * WATTS_A_CORE / 3_600_000
    return {"kwh": float(f"{kwh:.3g}"), "estimated": f"{threads} core × {seconds} s × {WATTS_A_CORE} W"}


def _thresholds(artifact: Artifact) -> Any:
    names = ("abstain_below", "limit", "threshold")
    found = {name: artifact.config[name] for name in names if isinstance(artifact.config.get(name), int | float)}
    reason = artifact.config.get("abstain_reason")
    return {**found, **({"reason": reason} if reason else {})} or None


def _measured(known: Known) -> dict[str, Any]:
    """What the evaluation record and the trial say."""
    record = known.evaluation
    rows = [dict(row) for row in record.get("metrics", ()) if isinstance(row, Mapping)]
    baselines = [dict(row) for row in record.get("baselines", ()) if isinstance(row, Mapping)]
    quality = [row for row in rows if not is_speed(str(row.get("name")))]
    speed = [row for row in rows if is_speed(str(row.get("name")))]
    sliced = [row for row in quality if row.get("slice") not in (None, "all")]
    overlap = record.get("overlap_removed")
    return {
        "data.datasets": [dict(row) for row in record.get("datasets", ())] or None,
        "data.leakage_check": dict(overlap) if overlap else None,
        "data.representativeness": _composition(quality),
        "evaluation.metrics": quality or None,
        "evaluation.baselines": baselines or None,
        "evaluation.skill_vs_baseline": cards.skill(quality, baselines) or None,
        "evaluation.calibration": [row for row in quality if CALIBRATION.search(str(row.get("name")))] or None,
        "evaluation.robustness": _brief(sliced) or None,
        "evaluation.load_test": [{"trial": _costs(known.trial)}, *speed],
        "evaluation.independent_evaluator": _evaluator(known) if rows else None,
    }


def _costs(trial: Mapping[str, Any]) -> dict[str, Any]:
    names = ("p50_ms", "p99_ms", "items_per_second", "memory_bytes", "open_seconds", "calls", "samples")
    return {name: trial[name] for name in names if name in trial}


def _composition(rows: Iterable[Mapping[str, Any]]) -> Any:
    """The share of every slice in the data that was measured on; no reference population is known here."""
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        n = row.get("n")
        if isinstance(n, int):
            counts.setdefault(str(row.get("dataset")), {}).setdefault(str(row.get("slice")), n)
    if not counts:
        return None
    return [
        {"dataset": dataset, "slice": name, "n": n, "share": round(n / max(slices.values()), 4), "reference": "none"}
        for dataset, slices in sorted(counts.items())
        for name, n in sorted(slices.items())
    ][:MOST_ROWS]


def _brief(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    names = ("name", "slice", "value", "n", "ci95", "dataset")
    return [{name: row[name] for name in names if name in row} for row in rows[:MOST_ROWS]]


def _evaluator(known: Known) -> dict[str, Any]:
    return {"evaluator": known.evaluation.get("tool") or known.by, "independent_of_author": False}


def _unknown(known: Known) -> dict[str, str]:
    """What a machine ought to know, with why it does not."""
    paths = ("identity.code_commit", "identity.env_lock_digest", "training.hyperparameters", "training.seed",
             "training.hardware", "training.duration_seconds", "data.preprocessing")  # fmt: skip
    return dict.fromkeys(paths, NO_RUN) | {
        "training.energy_kwh": cards.NOT_MEASURED, "training.reproducibility": cards.NOT_REPEATED,
        "operation.kill_switch_test": NOT_DRILLED,
    }  # fmt: skip
