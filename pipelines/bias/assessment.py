"""`aichung bias NAME`: from a published model and held-back data to its bias report and a card that names it.

Decision: a report is about one artefact, by digest, and is made from data that the model's recipe does not train on:
what an axis uses is checked against the recipe before anything is measured. The report lies beside the card; the card
names its digest, so that whatever approved the card before no longer holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from models.artifact import Artifact, open_artifact
from models.catalog import open_model
from models.contract import Model
from models.errors import ConflictError, InvalidInputError, NotFoundError
from pipelines.bias import anomaly, forecast, tabular, text
from pipelines.bias.brought import read_brought
from pipelines.bias.document import document
from pipelines.bias.lists import Template, hidden_templates, templates
from pipelines.bias.values import Findings
from pipelines.datasets import Datasets
from pipelines.provenance import provenance
from pipelines.recipes import RECIPES, recipe
from registry.canonical import digest, read_document
from registry.cards import value_of
from registry.evidence import ARTIFACT, BIAS, CARD

Log = Callable[[str], None]
Test = Callable[..., Findings]
TEXTS: Final[Mapping[str, Test]] = {
    "text.classify/1": text.assess_topics,
    "text.segment/1": text.assess_segments,
    "text.diacritics/1": text.assess_diacritics,
}
SERIES: Final[Mapping[str, Test]] = {
    "forecast.core/1": forecast.assess,
    "forecast.additive/1": forecast.assess,
    "anomaly.series/1": anomaly.assess,
    "tabular.anomaly/1": tabular.assess,
}
CLASSIFIERS: Final = ("text.classify/1", "onnx.text-classify/1")
"""Kinds that can be tested on texts that the caller brings."""
UNSTATED: Final = "T2"
SLOW: Final = ("forecast.additive/1",)


@dataclass(frozen=True, slots=True)
class Assessed:
    """A report and where it was put."""

    report: Mapping[str, Any]
    digest: str
    folder: Path


def assess(
    folder: Path,
    mirror: Path | None,
    log: Log,
    *,
    tier: str | None = None,
    hidden: Path | None = None,
    cases: Path | None = None,
    quick: bool = False,
) -> Assessed:
    """Test the model in a version's folder and write its report there.

    `tier` is the card's where none is given, T2 where there is no card; `hidden` is a reviewer's own set of templates,
    of which the report keeps the digest only; `cases` are labelled texts for a classifier of the caller's own.
    Raises InvalidInputError for a kind that has no tests, ConflictError for data that it trained on, and as
    `Datasets.path` does.
    """
    artifact = open_artifact(folder / ARTIFACT)
    level = tier or _tier_of(folder)
    data, facts = Datasets(mirror), provenance()
    open_set, hidden_digest = (templates(), None) if hidden is None else hidden_templates(hidden)
    if cases is not None and artifact.kind in CLASSIFIERS:
        findings = text.assess_brought(open_model(artifact), read_brought(cases), open_set, level, log)
    else:
        findings = run(open_model(artifact), artifact, data, open_set, level, log, quick=quick)
    _require_apart(artifact, findings)
    made = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "code_commit": facts.code_commit,
        "environment_digest": facts.environment_digest, "tool": facts.tool, "quick": quick,
        "hidden_templates": hidden_digest,
    }  # fmt: skip
    report = document(findings, artifact, level, made, data)
    put(report, folder)
    return Assessed(report, digest(report), folder)


def _tier_of(folder: Path) -> str:
    path = folder / CARD
    return str(value_of(read_document(path), "classification.control_tier")) if path.exists() else UNSTATED


def run(
    model: Model[Any, Any, Any], artifact: Artifact, data: Datasets, said: tuple[Template, ...], tier: str, log: Log, *,
    quick: bool,
) -> Findings:  # fmt: skip
    """The tests of a model's family. Raises InvalidInputError for a kind that has none."""
    if artifact.kind in TEXTS and (artifact.kind not in CLASSIFIERS or artifact.name in RECIPES):
        return TEXTS[artifact.kind](model, data, said, tier, log, quick=quick)
    if artifact.kind in SERIES:
        more = {"slow": True} if artifact.kind in SLOW else {}
        return SERIES[artifact.kind](model, data, tier, log, quick=quick, **more)
    known = ", ".join((*TEXTS, *SERIES))
    raise InvalidInputError(
        f"Chưa có phép thử thiên lệch cho loại {artifact.kind}; hiện có: {known}; "
        f"với văn bản có nhãn kèm theo (--cases): {', '.join(CLASSIFIERS)}.",
        f"There are no bias tests for kind {artifact.kind}; there are for: {known}; "
        f"with labelled texts (--cases): {', '.join(CLASSIFIERS)}.",
        code="no-bias-tests",
    )


def _require_apart(artifact: Artifact, findings: Findings) -> None:
    """No data set of the tests may be one that the model's recipe trains on."""
    if artifact.name in RECIPES:
        shared = sorted(set(recipe(artifact.name).training) & set(findings.datasets))
        if shared:
            raise ConflictError(
                f"Phép thử dùng dữ liệu huấn luyện của {artifact.name}: {', '.join(shared)}.",
                f"The tests use what {artifact.name} was trained on: {', '.join(shared)}.",
            )


def put(report: Mapping[str, Any], folder: Path) -> Path:
    """Write a report beside the card, whole or not at all; one axis a line."""
    parts = [f" {json.dumps(key)}: {_lines(value)}" for key, value in sorted(report.items())]
    path, draft = folder / BIAS, folder.parent / f".{folder.name}.{BIAS}"
    draft.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    draft.replace(path)
    return path


def _lines(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"  {_text(one)}" for one in value) + "\n ]"
    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def newest(name: str, shelf: Path) -> Path:
    """The folder of a model's newest published version. Raises NotFoundError."""
    folders = sorted(
        (path.parent for path in shelf.glob(f"{name}/*/{CARD}")),
        key=lambda folder: tuple(int(part) for part in folder.name.split(".")),
    )  # fmt: skip
    if not folders:
        raise NotFoundError(
            f"Chưa có mô hình {name} kèm thẻ trong {shelf}.", f"There is no model {name} with a card in {shelf}."
        )
    return folders[-1]
