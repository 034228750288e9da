"""anomaly-tabular: calibrate the limit on made-up tables where nothing is strange; measure on ADBench's tables.

The detectors fit themselves to each table when they are asked, so there are no weights to learn and no data to bundle.
The limit is the score that one row in a hundred of clean tables exceeds. What was chosen by hand (forty neighbours,
robust scaling, votes with an exponential tail) was chosen on the tables in CHOSEN; figures are of the other ones only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.contract import Model
from models.errors import PlatformError
from models.scores.anomaly import auc_roc, average_precision
from models.tabular.detector import Calibration, TableDetector, fit
from models.values import Column, RowFindings, Table, TabularOptions
from pipelines.datasets import Datasets, load_catalogue
from pipelines.recipes import Metric, Trained

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
SEED = 20_250_101
ADBENCH = "anomaly/adbench_classical"
CHOSEN = tuple(
    f"{ADBENCH}/{name}.npz"
    for name in (
        "11_donors", "15_Hepatitis", "17_InternetAds", "19_landsat", "1_ALOI", "21_Lymphography", "23_mammography",
        "25_musk", "27_PageBlocks", "29_Pima",
    )
)  # fmt: skip
MOST_ROWS = 10_000
SHARE = 0.01
BASELINE = "largest distance from a column's mean"
SHAPES = ((100, 3), (400, 6), (2000, 4), (2000, 12), (4000, 25))


def clean_tables(rng: np.random.Generator, rounds: int) -> list[Table]:
    """Made-up tables without anything strange: correlated, skewed, clumped, counted and categorical columns."""
    found = []
    for _ in range(rounds):
        for rows, width in SHAPES:
            mixed = rng.normal(size=(rows, width)) @ rng.normal(size=(width, width))
            skewed = rng.lognormal(0.0, 0.8, (rows, width))
            clumped = rng.normal(size=(rows, width)) + 3 * rng.normal(size=(3, width))[rng.integers(0, 3, rows)]
            counted = rng.negative_binomial(3, 0.2, (rows, width)).astype(np.float64)
            found += [_numbers(each) for each in (mixed, skewed, clumped, counted)]
            found.append(_with_categories(mixed, rng))
    return found


def _numbers(values: Floats) -> Table:
    columns = tuple(Column(f"c{at}", "number") for at in range(values.shape[1]))
    return Table(columns, tuple(np.ascontiguousarray(line) for line in values.T), ((),) * len(columns), len(values))


def _with_categories(values: Floats, rng: np.random.Generator) -> Table:
    """The table with a category of six words, unevenly frequent, and a tenth of one column missing."""
    plain = _numbers(values)
    holed = plain.cells[0].copy()
    holed[rng.random(len(holed)) < 0.1] = np.nan
    codes = rng.choice(6, len(values), p=(0.4, 0.3, 0.15, 0.08, 0.05, 0.02))
    return Table(
        (*plain.columns, Column("word", "category")), (holed, *plain.cells[1:], codes),
        (*plain.words, tuple("abcdef")), len(values),
    )  # fmt: skip


def calibrate(tables: Sequence[Table]) -> Calibration:
    """The limit that a share of the rows of clean tables exceeds: the median over the tables."""
    limits = []
    for table in tables:
        score, _ = fit(table, Calibration()).scores(table)
        limits.append(float(np.quantile(score, 1 - SHARE)))
    return Calibration(limit=round(float(np.median(limits)), 3))


def labelled(data: Datasets, dataset_id: str) -> tuple[Table, Bools]:
    """A table of ADBench, at most 10,000 of its rows (drawn once and for all), with its labels."""
    held = np.load(data.path(dataset_id), allow_pickle=False)
    values, labels = held["X"].astype(np.float64), held["y"].ravel().astype(bool)
    if len(values) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(len(values), MOST_ROWS, replace=False))
        values, labels = values[rows], labels[rows]
    return _numbers(values), labels


def held_back() -> tuple[str, ...]:
    """The tables on which nothing was chosen."""
    return tuple(sorted(id_ for id_ in load_catalogue() if id_.startswith(ADBENCH) and id_ not in CHOSEN))


class TabularRecipe:
    """How anomaly-tabular is made and measured."""

    name = "anomaly-tabular"
    version = "1.0.0"
    kind = "tabular.anomaly/1"
    licence = "Apache-2.0"
    training: tuple[str, ...] = ()

    @property
    def evaluation(self) -> tuple[str, ...]:
        """The held-back tables."""
        return held_back()

    def train(self, data: Datasets, *, threads: int, quick: bool, log: Callable[[str], None]) -> Trained:
        """Find the limit on made-up tables; no data is used. Runs in one thread."""
        del data, threads
        tables = clean_tables(np.random.default_rng(SEED), 1 if quick else 4)
        calibration = calibrate(tables[:5] if quick else tables)
        log(f"limit {calibration.limit} from {len(tables)} clean tables")
        parameters = {
            "limit": calibration.limit, "clean_tables": len(tables), "clean_share": SHARE, "forest": calibration.forest,
            "neighbours": calibration.neighbours, "tails": calibration.tails, "directions": calibration.directions,
        }  # fmt: skip
        notes = {"split": "settings chosen by hand on ten tables of ADBench, named in pipelines/training/tabular.py"}
        return Trained(TableDetector(calibration), parameters, SEED, notes)

    def evaluate(self, model: Model[Any, Any, Any], data: Datasets, *, quick: bool) -> list[Metric]:
        """Ranking and flags on the held-back tables beside a trivial baseline, and the speed."""
        rows, flags, seconds, judged = [], [], 0.0, 0
        for dataset_id in held_back()[:: 6 if quick else 1]:
            table, labels = labelled(data, dataset_id)
            if not labels.any() or labels.all():
                continue
            started = time.perf_counter()
            found = _findings(model, table)
            seconds += time.perf_counter() - started
            judged += table.count
            trivial = _distance(table)
            rows.append([f(labels, line) for line in (found.score, trivial) for f in (auc_roc, average_precision)])
            flags.append((found.is_anomaly[~labels].mean(), found.is_anomaly[labels].mean()))
        means = np.mean(rows, axis=0).tolist()
        quiet, met = np.mean(flags, axis=0).tolist()
        return [
            Metric("auc_roc", means[0], len(rows), ADBENCH, "mean over tables"),
            Metric("auc_pr", means[1], len(rows), ADBENCH, "mean over tables"),
            Metric("auc_roc", means[2], len(rows), ADBENCH, "mean over tables", baseline=BASELINE),
            Metric("auc_pr", means[3], len(rows), ADBENCH, "mean over tables", baseline=BASELINE),
            Metric("flagged_normal_rows", quiet, judged, ADBENCH, "calibrated limit"),
            Metric("flagged_anomalies", met, judged, ADBENCH, "calibrated limit"),
            Metric("rows_per_second", judged / seconds, judged, ADBENCH, "fit, score, reasons"),
        ]


def _findings(model: Model[Any, Any, Any], table: Table) -> RowFindings:
    """The findings of one table. Raises its error."""
    found = model.predict([table], TabularOptions())[0]
    if isinstance(found, PlatformError):
        raise found
    answer: RowFindings = found
    return answer


def _distance(table: Table) -> Floats:
    """The trivial baseline: the largest standardised distance from a column's mean."""
    values = np.column_stack(table.cells)
    spread = values.std(axis=0)
    found: Floats = (np.abs(values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)).max(axis=1)
    return found


RECIPE = TabularRecipe()
