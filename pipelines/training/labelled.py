"""Series with marked anomalies, as the recipe of anomaly-series learns from them and is measured on them.

Decision: NAB is divided by series, not by time: what is learned on the one part never sees a series of the other. The
training part is written out by name, so that the division can be read and cannot drift with the catalogue.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.calendar import Axis
from models.values import Floats, Measure, Series
from pipelines.datasets import Datasets

Bools = npt.NDArray[np.bool_]
NAB = "anomaly/nab"
WINDOWS = "anomaly/nab/labels/combined_windows.json"
KPI = "anomaly/kpi_sample_bagel/sample_data.csv.gz"
UCR = "anomaly/ucr_sample"
OUTBREAKS = "anomaly/epi_surveillance/surveillance_counts.csv.gz"
MINISTRY = "forecast/vietnam_gdpm/vietnam_gdpm_monthly.csv.gz"
BULLETINS = "forecast/vietnam_gso_monthly/vietnam_gso_tidy.csv.gz"
NAB_TRAINING = tuple(
    f"{NAB}/{name}.csv.gz"
    for name in (
        "artificialNoAnomaly/art_daily_small_noise",
        "artificialNoAnomaly/art_noisy",
        "artificialWithAnomaly/art_daily_jumpsup",
        "artificialWithAnomaly/art_daily_nojump",
        "artificialWithAnomaly/art_increase_spike_density",
        "realAWSCloudwatch/ec2_cpu_utilization_24ae8d",
        "realAWSCloudwatch/ec2_cpu_utilization_fe7f93",
        "realAWSCloudwatch/ec2_disk_write_bytes_1ef3de",
        "realAWSCloudwatch/ec2_disk_write_bytes_c0d644",
        "realAWSCloudwatch/rds_cpu_utilization_cc0c53",
        "realAdExchange/exchange-2_cpm_results",
        "realKnownCause/nyc_taxi",
        "realKnownCause/rogue_agent_key_hold",
        "realTraffic/occupancy_t4013",
        "realTraffic/speed_6005",
        "realTweets/Twitter_volume_AAPL",
        "realTweets/Twitter_volume_FB",
        "realTweets/Twitter_volume_GOOG",
        "realTweets/Twitter_volume_IBM",
    )
)
KPI_POINTS = 20_000


@dataclass(frozen=True, slots=True)
class Labelled:
    """A series, which of its points are anomalous, and which of them count (all by default)."""

    series: Series
    labels: Bools
    counted: Bools | None = None

    def judge(self, scores: Floats) -> tuple[Bools, Floats]:
        """Labels and scores of the points that count."""
        return (self.labels, scores) if self.counted is None else (self.labels[self.counted], scores[self.counted])


def nab(data: Datasets, ids: tuple[str, ...]) -> list[Labelled]:
    """Series of the Numenta benchmark with their windows as labels. Raises as `Datasets.path` does."""
    windows = json.loads("\n".join(data.lines(WINDOWS)))
    found = []
    for dataset_id in ids:
        rows = [line.split(",") for line in list(data.lines(dataset_id))[1:]]
        stamps = np.array([row[0] for row in rows], "datetime64[s]")
        labels = np.zeros(len(rows), bool)
        for first, last in windows[dataset_id.removeprefix(NAB + "/").removesuffix(".gz")]:
            labels |= (stamps >= _moment(first)) & (stamps <= _moment(last))
        minutes = max(1, int(np.median(np.diff(stamps)).astype(np.int64)) // 60)
        axis = Axis.parse(f"{minutes}min", str(stamps[0]))
        found.append(Labelled(Series(dataset_id, np.array([float(row[1]) for row in rows]), axis), labels))
    return found


def _moment(text: str) -> np.datetime64:
    return np.datetime64(text.partition(".")[0].replace(" ", "T"), "s")


def nab_held_back(ids: Iterable[str]) -> tuple[str, ...]:
    """Of some catalogue ids the benchmark's series that are not for training."""
    series = (id_ for id_ in ids if id_.startswith(NAB) and id_.endswith(".csv.gz"))
    return tuple(sorted(set(series) - set(NAB_TRAINING)))


def kpi(data: Datasets) -> list[Labelled]:
    """One web indicator every five minutes, its first 20,000 points."""
    rows = sorted(csv.DictReader(data.lines(KPI)), key=lambda row: int(row["timestamp"]))[:KPI_POINTS]
    values = np.array([float(row["value"]) for row in rows])
    return [
        Labelled(Series(KPI, values, Axis.parse("5min", "2016-01-01")), np.array([row["label"] == "1" for row in rows]))
    ]


def ucr(data: Datasets) -> list[Labelled]:
    """Pulse-like series with one anomaly each; the file's name ends in its first and last point."""
    found = []
    for dataset_id in data.ids(UCR):
        values = np.array([float(line) for line in data.lines(dataset_id) if line.strip()])
        first, last = map(int, re.findall(r"_(\d+)_(\d+)\.txt", dataset_id)[0])
        steps = np.arange(len(values))
        found.append(
            Labelled(Series(dataset_id, values, Axis.parse("1min", "2020-01-01")), (steps >= first) & (steps <= last))
        )
    return found


def outbreaks(data: Datasets) -> list[Labelled]:
    """Weekly counts of notified diseases with marked outbreaks; series without a mark are left out."""
    rows: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in csv.DictReader(data.lines(OUTBREAKS)):
        if row["freq"] == "52":
            rows[row["dataset"], row["unit"]].append(row)
    found = []
    for name, lines in sorted(rows.items()):
        labels = np.array([row["state"] == "1" for row in lines])
        if labels.any() and all(row["observed"] for row in lines):
            axis = Axis.parse("W", f"{lines[0]['start_year']}-01-01")
            values = np.array([float(row["observed"]) for row in lines])
            found.append(Labelled(Series("/".join(name), values, axis, kind="count"), labels))
    return found


def ministry(data: Datasets, disease: str, first: str, province: str | None = None) -> Series:
    """Monthly cases of one disease from a month on, of a province or summed over all."""
    total: dict[str, float] = defaultdict(float)
    for row in csv.DictReader(data.lines(MINISTRY)):
        asked = province is None or row["province"] == province
        if row["disease"] == disease and row["period"] >= first and asked and row["incidence"]:
            total[row["period"]] += float(row["incidence"])
    periods = sorted(total)
    axis = Axis.parse("M", periods[0])
    names = axis.periods(0, 12 * (int(periods[-1][:4]) - int(periods[0][:4]) + 1))
    steps = names[: names.index(periods[-1]) + 1]
    return Series(disease, np.array([total.get(step, np.nan) for step in steps]), axis, kind="count")


def bulletins(data: Datasets, least: int = 84) -> list[Series]:
    """Monthly indicators of the Statistics Office without gaps, of at least `least` months."""
    rows: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for row in csv.DictReader(data.lines(BULLETINS)):
        if row["value"]:
            rows[row["table"], row["measure"], row["item"]][row["month"]] = float(row["value"])
    found = []
    for name, values in sorted(rows.items()):
        months = sorted(values)
        axis = Axis.parse("M", months[0])
        if len(months) >= least and axis.periods(len(months) - 1, 1) == months[-1:]:
            line = np.array([values[month] for month in months])
            measure: Measure = "change_pct" if name[1] in ("MOM", "YOY") else "flow"
            found.append(Series("/".join(name), line, axis, measure=measure))
    return found
