"""The evaluation record: what was measured, on which bytes, by which run.

Decision: figures are evidence, not text (GOVERNANCE 2.1, rule 3). Every row names its data set with its digest, n, the
interval where there is one, and whether it is the model or a baseline; the record names run, tool and commit. Its
identity is the SHA-256 of its RFC 8785 form, and the approval binds it.

A proportion that comes without an interval gets Wilson's (Wilson 1927) from its n; other rows without one say so
with a reason, never with an invented width.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import IntegrityError
from pipelines.datasets import Datasets, table_digest
from pipelines.leakage import Overlap
from pipelines.provenance import Provenance
from pipelines.recipes import Metric, Recipe

SCHEMA = "evaluation/1"
FILE = "evaluation.json"
PROPORTIONS = frozenset(
    {"accuracy", "syllable_accuracy", "sentence_accuracy", "word_precision", "word_recall", "coverage_80"}
)
_Z95 = 1.959963984540054
SPEED_REASON = "một phép đo thời gian trên một máy; không có khoảng tin cậy | one timing on one machine; no interval"
PLAIN_REASON = "công thức không tính khoảng tin cậy cho số đo này | the recipe computes no interval for this figure"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run adds to its figures: MLflow's id, start (ISO 8601), seconds of training, seed, threads, provenance.

    `quick` marks a trial run of seconds, whose figures mean nothing.
    """

    run_id: str
    at: str
    seconds: float
    seed: int
    threads: int
    quick: bool
    provenance: Provenance


def wilson(value: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a proportion observed in n trials."""
    centre = (value + _Z95**2 / (2 * n)) / (1 + _Z95**2 / n)
    half = _Z95 / (1 + _Z95**2 / n) * math.sqrt(value * (1 - value) / n + _Z95**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def used_datasets(recipe: Recipe, data: Datasets) -> list[dict[str, Any]]:
    """Rows of the data sets that a recipe uses: id, role, digest, origin, licence; sorted by role and id."""
    roles = [("training", recipe.training), ("evaluation", recipe.evaluation)]
    return [_used(data, id_, role) for role, ids in roles for id_ in sorted(ids)]


def _used(data: Datasets, id_: str, role: str) -> dict[str, Any]:
    source = data.source((data.ids(id_) or (id_,))[0])
    return {
        "id": id_, "role": role, "digest": data.digest(id_), "title": source.title, "repository": source.repository,
        "commit": source.commit, "licence": source.licence, "may_bundle": source.may_bundle,
    }  # fmt: skip


def record(
    recipe: Recipe,
    data: Datasets,
    metrics: Iterable[Metric],
    overlap: Mapping[str, Overlap],
    artifact_digest: str,
    facts: RunFacts,
) -> dict[str, Any]:
    """The evaluation record as JSON. Raises IntegrityError for a figure that is no number or names unknown data."""
    rows = [_row(metric, data, recipe) for metric in metrics]
    return {
        "schema": SCHEMA,
        "model": {"name": recipe.name, "version": recipe.version, "artifact_digest": artifact_digest},
        "run": {
            "id": facts.run_id, "at": facts.at, "seconds": round(facts.seconds, 1),
            "seed": facts.seed, "threads": facts.threads, "quick": facts.quick,
            "code_commit": facts.provenance.code_commit, "environment_digest": facts.provenance.environment_digest,
            "python": facts.provenance.python, "hardware": facts.provenance.hardware.sentence(),
        },
        "tool": facts.provenance.tool,
        "datasets": used_datasets(recipe, data),
        "overlap_removed": {id_: report.document() for id_, report in sorted(overlap.items())},
        "metrics": [row for row in rows if row["baseline"] is None],
        "baselines": [row for row in rows if row["baseline"] is not None],
    }  # fmt: skip


def _row(metric: Metric, data: Datasets, recipe: Recipe) -> dict[str, Any]:
    if not math.isfinite(metric.value) or metric.n < 1:
        raise IntegrityError(
            f"Số đo {metric.name} của {recipe.name} không phải là số hữu hạn.", f"Figure {metric.name} is not finite."
        )
    measured_on = _declared(metric.dataset, recipe)
    if not measured_on:
        raise IntegrityError(
            f"Số đo {metric.name} của {recipe.name} đo trên dữ liệu không khai là dữ liệu đánh giá.",
            f"Figure {metric.name} is measured on data that the recipe does not declare as evaluation data.",
        )
    interval = metric.ci95
    if interval is None and metric.name in PROPORTIONS and 0 <= metric.value <= 1:
        interval = wilson(metric.value, metric.n)
    row: dict[str, Any] = {
        "name": metric.name, "value": _rounded(metric.value), "n": metric.n, "slice": metric.slice,
        "dataset": metric.dataset, "dataset_digest": _digest(measured_on, metric.dataset, data),
        "baseline": metric.baseline,
        "ci95": None if interval is None else [_rounded(interval[0]), _rounded(interval[1])],
    }  # fmt: skip
    if interval is None:
        row["ci95_not_evaluated"] = SPEED_REASON if "second" in metric.name else PLAIN_REASON
    return row


def _declared(dataset: str, recipe: Recipe) -> list[str]:
    """The declared evaluation files that a figure's data set names: one file, or those in a folder."""
    plain = dataset.partition("#")[0]
    declared = [id_.partition("#")[0] for id_ in recipe.evaluation]
    return [id_ for id_ in declared if plain.startswith(id_) or id_.startswith(plain + "/")]


def _digest(ids: Sequence[str], dataset: str, data: Datasets) -> str:
    """The digest of one file, or of the table of digests of those files of a folder that were measured on."""
    if dataset.partition("#")[0] in ids or len(ids) == 1:
        return data.digest(ids[0])
    return table_digest({id_: data.digest(id_) for id_ in ids})


def _rounded(value: float) -> float:
    """Six significant digits: more would claim a precision that no run has."""
    return float(f"{value:.6g}")


def write(document: Mapping[str, Any], folder: Path) -> Path:
    """Write the record into `folder`, readable, key order fixed."""
    path = folder / FILE
    text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8")
    return path


def summary(metrics: Sequence[Metric]) -> list[str]:
    """Lines for the command line: figure, value, n, data set, and which rows are baselines."""
    return [
        f"{m.name:<26} {m.value:>14.6g}  n={m.n:<8} {m.dataset} [{m.slice}]"
        + (f"  ({m.baseline})" if m.baseline else "")
        for m in metrics
    ]
