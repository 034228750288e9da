"""Jobs over HTTP at full size: how soon one is accepted, and what a million rows take, from the file to the result.

    python -m tests.bench.bench_jobs [--rows 1000000] [--only accepted inline series tabular hostile]

A platform is started for it. `accepted` is the answer to POST /v1/jobs with one small series; `inline` is 1,000 series
of 1,000 points in the job's body; `series` is the same figures (and `tabular` a table of four columns) as one CSV that
is uploaded, read, looked at and written. Memory is the peak of PSS, summed over the worker and its computing processes,
looked at five times a second; processor seconds are those of the whole installation (what is on a busy machine counts
less in them than in seconds).
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from models.errors import InvalidInputError
from models.places.gazetteer import tiles
from services.client import Client
from services.processes import installation_mark, marked_processes
from tests.journeys.conftest import Platform, start
from tests.models.tables.test_hostile import CASES

PARTS = ("accepted", "inline", "series", "tabular", "hostile")
POINTS = 1_000
ACCEPTED = 60
FORMATS = (("csv", None), ("csv", "vi"), ("parquet", None), ("xlsx", None), ("json", None))
COMPUTING = ("services.worker", "ray::Place")


class Watch:
    """What an installation uses from `with` to its end: peak memory of the computing, processor seconds of all."""

    def __init__(self, home: Path) -> None:
        self._mark = installation_mark(home)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._before: dict[int, float] = {}
        self._spent: dict[int, float] = {}
        """Processor seconds of every process that was seen, also of those that have ended since."""
        self.peak = 0.0

    def __enter__(self) -> Watch:
        self._look()
        self._before = dict(self._spent)
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._started
        self._over.set()
        self._thread.join()
        self._look()
        self.processor = sum(spent - self._before.get(pid, 0.0) for pid, spent in self._spent.items())

    def _run(self) -> None:
        while not self._over.wait(0.2):
            self._look()

    def _look(self) -> None:
        memory = 0.0
        for process in marked_processes(self._mark):
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            self._spent[process.pid] = times.user + times.system
            memory += pss(process)
        self.peak = max(self.peak, memory)


def pss(process: psutil.Process) -> float:
    """Megabytes of a computing process; 0 for every other."""
    try:
        if not any(name in " ".join(process.cmdline()) for name in COMPUTING):
            return 0.0
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except (psutil.Error, OSError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def small(count: int = 1, points: int = 36) -> dict[str, Any]:
    """Inline series."""
    rng = random.Random(4)
    return {
        "inputs": [
            {"name": f"s{n}", "frequency": "D", "start_timestamp": "2021-01-01",
             "series": [round(rng.gauss(100, 10), 2) for _ in range(points)]}
            for n in range(count)
        ]
    }  # fmt: skip


def long_table(path: Path, rows: int) -> None:
    """One figure a row: place, indicator, day, value; series of 1,000 days in up to 63 provinces."""
    places = [tile.name for tile in tiles("63") if not tile.island]
    days = [(date(2021, 1, 1) + timedelta(at)).isoformat() for at in range(POINTS)]
    rng = np.random.default_rng(1)
    with path.open("w", encoding="utf-8") as file:
        file.write("Tỉnh,Chỉ tiêu,Ngày,Giá trị\n")
        for number in range(rows // POINTS):
            values = rng.normal(100, 10, POINTS).round(2)
            values[rng.integers(0, POINTS, 3)] += 120
            place, indicator = places[number % len(places)], number // len(places) + 1
            file.writelines(
                f"{place},Chỉ tiêu {indicator},{day},{value}\n" for day, value in zip(days, values, strict=True)
            )


def wide_table(path: Path, rows: int) -> None:
    """Three numbers and a category a row; one row in a thousand is odd."""
    rng = np.random.default_rng(2)
    numbers, kinds = rng.normal(100, 10, (rows, 3)).round(3), rng.integers(0, 12, rows)
    numbers[rng.integers(0, rows, rows // 1_000), 0] *= 5
    with path.open("w", encoding="utf-8") as file:
        file.write("tuoi,so_tien,ngay_dieu_tri,khoa\n")
        file.writelines(
            f"{age},{money},{stay},Khoa {kind}\n" for (age, money, stay), kind in zip(numbers, kinds, strict=True)
        )


def accepted(ai: Client, platform: Platform, rows: int, folder: Path) -> None:
    """How soon a job is accepted, one after the other."""
    data = small()
    ids, took = [], []
    for _ in range(ACCEPTED):
        started = time.monotonic()
        ids.append(ai.submit("anomaly.series", data=data)["id"])
        took.append(1000 * (time.monotonic() - started))
    ordered = sorted(took[5:])
    print(f"accepted: p50 {statistics.median(ordered):.1f} ms, p95 {ordered[int(0.95 * len(ordered))]:.1f} ms")
    started = time.monotonic()
    for job_id in ids:
        finished(ai, job_id)
    print(f"accepted: all {ACCEPTED} done {time.monotonic() - started:.1f} s after the last was accepted")


def inline(ai: Client, platform: Platform, rows: int, folder: Path) -> None:
    """1,000 series of 1,000 points in the job's body."""
    data = small(rows // POINTS, POINTS)
    with Watch(platform.home) as watch:
        job = finished(ai, ai.submit("anomaly.series", data=data)["id"])
    tell(f"inline, {rows // POINTS:,} × {POINTS:,} points", watch, job)


def series(ai: Client, platform: Platform, rows: int, folder: Path) -> None:
    """A long CSV of places, indicators, days and values."""
    long_table(folder / "long.csv", rows)
    whole_way(ai, platform, "anomaly.series", folder / "long.csv", rows)


def tabular(ai: Client, platform: Platform, rows: int, folder: Path) -> None:
    """A CSV of records."""
    wide_table(folder / "table.csv", rows)
    whole_way(ai, platform, "anomaly.tabular", folder / "table.csv", rows)


def whole_way(ai: Client, platform: Platform, kind: Any, path: Path, rows: int) -> None:
    """Upload, job, result: each with its seconds and memory."""
    size = path.stat().st_size / 1e6
    with Watch(platform.home) as watch:
        file = ai.upload(path)
    print(f"{kind}, {rows:,} rows ({size:.0f} MB): uploaded in {watch.seconds:.1f} s")
    with Watch(platform.home) as watch:
        job = finished(ai, ai.submit(kind, file_id=file["id"], accept_guess=True)["id"])
    tell(f"{kind}, {rows:,} rows, read and looked at", watch, job)
    for form, locale in FORMATS:
        target = path.with_suffix(f".result.{form}")
        with Watch(platform.home) as watch:
            ai.result(job["id"], form, locale=locale, to=target)  # type: ignore[call-overload]
        print(
            f"{kind}, result as {form}{f' ({locale})' if locale else ''}: {watch.seconds:.1f} s, "
            f"processor {watch.processor:.1f} s, {target.stat().st_size / 1e6:.0f} MB"
        )
        target.unlink()


def hostile(ai: Client, platform: Platform, rows: int, folder: Path) -> None:
    """Every hostile file of the tests, sent and read: how long until it is refused or read."""
    took: dict[str, tuple[float, float, str]] = {}
    for name, (data, _) in CASES.items():
        path = folder / "hostile.xlsx"
        path.write_bytes(data)
        started = time.monotonic()
        try:
            file = ai.upload(path, resumable=False)
        except InvalidInputError as error:
            took[name] = (time.monotonic() - started, 0.0, error.word)
            continue
        sent = time.monotonic()
        try:
            ai.read(file["id"])
            word = "read"
        except InvalidInputError as error:
            word = error.word
        took[name] = (sent - started, time.monotonic() - sent, word)
        ai.delete_file(file["id"])
    for name, (sent, read, word) in sorted(took.items(), key=lambda item: -item[1][0] - item[1][1])[:6]:
        print(f"hostile, {name}: sent in {sent:.2f} s, {word} after {read:.2f} s")
    print(f"hostile: {len(took)} files, the slowest {max(sent + read for sent, read, _ in took.values()):.2f} s")


def finished(ai: Client, job_id: str) -> dict[str, Any]:
    """The job once it has ended well."""
    job = ai.wait(job_id, timeout_seconds=1_800)
    if job["status"] != "succeeded":
        raise RuntimeError(f"{job['status']}: {job.get('error')}")
    return job


def tell(title: str, watch: Watch, job: dict[str, Any]) -> None:
    """One line of figures."""
    print(
        f"{title}: {watch.seconds:.1f} s, processor {watch.processor:.1f} s, peak memory of the computing "
        f"{watch.peak:.0f} MB PSS, {job['counts']}",
        flush=True,
    )


@contextmanager
def running() -> Iterator[Platform]:
    """A platform of its own in an empty home."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        platform = start(Path(home))
        try:
            yield platform
        finally:
            platform.stop()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    asked = parser.parse_args()
    known: dict[str, Callable[[Client, Platform, int, Path], None]] = {
        part.__name__: part for part in (accepted, inline, series, tabular, hostile)
    }
    with (
        running() as platform,
        tempfile.TemporaryDirectory(prefix="bench-files-") as folder,
        Client(platform.url, platform.keys["province"], progress=False, timeout_seconds=600) as ai,
    ):
        finished(ai, ai.submit("anomaly.series", data=small())["id"])  # the worker is up from here on
        for part in asked.only:
            known[part](ai, platform, asked.rows, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
