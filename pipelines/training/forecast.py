"""forecast-core: learn the calibration table of its intervals; measure it on the M3 and M1 competitions.

The members have no trained weights: their parameters are fitted to each series when it is answered. What is learned
is how far forecasts of known futures were off (`calibration`), on data that may be bundled. M3 and M1 (GPL) only
measure.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.contract import Model
from models.errors import PlatformError
from models.forecast.combine import Combination
from models.forecast.members import METHOD
from models.scores.forecast import bootstrap_mean, bootstrap_ratio, coverage, geometric_mean, mase, smape, wql
from models.values import Floats, Forecast, ForecastOptions, Series
from pipelines.datasets import Datasets
from pipelines.recipes import Metric, Trained
from pipelines.training.calibration import CUTS, learn, training_pairs
from pipelines.training.panels import M1, M3, NSDP, Task, competition, national_summary

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
BATCH = 50
QUICK_EVERY = 60
BASELINE = "seasonal_naive"


@dataclass(frozen=True, slots=True)
class Measured:
    """What one forecast of a known future scored; `naive` are the same losses of the seasonal naive forecast."""

    task: Task
    smape: float
    mase: float | None
    wql: float | None
    coverage: float
    naive_smape: float
    naive_mase: float | None


def run(
    model: Model[Series, ForecastOptions, Forecast], tasks: Sequence[Task], batch: int = BATCH
) -> tuple[list[Forecast], float]:
    """Answers in order, and the seconds they took, in batches of one group as the wire sends them."""
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i, task in enumerate(tasks):
        groups[task.group, task.horizon].append(i)
    answers: dict[int, Forecast] = {}
    started = time.perf_counter()
    for (_, horizon), members in groups.items():
        options = ForecastOptions(horizon, LEVELS, season_length=tasks[members[0]].season)
        for first in range(0, len(members), batch):
            part = members[first : first + batch]
            for i, answer in zip(part, model.predict([tasks[i].series for i in part], options), strict=True):
                if isinstance(answer, PlatformError):
                    raise answer
                answers[i] = answer
    seconds = time.perf_counter() - started
    return [answers[i] for i in range(len(tasks))], seconds


def measure(task: Task, answer: Forecast) -> Measured:
    """Losses of one answer and of the seasonal naive forecast."""
    history, actual = task.series.values, task.actual
    naive = naive_forecast(history, task.season, task.horizon)
    return Measured(
        task, smape(actual, answer.mean), mase(history, actual, answer.mean, task.season),
        wql(actual, answer.quantiles), coverage(actual, answer.quantiles[0.1], answer.quantiles[0.9]),
        smape(actual, naive), mase(history, actual, naive, task.season),
    )  # fmt: skip


def naive_forecast(history: Floats, season: int, horizon: int) -> Floats:
    """The last season repeated."""
    back = season if len(history) >= season else 1
    last = history[-back:]
    return np.asarray(last[np.arange(horizon) % back])


def rows(measured: Sequence[Measured], dataset: str, part: str) -> list[Metric]:
    """Figures of one slice with the seasonal naive rows beside them; pooled sMAPE weighs every forecast alike."""
    n = len(measured)
    weights = np.array([one.task.horizon for one in measured], dtype=np.float64)
    ours = np.array([one.smape for one in measured])
    naive = np.array([one.naive_smape for one in measured])
    scaled = [(one.mase, one.naive_mase) for one in measured if one.mase is not None and one.naive_mase is not None]
    covered = [one.coverage for one in measured]
    found = [
        Metric("smape", float(np.average(ours, weights=weights)), n, dataset, part, bootstrap_mean(ours, weights)),
        Metric(
            "smape",
            float(np.average(naive, weights=weights)),
            n,
            dataset,
            part,
            bootstrap_mean(naive, weights),
            BASELINE,
        ),
        Metric("coverage_80", float(np.mean(covered)), n, dataset, part, bootstrap_mean(covered)),
    ]
    losses = [one.wql for one in measured if one.wql is not None]
    if losses:
        found.append(Metric("wql", float(np.mean(losses)), len(losses), dataset, part, bootstrap_mean(losses)))
    if scaled:
        a, b = ([pair[k] for pair in scaled] for k in (0, 1))
        ratio, low, high = bootstrap_ratio(a, b)
        found += [
            Metric("mase", float(np.mean(a)), len(a), dataset, part, bootstrap_mean(a)),
            Metric("mase", float(np.mean(b)), len(b), dataset, part, bootstrap_mean(b), BASELINE),
            Metric("mase_ratio_to_seasonal_naive", ratio, len(a), dataset, part, (low, high)),
            Metric("relative_mase", geometric_mean([x / y for x, y in scaled if y > 0]), len(a), dataset, part),
        ]
    return found


def evaluate_on(model: Model[Any, Any, Any], tasks: Sequence[Task], dataset: str, batch: int = BATCH) -> list[Metric]:
    """Figures over all tasks, by group, and series a second."""
    answers, _ = run(model, tasks, batch)
    measured = [measure(task, answer) for task, answer in zip(tasks, answers, strict=True)]
    found = rows(measured, dataset, "all")
    for group in sorted({task.group for task in tasks}):
        part = [one for one in measured if one.task.group == group]
        found += rows(part, dataset, group.lower())
        _, seconds = run(model, [one.task for one in part], batch)
        found.append(Metric("series_per_second", len(part) / seconds, len(part), dataset, group.lower()))
    return found


class CoreRecipe:
    """The recipe of forecast-core."""

    name = "forecast-core"
    version = "1.0.0"
    kind = "forecast.core/1"
    licence = "Apache-2.0"
    training = (NSDP,)
    evaluation = (M3, M1)

    def train(self, data: Datasets, *, threads: int, quick: bool, log: Callable[[str], None]) -> Trained:
        """Learn the calibration table; one thread is enough for seconds of work."""
        published = national_summary(data)
        pairs, weights = training_pairs(published, 10 if quick else 1)
        log(f"{len(published)} indicators, {len(pairs)} forecasts of known futures")
        calibration = learn(pairs, weights)
        log(f"families: {', '.join(calibration.families)}")
        return Trained(
            Combination(calibration),
            {"cuts_per_series": CUTS, "forecasts": len(pairs), "families": len(calibration.families)},
            seed=0,
            notes={"method": METHOD},
        )

    def evaluate(self, model: Model[Any, Any, Any], data: Datasets, *, quick: bool) -> list[Metric]:
        """M3 and M1 by group, with the seasonal naive forecast beside and the speed on one core."""
        every = QUICK_EVERY if quick else 1
        found = []
        for dataset in self.evaluation:
            found += evaluate_on(model, competition(data, dataset, every), dataset)
        return found


RECIPE = CoreRecipe()
