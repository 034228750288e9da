"""The bias report as a document: `bias.json` beside the card, and what the card says of it.

    {"schema": "bias-report/1", "model": {name, version, kind, artifact_digest}, "family": …, "tier": …,
     "verdict": …, "verdict_by_axis": {id: …}, "margins": …, "run": {at, code_commit, environment_digest, quick, …},
     "datasets": […], "lists": […], "harms": […], "axes": [{id, title, verdict, labels, measures: […], matrix}],
     "untested": […], "facts": {…}}

Decision: a measure's groups are rows under one list of column names, so that a report of a thousand rows stays small.
Numbers are rounded to four digits; what is not known is null, never NaN. Below `SHOWN` cases a row says "<20" and
nothing else, below `POINTED` it gives no value, below `JUDGED` no verdict.

Decision: differences and ratios of the extremes are given under the names by which libraries know them, for readers who
compare. They gate nothing: with 34 groups of the same true rate they "find" a difference every time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from models.artifact import Artifact
from models.errors import IntegrityError, Note
from models.scores.groups import POINTED, SHOWN, Comparison, Verdict, overall
from models.scores.proportions import benjamini_hochberg, holm
from pipelines.bias.lists import sources
from pipelines.bias.margins import VERSION
from pipelines.bias.values import Axis, Findings, Matrix, Measure
from pipelines.datasets import Datasets
from registry.canonical import digest

SCHEMA: Final = "bias-report/1"
COLUMNS: Final = (
    "group", "n", "value", "reference", "deficit", "low", "high", "upper95", "p", "verdict", "needed",
)  # fmt: skip
FALSE_DISCOVERIES: Final = 0.10


def document(
    findings: Findings, artifact: Artifact, tier: str, run: Mapping[str, Any], data: Datasets
) -> dict[str, Any]:  # fmt: skip
    """The report of one model."""
    axes = list(findings.axes)
    return {
        "schema": SCHEMA,
        "model": {
            "name": artifact.name, "version": artifact.version, "kind": artifact.kind,
            "artifact_digest": artifact.digest,
        },
        "family": findings.family,
        "tier": tier,
        "verdict": overall([axis.verdict for axis in axes if axis.confirmatory]).value,
        "verdict_by_axis": {axis.id: axis.verdict.value for axis in axes if axis.confirmatory},
        "margins": VERSION,
        "run": dict(run),
        "datasets": [*(_dataset(data, id_) for id_ in findings.datasets), *map(dict, findings.brought)],
        "lists": sources(findings.lists),
        "facts": {name: _number(value) for name, value in findings.facts.items()},
        "harms": [
            {
                "who": _note(one.who), "error": _note(one.error), "consequence": _note(one.consequence),
                "metric": one.metric,
            }
            for one in findings.harms
        ],
        "axes": [axis_document(axis) for axis in axes],
        "untested": [{"group": _note(one.group), "reason": _note(one.reason)} for one in findings.untested],
    }  # fmt: skip


def _dataset(data: Datasets, id_: str) -> dict[str, Any]:
    source = data.source((data.ids(id_) or (id_,))[0])
    return {
        "id": id_, "digest": data.digest(id_), "title": source.title, "repository": source.repository,
        "commit": source.commit, "licence": source.licence,
    }  # fmt: skip


def _note(note: Note) -> dict[str, str]:
    return {"vi": note.vi, "en": note.en}


def _number(value: Any) -> Any:
    """A figure to four digits after the point, null where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return (value if isinstance(value, int) else round(value, 4)) if math.isfinite(value) else None


def axis_document(axis: Axis) -> dict[str, Any]:
    """One axis with its figures."""
    found: dict[str, Any] = {
        "id": axis.id, "title": _note(axis.title), "verdict": axis.verdict.value if axis.confirmatory else None,
        "labels": {name: _note(note) for name, note in axis.labels.items()},
        "measures": [_measure(one) for one in axis.measures],
    }  # fmt: skip
    if axis.places:
        found["places"] = axis.places
    if axis.remark:
        found["remark"] = _note(axis.remark)
    if axis.matrix:
        found["matrix"] = _matrix(axis.matrix)
    return found


def _measure(measure: Measure) -> dict[str, Any]:
    p_values = [one.p for one in measure.comparisons]
    adjusted = holm(p_values) if measure.confirmatory else benjamini_hochberg(p_values)
    found: dict[str, Any] = {
        "metric": measure.metric, "title": _note(measure.title), "quantity": measure.quantity,
        "margin": _number(measure.rule.delta), "harm": measure.harm, "scale": measure.scale,
        "confirmatory": measure.confirmatory, "verdict": measure.verdict.value if measure.confirmatory else None,
        "method": _note(measure.method), "p_adjusted": "holm" if measure.confirmatory else "benjamini-hochberg",
        "columns": list(COLUMNS),
        "rows": [
            _row(one, float(p), measure.confirmatory) for one, p in zip(measure.comparisons, adjusted, strict=True)
        ],
        "extremes": _extremes(measure.comparisons),
    }  # fmt: skip
    if measure.remark:
        found["remark"] = _note(measure.remark)
    if measure.heterogeneity:
        one = measure.heterogeneity
        found["heterogeneity"] = {
            "q": _number(one.q), "degrees": one.degrees, "p": _number(one.p), "tau": _number(one.tau),
            "i_squared": _number(one.i_squared), "centre": _number(one.centre),
            "shrunken": [_number(value) for value in one.shrunken],
        }  # fmt: skip
    if measure.funnel:
        funnel = measure.funnel
        found["funnel"] = {
            "rate": _number(funnel.rate), "dispersion": _number(funnel.dispersion),
            "z": [_number(value) for value in funnel.z],
            "outer": [[_number(low), _number(high)] for low, high in funnel.outer],
        }  # fmt: skip
    return found


def _row(one: Comparison, p: float, confirmatory: bool) -> list[Any]:
    """One group; the verdict of an exploratory figure is null or SIGNAL, never FAIL."""
    if one.n < SHOWN:
        return [one.group, f"<{SHOWN}", *[None] * 7, Verdict.INSUFFICIENT.value if confirmatory else None, one.needed]
    verdict = one.verdict.value if confirmatory else "SIGNAL" if p < FALSE_DISCOVERIES else None
    if one.n < POINTED:
        return [one.group, one.n, *[None] * 7, verdict, one.needed]
    figures = (one.value, one.reference, one.deficit, one.low, one.high, one.upper, p)
    return [one.group, one.n, *map(_number, figures), verdict, one.needed]


def _extremes(rows: Sequence[Comparison]) -> dict[str, Any]:
    """What libraries report of groups with enough cases to show: never a gate."""
    values = [one.value for one in rows if one.n >= POINTED and math.isfinite(one.value)]
    if len(values) < 2:
        return {}
    low, high = min(values), max(values)
    return {"fairlearn_difference": _number(high - low), "fairlearn_ratio": _number(low / high) if high > 0 else None}


def _matrix(matrix: Matrix) -> dict[str, Any]:
    """The upper triangle, row by row, without the diagonal."""
    rows = [list(row[at + 1 :]) for at, row in enumerate(matrix.counts)]
    return {"names": list(matrix.names), "upper": rows[:-1], "n": matrix.n, "asymmetries": matrix.asymmetries}


def groups_of(report: Mapping[str, Any]) -> tuple[int, int]:
    """Groups with a verdict in a confirmatory figure, and those with too few cases for one."""
    tested: set[tuple[str, str]] = set()
    short: set[tuple[str, str]] = set()
    for axis in report["axes"]:
        for measure in axis["measures"]:
            if measure["confirmatory"]:
                for row in measure["rows"]:
                    known = row[9] in (Verdict.PASS.value, Verdict.FAIL.value)
                    (tested if known else short).add((axis["id"], row[0]))
    return len(tested), len(short - tested)


def card_value(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the card says (GOVERNANCE 2.3, H1): digest, family, verdicts by axis, groups tested and not testable."""
    tested, short = groups_of(report)
    return {
        "digest": digest(report), "family": report["family"], "verdict": report["verdict"],
        "margins": report["margins"],
        "verdict_by_axis": report["verdict_by_axis"],
        "failed": [
            f"{axis['id']}/{measure['metric']}: {', '.join(str(row[0]) for row in measure['rows'] if row[9] == 'FAIL')}"
            for axis in report["axes"]
            for measure in axis["measures"]
            if measure["verdict"] == Verdict.FAIL.value
        ],
        "groups_tested": tested,
        "groups_without_enough_cases": short,
        "groups_not_testable": report["untested"],
    }  # fmt: skip


def require_report(report: Mapping[str, Any], artifact: Artifact) -> None:
    """Raise IntegrityError for a report of another form or about another artefact."""
    about = report.get("model")
    if (
        report.get("schema") != SCHEMA
        or not isinstance(about, Mapping)
        or about.get("artifact_digest") != artifact.digest
    ):
        raise IntegrityError(
            f"Báo cáo thiên lệch của {artifact.name} không thuộc về mô hình đang lưu.",
            f"The bias report of {artifact.name} is not about the stored artefact.",
            code="evidence-mismatch",
        )
