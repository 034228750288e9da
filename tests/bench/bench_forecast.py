"""Forecasts on M3, and series a second on one core, beside the peers that are installed.

    AICHUNG_DATA_MIRROR=… OMP_NUM_THREADS=1 python tests/bench/bench_forecast.py [--every 1] [--peers 30]

Prints a row a group for forecast-core (trained by its recipe in this run), the seasonal naive forecast, and on a sample
of monthly series statsforecast's DynamicOptimizedTheta and AutoETS and Prophet. statsforecast is no dependency of
the project; without it its rows are left out and named.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

from models.forecast.additive import Additive
from models.scores.forecast import smape
from models.values import ForecastOptions
from pipelines.datasets import Datasets
from pipelines.training.forecast import LEVELS, RECIPE, evaluate_on, run
from pipelines.training.panels import M3, Task, competition

SHOWN = ("smape", "mase", "mase_ratio_to_seasonal_naive", "wql", "coverage_80", "series_per_second")


def report(found) -> None:
    for metric in found:
        if metric.name in SHOWN:
            interval = "" if metric.ci95 is None else f"  [{metric.ci95[0]:.3f}, {metric.ci95[1]:.3f}]"
            who = metric.baseline or "forecast-core"
            print(f"{metric.slice:10} {who:15} {metric.name:30} {metric.value:9.3f}{interval}  n={metric.n}")


def first_calls(model, task: Task) -> None:
    options = ForecastOptions(task.horizon, LEVELS, season_length=task.season)
    started = time.perf_counter()
    model.predict([task.series], options)
    first = time.perf_counter() - started
    times = []
    for _ in range(20):
        started = time.perf_counter()
        model.predict([task.series], options)
        times.append(time.perf_counter() - started)
    print(f"one monthly series: first call {1000 * first:.1f} ms, median {1000 * float(np.median(times)):.1f} ms")


def peer_rows(tasks: list[Task], model) -> None:
    rows = [("forecast-core", lambda part: [a.mean for a in run(model, part)[0]])]
    prophet = Additive(model.calibration)
    rows.append(("Prophet", lambda part: [a.mean for a in run(prophet, part, 20)[0]]))
    if importlib.util.find_spec("statsforecast") is None:
        print("statsforecast is not installed: DynamicOptimizedTheta and AutoETS are left out")
    else:
        peers = importlib.import_module("statsforecast.models")
        for name in ("DynamicOptimizedTheta", "AutoETS", "AutoCES"):
            kind = getattr(peers, name)
            rows.append((name, lambda part, kind=kind: [
                kind(season_length=t.season).forecast(t.series.values, h=t.horizon)["mean"] for t in part
            ]))  # fmt: skip
    for name, forecast in rows:
        started = time.perf_counter()
        forecast(tasks[:1])
        first = time.perf_counter() - started
        started = time.perf_counter()
        means = forecast(tasks)
        seconds = time.perf_counter() - started
        error = np.mean([smape(t.actual, mean) for t, mean in zip(tasks, means, strict=True)])
        print(f"{name:24} sMAPE {error:6.2f}  {len(tasks) / seconds:8.1f} series/s  first call {first:6.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="measure one M3 series in so many")
    parser.add_argument("--peers", type=int, default=30, help="monthly series for the peers; 0 leaves them out")
    asked = parser.parse_args()
    mirror = os.environ.get("AICHUNG_DATA_MIRROR")
    if not mirror:
        sys.exit("AICHUNG_DATA_MIRROR names no data mirror")
    data = Datasets(Path(mirror))
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, one thread")
    model = RECIPE.train(data, threads=1, quick=False, log=print).model
    tasks = competition(data, M3, asked.every)
    monthly = [task for task in tasks if task.group == "MONTHLY"]
    first_calls(model, monthly[0])
    report(evaluate_on(model, tasks, M3))
    if asked.peers:
        peer_rows(monthly[:: max(1, len(monthly) // asked.peers)], model)


if __name__ == "__main__":
    main()
