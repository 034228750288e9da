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
from models.anomaly.answers import Judged, answer, sheet_of
from models.anomaly.baseline import by_nature, to_scale
from models.anomaly.bends import bends
from models.anomaly.emergence import SLOW, merge
from models.anomaly.evidence import Evidence, strangeness, whole
from models.anomaly.intake import Task, check_options, matrix_of, task_of
from models.anomaly.quality import silent_steps
from models.anomaly.rows import interpolate
from models.anomaly.seasons import turns
from models.anomaly.stream import one_step
from models.anomaly.table import settle_table
from models.anomaly.tails import Prior
from models.anomaly.tet import Buckets, buckets
from models.artifact import Artifact
from models.calendar import Axis, Frequency
from models.contract import Model
from models.errors import IntegrityError, InvalidInputError, PlatformError
from models.values import AnomalyOptions, Findings, Series

REPORTED = SLOW | {"D"}
"""Steps at which people report; where a machine counts, silence is a value like any other."""
ROWS_AT_ONCE = 1 << 17
"""Points computed together: bounds memory and keeps the working set in the cache."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Groups of like series, failures by place, and the items as they came."""

    groups: tuple[tuple[Task, ...], ...]
    failures: dict[int, PlatformError]
    items: Sequence[Series]
    options: AnomalyOptions


@dataclass(frozen=True, slots=True)
class Computed:
    """What was found in each group, beside what was prepared."""

    prepared: Prepared
    judged: tuple[Judged, ...]


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
        return Prepared(tuple(parts), failures, tuple(items), options)

    def compute(self, prepared: Prepared) -> Computed:
        """Evidence for every point of every group."""
        return Computed(prepared, tuple(self._judge(group, prepared.options) for group in prepared.groups))

    def _judge(self, group: Sequence[Task], options: AnomalyOptions) -> Judged:
        """One group: evidence, scores and lasting changes."""
        matrix = matrix_of(group)
        axis = group[0].series.axis
        shape = matrix.values.shape
        nothing = np.zeros(shape, bool)
        none: list[Any] = [() for _ in group]
        if shape[1] == 0:
            empty = np.zeros(shape)
            return Judged(matrix, Evidence(*([empty] * 7)), empty, nothing, nothing, none, none, [None] * len(group))
        near: Buckets | None = buckets(axis, shape[1]) if options.holidays == "VN" else None
        side = alarms.level(options, axis.frequency) / (2 if options.direction == "both" else 1)
        if options.mode != "batch":
            found = one_step(matrix, side, self.prior, near)
            found, began = merge(matrix, found, axis.frequency, side, causal=True)
            p, _ = strangeness(found, options.direction)
            matrix = by_nature(matrix)
            return Judged(matrix, found, -np.log10(p), silent_steps(matrix), began, none, none, [None] * len(group))
        matrix = by_nature(matrix)
        silent = silent_steps(matrix)
        deaf = silent if axis.frequency.unit in REPORTED else nothing
        found, began = merge(matrix, whole(matrix, side, self.prior, near, deaf), axis.frequency, side, causal=False)
        p, _ = strangeness(found, options.direction)
        score = detectors.ensemble(matrix, found, p, self.weights)
        heard = matrix.seen & ~deaf
        filled = interpolate(to_scale(matrix.values, matrix.positive), heard)
        flat = filled - found.seasonal
        return Judged(
            matrix, found, score, silent, began, shifts.shifts(flat, heard, matrix.season),
            bends(flat, heard, matrix.season) if axis.frequency.unit in REPORTED else none,
            turns(filled, matrix.season),
        )  # fmt: skip

    def finish(self, computed: Computed) -> list[Findings | PlatformError]:
        """Findings in the order of the items."""
        prepared = computed.prepared
        options = prepared.options
        answers: dict[int, Findings | PlatformError] = dict(prepared.failures)
        for judged, group in zip(computed.judged, prepared.groups, strict=True):
            p, upward = strangeness(judged.evidence, options.direction)
            for row, task in enumerate(group):
                sheet = sheet_of(task, judged, row, (p[row], upward[row]), options)
                answers[task.place] = answer(task, sheet, judged.scores[row], options)
        ordered = [answers[place] for place in range(len(prepared.items))]
        if options.alarm_budget is None:
            return ordered
        return settle_table(prepared.items, ordered, options)

    def samples(self) -> tuple[Sequence[Series], AnomalyOptions]:
        """Sixteen monthly series of ten years with a spike each."""
        noise = np.random.default_rng(7).normal(0.0, 5.0, (16, 120))
        season = 20 * np.sin(np.arange(120) * np.pi / 6)
        values = 100 + season + noise
        values[np.arange(16), 60 + np.arange(16)] += 80
        axis = Axis(Frequency("M", "M", 1, 12), "2015-01-01T00:00:00")
        return [Series(f"series-{i}", line, axis) for i, line in enumerate(values)], AnomalyOptions()
