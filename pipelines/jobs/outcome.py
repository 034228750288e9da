"""What a finished job leaves: one object that holds the facts of the job and then its series, one by one.

    {job_id, type, created_at, …}          the header: every field of JobResult but `series`
    [name, place, unit, measure, periods, values, cells, output, error]     one record for each SeriesResult, in order

`open_outcome(path)` gives it back as the JobResult that `pipelines.results` writes and reports; the series are read
from disk while they are walked, and may be walked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from models.errors import IntegrityError
from pipelines.jobs.parcels import unpack
from pipelines.results.values import JobResult, SeriesResult

HEADER: Final = (
    "job_id", "type", "created_at", "finished_at", "model", "parameters", "source", "reading", "counts", "held_back",
    "approval", "organisation", "steward",
)  # fmt: skip


def record_of(series: SeriesResult) -> list[Any]:
    """A series as it is kept."""
    return [
        series.name, series.place, series.unit, series.measure, series.periods, series.values, series.cells,
        series.output, series.error,
    ]  # fmt: skip


def series_of(record: Any) -> SeriesResult:
    """A series from what is kept. Raises IntegrityError."""
    try:
        name, place, unit, measure, periods, values, cells, output, error = record
        return SeriesResult(name, place, unit, measure, tuple(periods), tuple(values), tuple(cells), output, error)
    except (TypeError, ValueError) as fault:
        raise _strange() from fault


class _Series(Iterable[SeriesResult]):
    """The series of an outcome, read from disk at every walk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[SeriesResult]:
        with self._path.open("rb") as file:
            records = unpack(file)
            next(records, None)
            for record in records:
                yield series_of(record)


def open_outcome(path: Path) -> JobResult:
    """The result that was kept. Raises IntegrityError when the object is damaged, OSError when it is gone."""
    with path.open("rb") as file:
        header: Mapping[str, Any] | None = next(unpack(file), None)
    if not isinstance(header, dict) or set(header) != set(HEADER):
        raise _strange()
    return JobResult(series=_Series(path), **header)


def _strange() -> IntegrityError:
    return IntegrityError("Kết quả đã lưu bị hỏng.", "The kept result is damaged.", code="object-damaged")
