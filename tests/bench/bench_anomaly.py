"""anomaly-series: ranking on held-back series, alarm rates, known events and points a second, beside simple peers.

    AICHUNG_DATA_MIRROR=… OMP_NUM_THREADS=1 python -m tests.bench.bench_anomaly [--every 1]

Peers score the same series in the same process: the distance from the mean and from a running median, and
scikit-learn's IsolationForest on windows where it is installed. Ours is the bundled model, or one of default
calibration when none is bundled (it says which).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

from models.anomaly.detectors import Weights
from models.anomaly.series import SeriesDetector
from models.anomaly.tails import Prior
from models.anomaly.windows import period
from models.artifact import open_artifact
from models.calendar import Axis
from models.catalog import open_model
from models.values import AnomalyOptions, Series
from pipelines.datasets import Datasets
from pipelines.training.anomaly import answers
from pipelines.training.detection import (
    alarm_rates,
    distance_from_mean,
    known_events,
    outbreak_detection,
    ranking,
    with_spikes,
)  # fmt: skip
from pipelines.training.labelled import NAB, bulletins, kpi, nab, nab_held_back, outbreaks, ucr

BUNDLED = Path(__file__).resolve().parents[2] / "registry" / "bundled" / "anomaly-series"
Scorer = Callable[[Series], np.ndarray]
SHAPES = ((1000, 1000, "D"), (1000, 120, "M"), (10, 20_000, "H"), (1, 100_000, "5min"))


def detector():
    """The bundled model, or one of default calibration."""
    folders = sorted(BUNDLED.glob("*/artifact"))
    if folders:
        print(f"model {folders[-1].parent.name} as bundled")
        return open_model(open_artifact(folders[-1]))
    print("no bundled model: default calibration")
    return SeriesDetector(Prior(), Weights())


def running_median(series: Series) -> np.ndarray:
    width = min(period(series.values) | 1, len(series.values) | 1)
    return np.abs(series.values - ndimage.median_filter(series.values, width))


def isolation_forest() -> Scorer | None:
    if importlib.util.find_spec("sklearn") is None:
        print("scikit-learn is not installed: IsolationForest left out")
        return None
    forest = importlib.import_module("sklearn.ensemble").IsolationForest

    def score(series: Series) -> np.ndarray:
        width = min(period(series.values), 100)
        view = np.lib.stride_tricks.sliding_window_view(series.values, width)
        found = -forest(random_state=0).fit(view).score_samples(view)
        return np.interp(np.arange(len(series.values)), np.arange(len(found)) + (width - 1) / 2, found)

    return score


def quality(model, data: Datasets, every: int) -> None:
    held = nab(data, nab_held_back(data.ids(NAB))[::every])
    rng = np.random.default_rng(9)
    sets = {
        "NAB held back": held, "NAB held back, spikes": [with_spikes(item, rng) for item in held],
        "KPI": kpi(data), "UCR": ucr(data),
    }  # fmt: skip
    peers: dict[str, Scorer | None] = {
        "anomaly-series": lambda series: model.predict([series], AnomalyOptions())[0].score,
        "anomaly-series, stream": lambda series: model.predict([series], AnomalyOptions(mode="stream"))[0].score,
        "IsolationForest": isolation_forest(),
        "running median": running_median,
        "distance from mean": distance_from_mean,
    }  # fmt: skip
    for title, items in sets.items():
        for name, scorer in peers.items():
            if scorer is None:
                continue
            started = time.perf_counter()
            scores = [scorer(item.series) for item in items]
            seconds = time.perf_counter() - started
            rate = sum(len(item.labels) for item in items) / seconds
            line = "  ".join(f"{m.name} {m.value:.3f}" for m in ranking(items, scores, title, None))
            print(f"{title:22} {name:24} {line}  {rate:12,.0f} points/s")


def behaviour(model, data: Datasets) -> None:
    def detect(items, options):
        return answers(model, items, options)

    found = [*alarm_rates(detect, bulletins(data), quick=False), known_events(detect, data)]
    for metric in [*found, *outbreak_detection(detect, outbreaks(data))]:
        print(f"{metric.name:28} {metric.value:8.3f}  n {metric.n:<5} {metric.slice:18} {metric.dataset}")


def speed(model) -> None:
    rng = np.random.default_rng(0)
    for count, length, code in SHAPES:
        axis = Axis.parse(code, "2015-01-01")
        items = [Series(f"s{i}", rng.normal(100, 10, length), axis) for i in range(count)]
        for mode in ("batch", "stream"):
            seconds = []
            for _ in range(2):
                started = time.perf_counter()
                model.predict(items, AnomalyOptions(mode=mode))
                seconds.append(time.perf_counter() - started)
            print(f"{count:5} series of {length:7,} points, {mode:6}: {count * length / min(seconds):12,.0f} points/s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="one in so many of the held-back series")
    asked = parser.parse_args()
    model = detector()
    speed(model)
    mirror = os.environ.get("AICHUNG_DATA_MIRROR")
    if not mirror:
        print("AICHUNG_DATA_MIRROR is not set: figures on labelled data left out", file=sys.stderr)
        return 1
    data = Datasets(Path(mirror))
    behaviour(model, data)
    quality(model, data, asked.every)
    return 0


if __name__ == "__main__":
    sys.exit(main())
