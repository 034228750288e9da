"""A job's result as rows of one table: one row for each value, with the cell it came from and what the model says.

The columns depend on the job's type alone, so a file can be begun before its first series is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from models.errors import InvalidInputError
from pipelines.results.geography import name_of
from pipelines.results.values import JobResult, SeriesResult

Value = str | float | int | bool | None
Row = tuple[Value, ...]
DEFAULT_QUANTILES: Final = (0.1, 0.5, 0.9)
MODEL_SOURCE: Final = "model"
"""The source of a value that no cell holds: the model computed it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name for machines, its titles for people, what it holds, and whether a model computed it."""

    name: str
    vi: str
    en: str
    kind: Literal["text", "number", "flag"] = "text"
    computed: bool = False


_OF_SERIES: Final = (
    Column("series", "Chuỗi số liệu", "Series"),
    Column("place", "Mã đơn vị", "Place code"),
    Column("place_name", "Đơn vị", "Place"),
    Column("measure", "Loại số liệu", "Measure"),
    Column("unit", "Đơn vị tính", "Unit"),
    Column("period", "Kỳ", "Period"),
    Column("value", "Giá trị", "Value", "number"),
)
_LAST: Final = (Column("error", "Lỗi", "Error"), Column("source", "Ô nguồn", "Source cell"))
_ANOMALY: Final = (
    *_OF_SERIES,
    Column("expected", "Mức thường thấy", "Expected", "number", True),
    Column("lower", "Cận dưới", "Lower", "number", True),
    Column("upper", "Cận trên", "Upper", "number", True),
    Column("score", "Điểm lạ", "Score", "number", True),
    Column("p_value", "Trị số p", "p value", "number", True),
    Column("is_anomaly", "Bất thường", "Anomaly", "flag"),
    Column("event", "Mã sự kiện", "Event"),
    Column("kind", "Loại sự kiện", "Kind"),
    Column("likely", "Nghiêng về", "Likely"),
    *_LAST,
)
_TABULAR: Final = (
    Column("table", "Bảng", "Table"),
    Column("row", "Dòng", "Row"),
    Column("score", "Điểm lạ", "Score", "number", True),
    Column("is_anomaly", "Bất thường", "Anomaly", "flag"),
    Column("reasons", "Vì các cột", "Because of columns"),
    *_LAST,
)


def columns_of(result: JobResult) -> tuple[Column, ...]:
    """The columns of a job's table. Raises InvalidInputError for a type that has no table."""
    if result.type in ("anomaly.series", "outbreak"):
        return _ANOMALY
    if result.type == "anomaly.tabular":
        return _TABULAR
    if result.type == "forecast":
        levels = tuple(
            Column(f"q{level}", f"Phân vị {level}", f"Quantile {level}", "number", True)
            for level in quantiles_of(result.parameters)
        )
        mean = Column("forecast", "Dự báo", "Forecast", "number", True)
        return (*_OF_SERIES, mean, *levels, *_LAST)
    vi, en = "Loại việc này không có bảng kết quả.", "A job of this type has no table of results."
    raise InvalidInputError(vi, en, code="not-acceptable")


def quantiles_of(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of the quantiles that were asked for, as shortest decimals."""
    return tuple(f"{level:g}" for level in sorted(parameters.get("quantiles") or DEFAULT_QUANTILES))


def rows_of(type_: str, series: SeriesResult, columns: Sequence[Column]) -> Iterator[Row]:
    """The rows of one series; each has as many values as there are columns."""
    if type_ == "anomaly.tabular":
        return _tabular(series)
    if type_ == "forecast":
        return _forecast(series, [column.name[1:] for column in columns if column.name.startswith("q")])
    return _anomaly(series)


def _head(series: SeriesResult) -> tuple[Value, ...]:
    return (
        series.name,
        series.place,
        name_of(series.place, series.periods[-1] if series.periods else None),
        series.measure,
        series.unit,
    )


def _anomaly(series: SeriesResult) -> Iterator[Row]:
    head, wrong = _head(series), error_of(series)
    count = len(series.periods)
    points = series.output.get("points") or {}
    names = ("expected", "lower", "upper", "score", "p_value", "is_anomaly")
    said = [points.get(name) or (None,) * count for name in names]
    inside = _events_by_point(series)
    empty = (None, None, None)
    for at, (period, value, cell, *found) in enumerate(
        zip(series.periods, series.values, series.cells, *said, strict=True)
    ):
        yield (*head, period, value, *found, *inside.get(at, empty), wrong, cell)


def _events_by_point(series: SeriesResult) -> dict[int, tuple[Value, Value, Value]]:
    found: dict[int, tuple[Value, Value, Value]] = {}
    for event in events_of(series):
        first, last = span_of(series, event)
        for at in range(first, last + 1):
            found.setdefault(at, (event.get("id"), event.get("kind"), event.get("likely")))
    return found


def _forecast(series: SeriesResult, levels: Sequence[str]) -> Iterator[Row]:
    head, wrong = _head(series), error_of(series)
    blank = (None,) * (1 + len(levels))
    for period, value, cell in zip(series.periods, series.values, series.cells, strict=True):
        yield (*head, period, value, *blank, wrong, cell)
    for content in series.output.get("content") or ():
        mean = content["mean_forecast"]
        quantiles = [content["quantiles"].get(level) or (None,) * len(mean) for level in levels]
        for period, *said in zip(content["periods"], mean, *quantiles, strict=True):
            yield (*head, period, None, *said, None, MODEL_SOURCE)


def _tabular(series: SeriesResult) -> Iterator[Row]:
    wrong, count = error_of(series), len(series.periods)
    score = series.output.get("score") or (None,) * count
    flags = series.output.get("is_anomaly") or (None,) * count
    reasons = series.output.get("reasons") or ((),) * count
    for row in zip(series.periods, score, flags, reasons, series.cells, strict=True):
        yield (series.name, row[0], row[1], row[2], reasons_text(row[3]) if row[2] else None, wrong, row[4])


def reasons_text(reasons: Sequence[Mapping[str, Any]]) -> str:
    """The columns that made a row strange, strongest first, with their shares."""
    return "; ".join(f"{reason['column']} ({100 * reason['contribution']:.0f} %)" for reason in reasons)


def events_of(series: SeriesResult) -> Sequence[Mapping[str, Any]]:
    """The events of one series."""
    found: Sequence[Mapping[str, Any]] = series.output.get("events") or ()
    return found


def span_of(series: SeriesResult, event: Mapping[str, Any]) -> tuple[int, int]:
    """The first and last point of an event; an event outside the series has none (last < first)."""
    count = len(series.periods)
    first, last = event.get("first"), event.get("last")
    named = event.get("start_period"), event.get("end_period")
    if isinstance(first, int) and 0 <= first < count and named[0] in (None, series.periods[first]):
        return first, min(last if isinstance(last, int) else first, count - 1)
    if named[0] in series.periods:
        first = series.periods.index(named[0])
        return first, series.periods.index(named[1]) if named[1] in series.periods else first
    return 0, -1


def cells_of(series: SeriesResult, event: Mapping[str, Any]) -> list[str]:
    """The cells that an event stands in, in order."""
    first, last = span_of(series, event)
    return [cell for cell in series.cells[first : last + 1] if cell]


def error_of(series: SeriesResult) -> str | None:
    """What went wrong with a series, in one line."""
    if series.error is None:
        return None
    return str(series.error.get("detail") or series.error.get("title") or series.error.get("code") or "?")


def finite(value: Any) -> Any:
    """The value, or None for a number that no file format can hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
