"""Finished jobs made up for tests: figures of no real place, in the shape that jobs hand over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from pipelines.results.values import JobResult, SeriesResult

PROVINCES = ("01", "79", "75", "56", "48", "31", "96", "40")


def months(count: int, year: int = 2009) -> tuple[str, ...]:
    return tuple(f"{year + at // 12}-{at % 12 + 1:02d}" for at in range(count))


def series(
    place: str | None = "75", name: str = "Sởi", count: int = 72, unit: str | None = "ca", **facts: Any
) -> SeriesResult:
    """A quiet series with one spike near its end and one month without a report."""
    values: list[float | None] = [20.0 + at % 12 for at in range(count)]
    spike = count - 8
    values[spike] = 240.0
    values[5] = None
    expected = [20.0 + at % 12 for at in range(count)]
    letters = "BCDEFGHIJKLM"
    points = {
        "score": [0.1] * count, "p_value": [0.5] * count, "expected": expected,
        "lower": [value - 8 for value in expected], "upper": [value + 8 for value in expected],
        "is_anomaly": [at in (5, spike) for at in range(count)],
    }  # fmt: skip
    periods = months(count)
    made = SeriesResult(
        name=name, place=place, unit=unit, measure="flow", periods=periods, values=tuple(values),
        cells=tuple(f"{name}!{letters[at % 12]}{7 + at // 12}" for at in range(count)),
        output={"points": points, "events": [event(periods, spike, 240.0, 24.0), missing(periods)]},
    )  # fmt: skip
    return replace(made, **facts)


def event(periods: tuple[str, ...], at: int, actual: float, expected: float, **facts: Any) -> dict[str, Any]:
    return {
        "id": f"ev-{at}", "start_period": periods[at], "end_period": periods[at], "first": at, "last": at,
        "kind": "spike", "direction": "up", "severity": 5, "expected": expected, "actual": actual, "p_value": 1e-6,
        "likely": "world", "open": False,
        "reason": {"vi": f"Ghi nhận {actual:g}, mức thường thấy khoảng {expected:g}.", "en": f"{actual:g} reported."},
        **facts,
    }  # fmt: skip


def missing(periods: tuple[str, ...]) -> dict[str, Any]:
    return event(
        periods, 5, 0.0, 25.0, kind="missing_report", direction="down", severity=1, likely="data", p_value=0.001
    )


def job(found: Iterable[SeriesResult] = (), **facts: Any) -> JobResult:
    made = JobResult(
        job_id="job_0123456789abcdef", type="anomaly.series", created_at="2026-01-05T01:00:00Z",
        finished_at="2026-01-05T01:00:20Z",
        model={"name": "anomaly-series", "version": "1.0.0", "card": "sha256:" + "c" * 64},
        parameters={"alarm_budget": 20},
        source={"file_id": "file_1", "filename": "Nien giam 2014.xls", "sha256": "a" * 64},
        reading={
            "id": "reading_1", "name": "niên giám", "confidence": 0.97,
            "tables": [{
                "sheet": "Sởi", "range": "A6:M14", "text_conversion": "tcvn3", "columns": [{"measure": "flow"}],
                "period": {"from": "file_name", "first": "2014-01", "last": "2014-12"}, "markers": {"-": "zero"},
            }],
        },
        series=found, counts={"succeeded": 1, "failed": 0}, held_back=3, organisation="Thành phố Đồng Nai",
        approval={"id": "apr_1", "kind": "bootstrap", "person": "bootstrap", "valid_until": "2026-04-01T00:00:00Z"},
    )  # fmt: skip
    return replace(made, **facts)


def yearbook() -> list[SeriesResult]:
    """Several indicators in several provinces."""
    names = ("Sởi", "Tay chân miệng", "Dại", "Ho gà", "Cúm", "Quai bị")
    return [series(place, name) for name in names for place in PROVINCES]


def forecast(
    place: str | None = "75", name: str = "Lượt khám", ahead: int = 6, measure: str | None = "flow"
) -> SeriesResult:
    past = months(48)
    later = months(48 + ahead)[48:]
    content = {
        "type": "univariate_time_series", "name": name, "mean_forecast": [130.5 + at for at in range(ahead)],
        "quantiles": {"0.1": [110.0] * ahead, "0.5": [130.0] * ahead, "0.9": [150.0] * ahead}, "frequency": "M",
        "start_timestamp": "2013-01-01T00:00:00+07:00", "periods": list(later),
    }  # fmt: skip
    return SeriesResult(
        name=name, place=place, unit="lượt", measure=measure, periods=past,
        values=tuple(100.0 + at for at in range(48)),
        cells=tuple(f"Sheet1!B{at + 2}" for at in range(48)),
        output={"content": [content], "accuracy": {"verdict": "better", "text_vi": "Tốt hơn lấy lại số cùng kỳ."}},
    )  # fmt: skip


def rows(count: int = 40) -> SeriesResult:
    """A stretch of rows of a table, every tenth strange."""
    strange = [at % 10 == 3 for at in range(count)]
    return SeriesResult(
        name="Hồ sơ", place=None, unit=None, measure=None, periods=tuple(str(at + 2) for at in range(count)), values=(),
        cells=tuple(f"Hồ sơ!A{at + 2}" for at in range(count)),
        output={
            "score": [0.9 if flag else 0.1 for flag in strange], "is_anomaly": strange,
            "reasons": [[{"column": "số tiền", "contribution": 0.7}] if flag else [] for flag in strange],
        },
    )  # fmt: skip


def many(series_count: int, points: int) -> Iterator[SeriesResult]:
    """A large job, one series at a time."""
    template = series(count=points)
    for number in range(series_count):
        yield replace(template, name=f"Chỉ tiêu {number}")
