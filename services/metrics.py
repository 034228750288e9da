"""Counts and times of all processes, in Prometheus' words. See `services.telemetry` for the decisions."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MAX_SERIES: Final = 5_000
STALE_SECONDS: Final = 10.0

HELP: Final[Mapping[str, str]] = {
    "aichung_requests_total": "Answered HTTP requests by route template, method and status.",
    "aichung_request_seconds": "Time from the first byte of a request to the last of its answer.",
    "aichung_predictions_total": "Calls of models by model, task and outcome.",
    "aichung_prediction_seconds": "Time a model computed for one call.",
    "aichung_prediction_units_total": "Documents or points that models answered.",
    "aichung_internal_errors_total": "Errors of the platform's own (status 500).",
    "aichung_log_lines_lost": "Access log lines that could not be kept.",
    "aichung_ready": "1 when the process can answer.",
    "aichung_models_loaded": "Models held open.",
    "aichung_queue_waiting": "Calls waiting for a computing thread.",
    "aichung_ledger_records": "Ledger records by state: noted, written, dropped.",
    "aichung_jobs": "Jobs by state.",
    "aichung_webhooks": "Webhook messages by state.",
    "aichung_uploads_running": "Uploads that run now.",
    "aichung_event_streams": "Event streams that are open now.",
    "aichung_files_waiting": "Files and results that are being read or rendered, or wait for it.",
    "aichung_upload_bytes": "Bytes that uploads received since the process started.",
    "aichung_ledger_waiting": "Ledger records waiting for their commit.",
}

Key = tuple[str, tuple[tuple[str, str], ...]]


class Histogram(msgspec.Struct):
    """One histogram: a count per bound (the last one is +Inf) and the sum in seconds."""

    counts: list[int]
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        """Enter one time."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def bound(self, share: float) -> float:
        """The upper bound of the bucket in which this share of the times ends; the largest bound when beyond all."""
        wanted, running = share * sum(self.counts), 0
        for bound, number in zip(BOUNDS, self.counts, strict=False):
            running += number
            if running >= wanted:
                return bound
        return BOUNDS[-1]


class Prediction(msgspec.Struct):
    """The calls of one model for one task with one outcome."""

    calls: int
    units: int
    times: Histogram


class Snapshot(msgspec.Struct):
    """What one process wrote down: each row a name, label pairs and a value."""

    pid: int
    process: str
    at: float
    counters: list[tuple[str, list[tuple[str, str]], float]] = []
    gauges: list[tuple[str, list[tuple[str, str]], float]] = []
    histograms: list[tuple[str, list[tuple[str, str]], Histogram]] = []


class Metrics:
    """The metrics of one process, and the sum over all processes of the installation."""

    def __init__(self, folder: Path, process: str) -> None:
        """Files lie in `folder`; `process` names this process."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._process = process
        self._path = folder / f"{process}-{os.getpid()}-{time.time_ns():x}.json"
        self._requests: dict[tuple[str, str, int], int] = {}
        self._times: dict[str, Histogram] = {}
        self._predictions: dict[tuple[str, str, str], Prediction] = {}
        self._counters: dict[Key, float] = {}
        self._gauges: dict[Key, float] = {}

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        key = (route, method if method in METHODS else "other", status)
        self._requests[key] = self._requests.get(key, 0) + 1
        times = self._times.get(route)
        if times is None:
            times = self._times[route] = Histogram([0] * (len(BOUNDS) + 1))
        times.observe(seconds)

    def prediction(self, model: str, task: str, outcome: str, seconds: float, units: int) -> None:
        """Count one call of a model."""
        key = (model, task, outcome)
        found = self._predictions.get(key)
        if found is None:
            if len(self._predictions) >= MAX_SERIES:
                return
            found = self._predictions[key] = Prediction(0, 0, Histogram([0] * (len(BOUNDS) + 1)))
        found.calls += 1
        if outcome == "ok":
            found.units += units
            found.times.observe(seconds)

    def count(self, name: str, labels: Mapping[str, str], amount: float = 1) -> None:
        """Increase a counter."""
        key = (name, tuple(labels.items()))
        if key in self._counters or len(self._counters) < MAX_SERIES:
            self._counters[key] = self._counters.get(key, 0) + amount

    def set(self, name: str, labels: Mapping[str, str], value: float) -> None:
        """Set a gauge, or a counter that is counted elsewhere."""
        self._gauges[(name, tuple(labels.items()))] = value

    def write(self) -> None:
        """Put this process's snapshot where every process finds it, whole or not at all."""
        draft = self._path.with_suffix(".new")
        with suppress(OSError):
            draft.write_bytes(msgspec.json.encode(self._snapshot()))
            draft.replace(self._path)

    def _snapshot(self) -> Snapshot:
        counters = [(name, list(labels), value) for (name, labels), value in list(self._counters.items())]
        for (route, method, status), number in list(self._requests.items()):
            labels = [("route", route), ("method", method), ("status", str(status))]
            counters.append(("aichung_requests_total", labels, number))
        times = [("aichung_request_seconds", [("route", route)], found) for route, found in list(self._times.items())]
        for (model, task, outcome), calls in list(self._predictions.items()):
            labels = [("model", model), ("task", task)]
            counters.append(("aichung_predictions_total", [*labels, ("outcome", outcome)], calls.calls))
            if outcome == "ok":
                counters.append(("aichung_prediction_units_total", labels, calls.units))
                times.append(("aichung_prediction_seconds", labels, calls.times))
        gauges = [(name, list(labels), value) for (name, labels), value in list(self._gauges.items())]
        return Snapshot(os.getpid(), self._process, time.time(), counters, gauges, times)

    def render(self) -> bytes:
        """The exposition text over all processes."""
        self.write()
        registry = CollectorRegistry()
        registry.register(_Sum(self._read()))
        return generate_latest(registry)

    def living(self, name: str) -> dict[str, float]:
        """A gauge by process name, of processes that live and wrote within `STALE_SECONDS`; the smallest of several."""
        found: dict[str, float] = {}
        for snapshot in self._read():
            if time.time() - snapshot.at > STALE_SECONDS or not Path(f"/proc/{snapshot.pid}").exists():
                continue
            for other, _, value in snapshot.gauges:
                if other == name:
                    found[snapshot.process] = min(value, found.get(snapshot.process, value))
        return found

    def spread(self, name: str, label: str) -> dict[str, tuple[int, float, float]]:
        """Of a histogram over all processes, by a label's value: how many, and the bounds of p50 and p99 in seconds."""
        total = _Sum(self._read())
        joined: dict[str, Histogram] = {}
        for (other, labels), histogram in total.histograms.items():
            if other == name and any(histogram.counts):
                merged = joined.setdefault(dict(labels)[label], Histogram([0] * len(histogram.counts)))
                merged.counts = [a + b for a, b in zip(merged.counts, histogram.counts, strict=True)]
        return {value: (sum(h.counts), h.bound(0.5), h.bound(0.99)) for value, h in joined.items()}

    def _read(self) -> list[Snapshot]:
        found = []
        for path in sorted(self._folder.glob("*.json")):
            with suppress(OSError, msgspec.DecodeError):
                found.append(msgspec.json.decode(path.read_bytes(), type=Snapshot))
        return found


def clear(folder: Path) -> None:
    """Remove the snapshots of an earlier run: counters start at 0 when the installation starts."""
    for path in folder.glob("*.json"):
        with suppress(OSError):
            path.unlink()


class _Sum:
    """The sum of snapshots as a prometheus_client collector. Gauges of dead processes do not count."""

    def __init__(self, snapshots: Iterable[Snapshot]) -> None:
        self._counters: dict[Key, float] = {}
        self._gauges: dict[Key, float] = {}
        self.histograms: dict[Key, Histogram] = {}
        for snapshot in snapshots:
            _add(self._counters, snapshot.counters)
            if Path(f"/proc/{snapshot.pid}").exists():
                _add(self._gauges, snapshot.gauges)
            for name, labels, histogram in snapshot.histograms:
                self._merge((name, tuple(labels)), histogram)

    def _merge(self, key: Key, more: Histogram) -> None:
        found = self.histograms.setdefault(key, Histogram([0] * len(more.counts)))
        found.counts = [a + b for a, b in zip(found.counts, more.counts, strict=False)]
        found.total += more.total

    def collect(self) -> Iterator[Metric]:
        """The families."""
        yield from _families(self._counters, CounterMetricFamily)
        yield from _families(self._gauges, GaugeMetricFamily)
        for name in dict.fromkeys(key[0] for key in self.histograms):
            rows = [(labels, found) for (other, labels), found in self.histograms.items() if other == name]
            family = HistogramMetricFamily(name, HELP.get(name, name), labels=[label for label, _ in rows[0][0]])
            for labels, histogram in rows:
                family.add_metric([value for _, value in labels], _cumulative(histogram), histogram.total)
            yield family


def _add(into: dict[Key, float], rows: Iterable[tuple[str, list[tuple[str, str]], float]]) -> None:
    for name, labels, value in rows:
        key = (name, tuple(labels))
        into[key] = into.get(key, 0) + value


def _families(values: Mapping[Key, float], family: Any) -> Iterator[Metric]:
    for name in dict.fromkeys(key[0] for key in values):
        rows = [(labels, value) for (other, labels), value in values.items() if other == name]
        found = family(name, HELP.get(name, name), labels=[label for label, _ in rows[0][0]])
        for labels, value in rows:
            found.add_metric([text for _, text in labels], value)
        yield found


def _cumulative(histogram: Histogram) -> list[tuple[str, float]]:
    running, buckets = 0, []
    for bound, number in zip([*map(str, BOUNDS), "+Inf"], histogram.counts, strict=True):
        running += number
        buckets.append((bound, float(running)))
    return buckets
