"""What is said of one series, as the wire has it: the same for the synchronous endpoints and for jobs.

Decision: a failed series stands as its problem; how a problem is told (language, request) is the caller's, so the
mapping takes a function for it and knows no request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from models.errors import PlatformError
from models.values import Accuracy, Event, Findings, Forecast
from services.series import UNIVARIATE, Taken, as_wire, numbers, shortest, told

Tell = Callable[[PlatformError], dict[str, Any]]


class ForecastContent(msgspec.Struct):
    """One forecast; every list has length `horizon`; keys of `quantiles` are shortest decimals."""

    type: str
    name: str
    mean_forecast: list[float | None]
    quantiles: dict[str, list[float | None]]
    frequency: str
    start_timestamp: str
    periods: list[str]


class ForecastOutput(msgspec.Struct, omit_defaults=True):
    """The answer to one series."""

    name: str
    status: Literal["succeeded", "failed"]
    content: list[ForecastContent]
    warnings: list[dict[str, str]]
    accuracy: Accuracy | UnsetType = UNSET
    components: dict[str, list[float | None]] | UnsetType = UNSET
    method: str | UnsetType = UNSET
    error: dict[str, Any] | UnsetType = UNSET


class Points(msgspec.Struct):
    """What is said of every point; each list has the series' length."""

    score: list[float | None]
    p_value: list[float | None]
    expected: list[float | None]
    lower: list[float | None]
    upper: list[float | None]
    is_anomaly: list[bool]


class AnomalyOutput(msgspec.Struct, omit_defaults=True):
    """The findings in one series."""

    name: str
    status: Literal["succeeded", "failed"]
    warnings: list[dict[str, str]]
    points: Points | UnsetType = UNSET
    events: list[dict[str, Any]] | UnsetType = UNSET
    error: dict[str, Any] | UnsetType = UNSET


def forecast_output(frequency: str, taken: Taken, found: Forecast | PlatformError, tell: Tell) -> ForecastOutput:
    """The answer to one series; `frequency` is the caller's own word for it."""
    name = taken.series.name
    if isinstance(found, PlatformError):
        return ForecastOutput(name, "failed", [], told(taken.warnings), error=tell(found))
    steps = len(found.mean)
    content = ForecastContent(
        type=UNIVARIATE,
        name=name,
        mean_forecast=numbers(found.mean),
        quantiles={shortest(level): numbers(values) for level, values in found.quantiles.items()},
        frequency=frequency,
        start_timestamp=found.axis.stamps(0, 1)[0],
        periods=found.axis.periods(0, steps),
    )
    output = ForecastOutput(name, "succeeded", [content], told(taken.warnings + found.warnings))
    output.method = found.method
    output.accuracy = found.accuracy
    if found.components is not None:
        output.components = dict(as_wire(found.components) or {})
    return output


def anomaly_output(taken: Taken, found: Findings | PlatformError, tell: Tell) -> AnomalyOutput:
    """The findings in one series; every list is as long as the series was sent."""
    name = taken.series.name
    if isinstance(found, PlatformError):
        return AnomalyOutput(name, "failed", told(taken.warnings), error=tell(found))
    index = taken.index
    flags = found.is_anomaly if index is None else found.is_anomaly[index]
    points = Points(
        numbers(found.score, index), numbers(found.p_value, index), numbers(found.expected, index),
        numbers(found.lower, index), numbers(found.upper, index), flags.tolist(),
    )  # fmt: skip
    events = [_event(found, event) for event in found.events]
    return AnomalyOutput(name, "succeeded", told(taken.warnings + found.warnings), points, events)


def _event(found: Findings, event: Event) -> dict[str, Any]:
    """An event with times; `first` and `last` are its steps on the axis."""
    length = event.end - event.start + 1
    stamps = found.axis.stamps(event.start, length)
    periods = found.axis.periods(event.start, length)
    return {
        "id": event.id, "start": stamps[0], "end": stamps[-1], "start_period": periods[0], "end_period": periods[-1],
        "first": event.start, "last": event.end, "kind": event.kind, "direction": event.direction,
        "severity": event.severity, "expected": event.expected, "actual": event.actual, "p_value": event.p_value,
        "likely": event.likely, "reason": {"vi": event.reason.vi, "en": event.reason.en}, "open": event.open,
        "first_seen": stamps[0], "data_through": found.axis.stamps(len(found.score) - 1, 1)[0],
        "checks": [{"vi": check.vi, "en": check.en} for check in event.checks], "peers": list(event.peers),
        **_both_forms(event),
    }  # fmt: skip


def _both_forms(event: Event) -> dict[str, Any]:
    """For a cumulative figure, the event's figures as they were sent and as they were modelled."""
    if event.as_modelled is None:
        return {}
    expected, actual = event.as_modelled
    return {
        "as_sent": {"expected": event.expected, "actual": event.actual},
        "as_modelled": {"expected": expected, "actual": actual},
    }
