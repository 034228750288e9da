"""Series of the catalogue as the forecasting recipes use them: parsed, named, on their axes."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from models.calendar import Axis
from models.timeline import arrange
from models.values import Floats, Series
from pipelines.datasets import Datasets

NSDP = "forecast/vietnam_nsdp/vietnam_nsdp_tidy.csv.gz"
M3 = "forecast/m3_m1/M3.jsonl.gz"
M1 = "forecast/m3_m1/M1.jsonl.gz"
FREQUENCIES = {"YEARLY": "Y", "QUARTERLY": "Q", "MONTHLY": "M", "OTHER": "Y"}


@dataclass(frozen=True, slots=True)
class Task:
    """One series of a competition: its history, what followed, the horizon asked and the season of its measure."""

    series: Series
    actual: Floats
    group: str
    season: int

    @property
    def horizon(self) -> int:
        """Number of steps to forecast."""
        return len(self.actual)


def competition(data: Datasets, dataset_id: str, every: int = 1) -> list[Task]:
    """Series of the M1 or M3 competition; `every` keeps one in so many. Raises as `Datasets.path` does."""
    found = []
    for i, line in enumerate(data.lines(dataset_id)):
        if i % every:
            continue
        row = json.loads(line)
        axis = Axis.parse(FREQUENCIES[row["period"]], "1950-01-01")
        series = Series(row["id"], np.array(row["x"], dtype=np.float64), axis)
        found.append(Task(series, np.array(row["xx"], dtype=np.float64), row["period"], row["m"]))
    return found


def national_summary(data: Datasets) -> list[Series]:
    """Yearly, quarterly and monthly indicators of Viet Nam's National Summary Data Page, constant ones left out."""
    rows: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    with data.open_text(NSDP) as text:
        for row in csv.DictReader(text):
            if row["freq"] in ("A", "Q", "M") and row["value"]:
                key = (row["domain"], row["freq"], row["indicator"], row["counterpart"])
                rows[key][row["period"]] = float(row["value"])
    found = []
    for name, values in sorted(rows.items()):
        if len(values) >= 8 and len(set(values.values())) > len(values) // 2:
            line = arrange(list(values), np.array(list(values.values())), name[1])
            found.append(Series("/".join(name), line.values, line.axis))
    return found
