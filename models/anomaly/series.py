"""The detector of single series: kind `anomaly.series/1`, task `anomalies`.

Decisions:
- Rows of one length, season and frequency are computed together, but a series' answer never depends on its
  neighbours; only `alarm_budget` looks over the whole batch, and it only drops alarms.
- `batch` judges every point by the whole series, `stream` every point by its past, `last` is the last point of
  `stream` with everything before it blank. Score, p-value and band of `stream` at t depend on nothing after t.
- `score` and `p_value` are finite for every point that is answered, observed or not (a missing point scores 0 with
  p = 1: nothing was seen that could be strange). `expected`, `lower`, `upper` are NaN where nothing can be said, and
  all five are NaN before the last point in mode `last`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from models.anomaly import alarms, detectors, shifts
from models.anomaly.answers import answer, sheet_of, spend
from models.anomaly.baseline import Rows, by_nature, to_scale
from models.anomaly.evidence import Evidence, strangeness, whole
from models.anomaly.intake import Task, check_options, matrix_of, task_of
from models.anomaly.rows import Floats, interpolate
from models.anomaly.stream import one_step
from models.anomaly.tails import Prior
from models.anomaly.tet import Buckets, buckets
from models.artifact import Artifact
from models.calendar import Axis, Frequency
from models.contract import Model
from models.errors import IntegrityError, InvalidInputError, PlatformError
from models.values import AnomalyOptions, Findings, Series

ROWS_AT_ONCE = 1 << 17
"""Points computed together: bounds memory and keeps the working set in the cache."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Groups of like series, failures by place, and how many items there were."""

    groups: tuple[tuple[Task, ...], ...]
    failures: dict[int, PlatformError]
    count: int
    options: AnomalyOptions


@dataclass(frozen=True, slots=True)
class Computed:
    """Evidence, scores and shifts of each group, beside what was prepared."""

    prepared: Prepared
    rows: tuple[Rows, ...]
    evidence: tuple[Evidence, ...]
    scores: tuple[Floats, ...]
    shifts: tuple[list[list[tuple[int, float]]], ...]


class SeriesDetector(Model[Series, AnomalyOptions, Findings]):
    """Finds strange points and events in single series."""

    tasks: ClassVar[tuple[str, ...]] = ("anomalies",)

    def __init__(self, prior: Prior, weights: detectors.Weights) -> None:
        """Keep what was learned of tails and of the detectors' worth."""
        self.prior = prior
        self.weights = weights

    @classmethod
    def open(cls, artifact: Artifact) -> Self:
        """Construct from a verified artefact. Raises IntegrityError when its configuration is malformed."""
        document = artifact.document("calibration.json")
        try:
            prior, weights = Prior(**document["prior"]), detectors.Weights(**document["weights"])
            if min(asdict(prior).values()) <= 0 or min(asdict(weights).values()) < 0:
                raise ValueError("a parameter is out of range")
            return cls(prior, weights)
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("Bảng hiệu chuẩn bị hỏng.", "The calibration table is malformed.") from error

    def save(self, folder: Path) -> dict[str, Any]:
        """Write `calibration.json`; the configuration names the method."""
        document = {"prior": asdict(self.prior), "weights": asdict(self.weights)}
        (folder / "calibration.json").write_text(detectors.to_json(document), encoding="utf-8")
        return {"method": "robust-decomposition/1"}

    def prepare(self, items: Sequence[Series], options: AnomalyOptions) -> Prepared:
        """Turn series into rows and group like ones. A series with infinite values is carried as its error."""
        check_options(options)
        groups: dict[tuple[Any, ...], list[Task]] = {}
        failures: dict[int, PlatformError] = {}
        for place, series in enumerate(items):
            if np.isinf(series.values).any() or series.values.ndim != 1:
                failures[place] = InvalidInputError(
                    "Chuỗi có giá trị không hữu hạn.", "The series holds values that are not finite."
                )
                continue
            task = task_of(place, series, options)
            key = (len(task.values), task.season, series.axis.frequency, series.axis.start if options.holidays else "")
            groups.setdefault(key, []).append(task)
        parts = []
        for (length, *_), members in groups.items():
            size = max(1, ROWS_AT_ONCE // max(length, 1))
            parts += [tuple(members[at : at + size]) for at in range(0, len(members), size)]
        return Prepared(tuple(parts), failures, len(items), options)

    def compute(self, prepared: Prepared) -> Computed:
        """Evidence for every point of every group."""
        rows, evidence, scores, lasting = [], [], [], []
        for group in prepared.groups:
            matrix, found, score, moves = self._judge(group, prepared.options)
            rows.append(matrix)
            evidence.append(found)
            scores.append(score)
            lasting.append(moves)
        return Computed(prepared, tuple(rows), tuple(evidence), tuple(scores), tuple(lasting))

    def _judge(
        self, group: Sequence[Task], options: AnomalyOptions
    ) -> tuple[Rows, Evidence, Floats, list[list[tuple[int, float]]]]:
        """One group: evidence, scores and lasting changes of level."""
        matrix = matrix_of(group)
        axis = group[0].series.axis
        length = matrix.values.shape[1]
        if length == 0:
            empty = np.zeros((len(group), 0))
            return matrix, Evidence(*([empty] * 7)), empty, [[] for _ in group]
        near: Buckets | None = buckets(axis, length) if options.holidays == "VN" else None
        side = alarms.level(options, axis.frequency) / (2 if options.direction == "both" else 1)
        if options.mode != "batch":
            found = one_step(matrix, side, self.prior, near)
            p, _ = strangeness(found, options.direction)
            return by_nature(matrix), found, -np.log10(p), [[] for _ in group]
        matrix = by_nature(matrix)
        found = whole(matrix, side, self.prior, near)
        p, _ = strangeness(found, options.direction)
        score = detectors.ensemble(matrix, found, p, self.weights)
        flat = interpolate(to_scale(matrix.values, matrix.positive) - found.seasonal, matrix.seen)
        return matrix, found, score, shifts.shifts(flat, matrix.seen, matrix.season)

    def finish(self, computed: Computed) -> list[Findings | PlatformError]:
        """Findings in the order of the items."""
        prepared = computed.prepared
        answers: dict[int, Findings | PlatformError] = dict(prepared.failures)
        for index, group in enumerate(prepared.groups):
            found, score = computed.evidence[index], computed.scores[index]
            p, upward = strangeness(found, prepared.options.direction)
            for row, task in enumerate(group):
                said = (p[row], upward[row], computed.shifts[index][row])
                sheet = sheet_of(task, computed.rows[index], found, row, said, prepared.options)
                answers[task.place] = answer(task, sheet, score[row], prepared.options)
        ordered = [answers[place] for place in range(prepared.count)]
        return spend(ordered, prepared.options) if prepared.options.alarm_budget is not None else ordered

    def samples(self) -> tuple[Sequence[Series], AnomalyOptions]:
        """Sixteen monthly series of ten years with a spike each."""
        noise = np.random.default_rng(7).normal(0.0, 5.0, (16, 120))
        season = 20 * np.sin(np.arange(120) * np.pi / 6)
        values = 100 + season + noise
        values[np.arange(16), 60 + np.arange(16)] += 80
        axis = Axis(Frequency("M", "M", 1, 12), "2015-01-01T00:00:00")
        return [Series(f"series-{i}", line, axis) for i, line in enumerate(values)], AnomalyOptions()
