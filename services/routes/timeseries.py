"""The time series dialect: POST /v1/timeseries/forecast (KServe's open shape plus ours) and /v1/timeseries/anomalies.

Decision: options that this version does not support (reconciliation, covariates) are refused with what is allowed,
never ignored: a forecast that silently left them out would be a wrong answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from models.errors import InvalidInputError, Note, PlatformError
from models.values import AnomalyOptions, Event, Findings, Forecast, ForecastOptions
from services.answers import ModelUsed, SeriesUsage, item_problem, model_used, notice, provenance
from services.endpoints import LARGE_BODY_BYTES, Call, Endpoint, Reply
from services.inference import Answer, Ask, Inference
from services.roles import PREDICT
from services.series import (
    INLINE_POINTS,
    UNIVARIATE,
    Inputs,
    Taken,
    WireSeries,
    as_wire,
    check_sizes,
    numbers,
    refuse_over,
    shortest,
    sizes,
    take,
    told,
)

PROPHET_SERIES: Final = 20
MOST_QUANTILES: Final = 99
MODELS_MOST: Final = (("forecast-prophet", PROPHET_SERIES),)

T = TypeVar("T")
ModelName = Annotated[str, Meta(min_length=1, max_length=80, description="name, or name@version")]
Quantile = Annotated[float, Meta(ge=0.001, le=0.999)]

# --- wire types ---------------------------------------------------------------------------------------------


class WireBacktest(msgspec.Struct, forbid_unknown_fields=True):
    """Rolling-origin evaluation on the caller's own series."""

    origins: Annotated[int, Meta(ge=1, le=50)]


class WireForecastOptions(msgspec.Struct, forbid_unknown_fields=True):
    """Options of a forecast."""

    horizon: Annotated[int, Meta(ge=1, le=1_000)]
    quantiles: Annotated[list[Quantile], Meta(max_length=MOST_QUANTILES)] | None = None
    holidays: Literal["VN"] | None = None
    reconcile: Literal["none", "bottom_up", "wls", "mint"] | None = None
    backtest: WireBacktest | None = None
    season_length: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    seed: Annotated[int, Meta(ge=0, le=4_294_967_295)] | None = None


class ForecastRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A forecast of up to 1,000 series."""

    inputs: Inputs
    options: WireForecastOptions
    model: ModelName | None = None


class WireEffect(msgspec.Struct, forbid_unknown_fields=True):
    """The smallest deviation worth an alarm, in the series' unit and as a share of the expected value."""

    absolute: Annotated[float, Meta(ge=0, le=1e30)] | None = None
    relative: Annotated[float, Meta(ge=0, le=1e6)] | None = None


class WireSuppress(msgspec.Struct, forbid_unknown_fields=True):
    """After an alarm, this many steps of silence."""

    window: Annotated[int, Meta(ge=0, le=100_000)]


class WireAnomalyOptions(msgspec.Struct, forbid_unknown_fields=True):
    """Options of a detection; at most one of sensitivity, false_alarms_per_year and alarm_budget."""

    mode: Literal["batch", "last", "stream"] | None = None
    sensitivity: Annotated[int, Meta(ge=0, le=99)] | None = None
    false_alarms_per_year: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None
    alarm_budget: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    direction: Literal["both", "up", "down"] | None = None
    min_effect: WireEffect | None = None
    holidays: Literal["VN"] | None = None
    suppress: WireSuppress | None = None
    season_length: Annotated[int, Meta(ge=1, le=10_000)] | None = None


class AnomalyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A search for anomalies in up to 1,000 series."""

    inputs: Inputs
    options: WireAnomalyOptions | None = None
    model: ModelName | None = None


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
    accuracy: dict[str, Any] | UnsetType = UNSET
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


class SeriesResponse(msgspec.Struct):
    """One output for each input, in order; `created_at` is in seconds since 1970."""

    request_id: str
    id: str
    created_at: int
    model: ModelUsed
    notice: str
    status: Literal["completed", "partial", "failed"]
    usage: SeriesUsage
    outputs: list[Any]


class ForecastResponse(SeriesResponse):
    """Answer of `forecast`."""

    outputs: list[ForecastOutput]


class AnomalyResponse(SeriesResponse):
    """Answer of `anomalies`."""

    outputs: list[AnomalyOutput]


# --- mapping ------------------------------------------------------------------------------------------------


def _forecast_options(wire: WireForecastOptions) -> ForecastOptions:
    """Raises InvalidInputError for what is not supported."""
    if wire.reconcile not in (None, "none"):
        vi = "Chưa hỗ trợ hiệu chỉnh theo cây; cho phép: none."
        en = "Reconciliation is not supported yet; allowed: none."
        raise InvalidInputError.at("/options/reconcile", vi, en, code="unsupported-option")
    levels = wire.quantiles if wire.quantiles is not None else [0.1, 0.5, 0.9]
    if len(set(levels)) != len(levels):
        vi, en = "Một phân vị xuất hiện hai lần.", "A quantile stands twice."
        raise InvalidInputError.at("/options/quantiles", vi, en, code="duplicate-quantile")
    return ForecastOptions(
        horizon=wire.horizon,
        quantiles=tuple(sorted(levels)),
        holidays=wire.holidays,
        backtest_origins=wire.backtest.origins if wire.backtest is not None else 0,
        season_length=wire.season_length or 0,
        seed=wire.seed or 0,
    )


def _anomaly_options(wire: WireAnomalyOptions | None) -> AnomalyOptions:
    """Raises InvalidInputError when thresholds exclude each other."""
    if wire is None:
        return AnomalyOptions()
    asked = (wire.sensitivity, wire.false_alarms_per_year, wire.alarm_budget)
    if sum(value is not None for value in asked) > 1:
        names = "sensitivity, false_alarms_per_year, alarm_budget"
        raise InvalidInputError.at(
            "/options", f"Chỉ chọn một trong {names}.", f"Choose one of {names}.", code="exclusive-options"
        )
    effect = wire.min_effect or WireEffect()
    return AnomalyOptions(
        mode=wire.mode or "batch",
        sensitivity=wire.sensitivity,
        false_alarms_per_year=wire.false_alarms_per_year,
        alarm_budget=wire.alarm_budget,
        direction=wire.direction or "both",
        min_effect_absolute=effect.absolute or 0.0,
        min_effect_relative=effect.relative or 0.0,
        holidays=wire.holidays,
        suppress_window=wire.suppress.window if wire.suppress is not None else 0,
        season_length=wire.season_length or 0,
    )


def _forecast_output(call: Call, wire: WireSeries, taken: Taken, found: Forecast | PlatformError) -> ForecastOutput:
    if isinstance(found, PlatformError):
        return ForecastOutput(wire.name, "failed", [], told(taken.warnings), error=item_problem(call, found))
    steps = len(found.mean)
    content = ForecastContent(
        type=UNIVARIATE,
        name=wire.name,
        mean_forecast=numbers(found.mean),
        quantiles={shortest(level): numbers(values) for level, values in found.quantiles.items()},
        frequency=wire.frequency,
        start_timestamp=found.axis.stamps(0, 1)[0],
        periods=found.axis.periods(0, steps),
    )
    output = ForecastOutput(wire.name, "succeeded", [content], told(taken.warnings + found.warnings))
    output.method = found.method
    if found.accuracy is not None:
        output.accuracy = asdict(found.accuracy)
    if found.components is not None:
        output.components = dict(as_wire(found.components) or {})
    return output


def _anomaly_output(call: Call, wire: WireSeries, taken: Taken, found: Findings | PlatformError) -> AnomalyOutput:
    if isinstance(found, PlatformError):
        return AnomalyOutput(wire.name, "failed", told(taken.warnings), error=item_problem(call, found))
    index = taken.index
    flags = found.is_anomaly if index is None else found.is_anomaly[index]
    points = Points(
        numbers(found.score, index), numbers(found.p_value, index), numbers(found.expected, index),
        numbers(found.lower, index), numbers(found.upper, index), flags.tolist(),
    )  # fmt: skip
    events = [_event(found, event) for event in found.events]
    return AnomalyOutput(wire.name, "succeeded", told(taken.warnings + found.warnings), points, events)


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
    }  # fmt: skip


async def _aside(points: int, work: Callable[..., T], *arguments: Any) -> T:
    """Map small calls in place and large ones in a thread, so that other calls get their turn."""
    if points <= INLINE_POINTS:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)


class TimeSeries:
    """The endpoints of the time series dialect over one process's inference."""

    def __init__(self, inference: Inference, clock: Callable[[], float] = time.time) -> None:
        self._inference = inference
        self._clock = clock

    async def forecast(self, call: Call, body: ForecastRequest) -> Reply:
        """Forecast every series."""
        points = check_sizes(body.inputs)
        options = _forecast_options(body.options)
        produced = len(body.inputs) * options.horizon * (len(options.quantiles) + 1)
        refuse_over(produced, "/options/horizon")
        taken = await _aside(points, take, body.inputs)
        units = sum(sizes(taken)) * (1 + options.backtest_origins)
        ask = Ask("forecast", body.model, [t.series for t in taken], options, units, points, most=MODELS_MOST)
        answer = await self._inference.answer(call, ask)
        outputs = await _aside(points + produced, _outputs, _forecast_output, call, body.inputs, taken, answer)
        return self._reply(call, answer, outputs, points)

    async def anomalies(self, call: Call, body: AnomalyRequest) -> Reply:
        """Look for anomalies in every series."""
        points = check_sizes(body.inputs)
        options = _anomaly_options(body.options)
        taken = await _aside(points, take, body.inputs)
        ask = Ask(
            "anomalies", body.model, [t.series for t in taken], options, sum(sizes(taken)), points,
            whole=options.alarm_budget is not None,
        )  # fmt: skip
        answer = await self._inference.answer(call, ask)
        outputs = await _aside(points, _outputs, _anomaly_output, call, body.inputs, taken, answer)
        return self._reply(call, answer, outputs, points)

    def _reply(self, call: Call, answer: Answer, outputs: Sequence[Any], points: int) -> Reply:
        failed = sum(output.status == "failed" for output in outputs)
        response = SeriesResponse(
            call.request_id, f"ts-{call.request_id}", int(self._clock()), model_used(answer.entry), notice(call),
            "completed" if not failed else "failed" if failed == len(outputs) else "partial",
            SeriesUsage(len(outputs), points), list(outputs),
        )  # fmt: skip
        return Reply(response, headers=provenance(answer.entry))


def _outputs(
    render: Callable[[Call, WireSeries, Taken, Any], T],
    call: Call, inputs: Sequence[WireSeries], taken: Sequence[Taken], answer: Answer,
) -> list[T]:  # fmt: skip
    return [render(call, *row) for row in zip(inputs, taken, answer.outputs, strict=True)]


# --- endpoints ----------------------------------------------------------------------------------------------

EXAMPLE: Final = {
    "name": "sxh-dong-nai", "series": [112, 98, 105, 130, 171, 240, 310, 356, 331, 262, 190, 140, 118, 101],
    "frequency": "M", "start_timestamp": "2024-01", "kind": "count", "unit": "ca",
}  # fmt: skip
REFUSALS: Final = (403, 404, 413, 422, 429, 503, 504)


def endpoints(inference: Inference, clock: Callable[[], float] = time.time) -> list[Endpoint]:
    """The rows of this dialect."""
    series = TimeSeries(inference, clock)
    shared: dict[str, Any] = {
        "method": "POST", "tag": "timeseries", "event": "inference", "scope": PREDICT, "body_limit": LARGE_BODY_BYTES,
        "refusals": REFUSALS,
    }  # fmt: skip
    return [
        Endpoint(
            path="/v1/timeseries/forecast", handler=series.forecast, request=ForecastRequest,
            response=ForecastResponse, summary=Note("Dự báo chuỗi thời gian", "Forecast time series"),
            examples={"vi": {"inputs": [EXAMPLE], "options": {"horizon": 6}}}, **shared,
        ),
        Endpoint(
            path="/v1/timeseries/anomalies", handler=series.anomalies, request=AnomalyRequest,
            response=AnomalyResponse, summary=Note("Tìm bất thường trong chuỗi", "Find anomalies in time series"),
            examples={"vi": {"inputs": [EXAMPLE], "options": {"mode": "batch"}}}, **shared,
        ),
    ]  # fmt: skip
