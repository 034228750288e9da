"""anomaly-series: learn what tails series have and how much each detector's vote is worth; measure on held-back series.

The detector fits itself to each series when it is asked. What is learned beforehand is small: the prior of the tails
(how heavy, on the training half of NAB and on Viet Nam's National Summary Data Page) and the weights of the ensemble
(on the training half of NAB, as labelled and with spikes put into its quiet stretches). The other half of NAB and all
the other sets only measure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.anomaly.baseline import by_nature
from models.anomaly.detectors import LONG, Weights, certain, combine, members, vote
from models.anomaly.evidence import strangeness, whole
from models.anomaly.intake import matrix_of, task_of
from models.anomaly.rows import Floats
from models.anomaly.series import SeriesDetector
from models.anomaly.tails import Prior, fit
from models.anomaly.windows import period
from models.contract import Model
from models.errors import PlatformError
from models.scores.anomaly import average_precision, vus_pr
from models.values import AnomalyOptions, Findings, Series
from pipelines.datasets import Datasets, load_catalogue
from pipelines.recipes import Metric, Trained
from pipelines.training import detection
from pipelines.training.labelled import BULLETINS as GSO
from pipelines.training.labelled import (
    KPI,
    MINISTRY,
    NAB_TRAINING,
    OUTBREAKS,
    UCR,
    WINDOWS,
    Labelled,
    nab,
    nab_held_back,
)
from pipelines.training.panels import NSDP, national_summary

SEED = 20_250_101
STEPS = (0.5, 1.0, 2.0)
"""No vote is silenced: nineteen series cannot prove a detector useless for all others."""
PASSES = 2
VUS_WINDOW = 40
LEVEL = 0.001
LEAST_VALUES = 60
PRIOR_WEIGHT, RANK_WEIGHT = 60.0, 3.0
QUICK_SERIES = 4


@dataclass(frozen=True, slots=True)
class Ballot:
    """The members' votes on one labelled series."""

    votes: dict[str, Floats]
    item: Labelled
    window: int
    labelled_points: bool


def learn_prior(items: Sequence[Series]) -> Prior:
    """Median heaviness and power of both tails over series long enough to show them."""
    heaviness, power = [], []
    trusting = Prior(weight=1e-6)
    for series in items:
        rows = by_nature(matrix_of([task_of(0, series, AnomalyOptions())]))
        if rows.seen.sum() < LEAST_VALUES or np.ptp(rows.values[rows.seen]) == 0:
            continue
        found = whole(rows, LEVEL, Prior(), None, stiff=False)  # what a line leaves over says little of tails
        unit = (rows.values - np.nan_to_num(found.expected)) / found.sigma
        for side in (unit, -unit):
            tail = fit(side, rows.seen, trusting, inside=True)
            if tail.trust[0, 0] > 0.5:
                heaviness.append(float(tail.heaviness[0, 0]))
                power.append(float(tail.power[0, 0]))
    belief = Prior()
    if len(power) < 10:
        return belief
    return Prior(
        heaviness=round(float(np.clip(np.median(heaviness), 0.01, 0.3)), 4),
        power=round(float(np.clip(np.median(power), 0.9, 1.5)), 4), weight=PRIOR_WEIGHT, rank_weight=RANK_WEIGHT,
    )  # fmt: skip


def ballots(items: Sequence[Labelled], prior: Prior, rng: np.random.Generator) -> list[Ballot]:
    """Votes on labelled series, and on the same series with spikes put where no label is."""
    found = []
    for item in items:
        if len(item.labels) < LONG:
            continue
        if item.labels.any():
            found.append(_ballot(item, prior, labelled_points=False))
        found.append(_ballot(detection.with_spikes(item, rng), prior, labelled_points=True))
    return found


def _ballot(item: Labelled, prior: Prior, *, labelled_points: bool) -> Ballot:
    rows = by_nature(matrix_of([task_of(0, item.series, AnomalyOptions())]))
    p, _ = strangeness(whole(rows, LEVEL, prior, None), "both")
    line = rows.values[0]
    evident = -np.log10(p[0])
    votes = {name: vote(raw) for name, raw in members(line, evident).items()} | {"certain": certain(line, evident)}
    return Ballot(votes, item, min(period(line), VUS_WINDOW), labelled_points)


def worth(papers: Sequence[Ballot], weights: Weights) -> float:
    """What is maximised: mean VUS-PR of stretches plus mean average precision of spikes."""
    stretches, spikes = [], []
    for paper in papers:
        score = combine(paper.votes, weights)
        if paper.labelled_points:
            spikes.append(average_precision(*paper.item.judge(score)))
        else:
            stretches.append(vus_pr(*paper.item.judge(score), paper.window))
    return float(np.mean(stretches or [0.0]) + np.mean(spikes or [0.0]))


def learn_weights(papers: Sequence[Ballot], steps: Sequence[float], log: Callable[[str], None]) -> Weights:
    """Coordinate search from equal votes; deterministic."""
    best = Weights()
    value = worth(papers, best)
    for _ in range(PASSES):
        for name in best.__slots__:
            for step in steps:
                tried = replace(best, **{name: step})
                if tried != best and (found := worth(papers, tried)) > value + 1e-6:
                    best, value = tried, found
        log(f"weights {best} worth {value:.4f}")
    return best


class AnomalyRecipe:
    """How anomaly-series is made and measured."""

    name = "anomaly-series"
    version = "1.0.0"
    kind = "anomaly.series/1"
    licence = "Apache-2.0"
    training = (*NAB_TRAINING, WINDOWS, NSDP)

    @property
    def evaluation(self) -> tuple[str, ...]:
        """The other half of NAB and the sets that only measure."""
        return (*nab_held_back(load_catalogue()), KPI, UCR, OUTBREAKS, MINISTRY, GSO)

    def train(self, data: Datasets, *, threads: int, quick: bool, log: Callable[[str], None]) -> Trained:
        """Learn the prior of tails, then the weights. Runs in one thread; `quick` looks at a few series only."""
        del threads
        labelled = nab(data, NAB_TRAINING[:: 5 if quick else 1])
        summary = national_summary(data)
        prior = learn_prior([item.series for item in labelled] + summary[:: 20 if quick else 1])
        log(f"prior {prior} from {len(labelled)} + {len(summary)} series")
        papers = ballots(labelled[:QUICK_SERIES] if quick else labelled, prior, np.random.default_rng(SEED))
        weights = learn_weights(papers, (0.5, 1.0) if quick else STEPS, log)
        parameters = {f"weight_{name}": float(getattr(weights, name)) for name in weights.__slots__}
        parameters |= {f"prior_{name}": float(getattr(prior, name)) for name in prior.__slots__}
        notes = {"split": "NAB divided by series; the training half is listed in pipelines/training/labelled.py"}
        return Trained(SeriesDetector(prior, weights), parameters, SEED, notes)

    def evaluate(self, model: Model[Any, Any, Any], data: Datasets, *, quick: bool) -> list[Metric]:
        """Ranking, rates, detection and speed, beside the distance from the mean as a trivial baseline."""
        return detection.measure(lambda items, options: answers(model, items, options), data, quick=quick)


def answers(model: Model[Any, Any, Any], items: Sequence[Series], options: AnomalyOptions) -> list[Findings]:
    """Findings of every series. Raises the error of the first that failed."""
    found: list[Findings] = []
    for each in model.predict(items, options):
        if isinstance(each, PlatformError):
            raise each
        found.append(each)
    return found


RECIPE = AnomalyRecipe()
