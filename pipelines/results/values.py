"""What a finished job hands over to be written.

`output` is what the synchronous endpoint says of the same series: `points` and `events` for `anomaly.series`,
`content` for `forecast`. For `anomaly.tabular` a SeriesResult is one stretch of rows: `periods` are the rows' labels,
`cells` their places, `values` are empty, and `output` holds `score`, `is_anomaly` and `reasons`, each as long as
`periods`. All lists of an output that speak of points are as long as `periods`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SeriesResult:
    """One series (or one stretch of rows): what was sent, where it stood, and what the model says.

    `place` is a code, `cells` name the source of each value as `sheet!B7`. With `error` (a problem: title, detail,
    code) there may be no output.
    """

    name: str
    place: str | None
    unit: str | None
    measure: str | None
    periods: tuple[str, ...]
    values: tuple[float | None, ...]
    cells: tuple[str | None, ...]
    output: Mapping[str, Any]
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class JobResult:
    """A finished job. `series` is walked once, front to back, and may be too large to keep.

    `model` holds name, version and card; `source` file_id, filename and sha256; `reading` how the file was understood;
    `counts` succeeded and failed; `held_back` the events that the alarm budget kept back. `approval` (id, kind, person,
    valid_until), `organisation` (the name of who sent the file) and `steward` (who answers for the figures) are said
    in the report where they are known.
    """

    job_id: str
    type: str
    created_at: str
    finished_at: str
    model: Mapping[str, Any]
    parameters: Mapping[str, Any]
    source: Mapping[str, Any] | None
    reading: Mapping[str, Any] | None
    series: Iterable[SeriesResult]
    counts: Mapping[str, Any]
    held_back: int = 0
    approval: Mapping[str, Any] | None = None
    organisation: str | None = None
    steward: str | None = None
