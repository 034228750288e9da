"""The time series dialect: POST /v1/timeseries/forecast (KServe's open shape plus ours) and /v1/timeseries/anomalies.

Decision: options that this version does not support (reconciliation, covariates) are refused with what is allowed,
never ignored: a forecast that silently left them out would be a wrong answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from models.errors import InvalidInputError, Note
from models.values import AnomalyOptions, ForecastOptions
from services.answers import ModelUsed, SeriesUsage, item_problem, model_used, notice, provenance
from services.endpoints import LARGE_BODY_BYTES, Call, Endpoint, Reply
from services.inference import Answer, Ask, Inference
from services.roles import PREDICT
from services.series import (
    INLINE_POINTS,
    Inputs,
    Taken,
    WireSeries,
    check_sizes,
    refuse_over,
    sizes,
    take,
)
from services.series_answers import AnomalyOutput, ForecastOutput, anomaly_output, forecast_output

PROPHET_SERIES: Final = 20
MOST_QUANTILES: Final = 99
MODELS_MOST: Final = (("forecast-prophet", PROPHET_SERIES),)

T = TypeVar("T")
ModelName = Annotated[str, Meta(min_length=1, max_length=80, description="name, or name@version")]
Quantile = Annotated[float, Meta(ge=0.001, le=0.999)]
AlarmCount = Annotated[int, Meta(ge=0, le=1_000_000)]

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


class WireBudget(msgspec.Struct, forbid_unknown_fields=True):
    """The most events given out: in all or for each week or month, of the whole table or of each place (`unit`)."""

    count: AlarmCount
    per: Literal["week", "month"] | None = None
    scope: Literal["job", "unit"] | None = None


class WireAnomalyOptions(msgspec.Struct, forbid_unknown_fields=True):
    """Options of a detection; at most one of sensitivity, false_alarms_per_year and alarm_budget."""

    mode: Literal["batch", "last", "stream"] | None = None
    sensitivity: Annotated[int, Meta(ge=0, le=99)] | None = None
    false_alarms_per_year: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None
    alarm_budget: AlarmCount | WireBudget | None = None
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


def forecast_options(wire: WireForecastOptions) -> ForecastOptions:
    """The options as values. Raises InvalidInputError for what is not supported."""
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


def anomaly_options(wire: WireAnomalyOptions | None) -> AnomalyOptions:
    """The options as values. Raises InvalidInputError when thresholds exclude each other."""
    if wire is None:
        return AnomalyOptions()
    asked = (wire.sensitivity, wire.false_alarms_per_year, wire.alarm_budget)
    if sum(value is not None for value in asked) > 1:
        names = "sensitivity, false_alarms_per_year, alarm_budget"
        raise InvalidInputError.at(
            "/options", f"Chỉ chọn một trong {names}.", f"Choose one of {names}.", code="exclusive-options"
        )
    effect = wire.min_effect or WireEffect()
    budget = wire.alarm_budget
    if isinstance(budget, int):
        budget = WireBudget(budget)
    return AnomalyOptions(
        mode=wire.mode or "batch",
        sensitivity=wire.sensitivity,
        false_alarms_per_year=wire.false_alarms_per_year,
        alarm_budget=budget.count if budget is not None else None,
        direction=wire.direction or "both",
        min_effect_absolute=effect.absolute or 0.0,
        min_effect_relative=effect.relative or 0.0,
        holidays=wire.holidays,
        suppress_window=wire.suppress.window if wire.suppress is not None else 0,
        season_length=wire.season_length or 0,
        budget_per=budget.per if budget is not None else None,
        budget_scope=(budget.scope if budget is not None else None) or "job",
    )


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
        options = forecast_options(body.options)
        produced = len(body.inputs) * options.horizon * (len(options.quantiles) + 1)
        refuse_over(produced, "/options/horizon")
        taken = await _aside(points, take, body.inputs)
        units = sum(sizes(taken)) * (1 + options.backtest_origins)
        ask = Ask("forecast", body.model, [t.series for t in taken], options, units, points, most=MODELS_MOST)
        answer = await self._inference.answer(call, ask)
        outputs = await _aside(points + produced, _forecasts, call, body.inputs, taken, answer)
        return self._reply(call, answer, outputs, points)

    async def anomalies(self, call: Call, body: AnomalyRequest) -> Reply:
        """Look for anomalies in every series."""
        points = check_sizes(body.inputs)
        options = anomaly_options(body.options)
        taken = await _aside(points, take, body.inputs)
        ask = Ask(
            "anomalies", body.model, [t.series for t in taken], options, sum(sizes(taken)), points,
            whole=options.alarm_budget is not None,
        )  # fmt: skip
        answer = await self._inference.answer(call, ask)
        outputs = await _aside(points, _findings, call, taken, answer)
        return self._reply(call, answer, outputs, points)

    def _reply(self, call: Call, answer: Answer, outputs: Sequence[Any], points: int) -> Reply:
        failed = sum(output.status == "failed" for output in outputs)
        response = SeriesResponse(
            call.request_id, f"ts-{call.request_id}", int(self._clock()), model_used(answer.entry), notice(call),
            "completed" if not failed else "failed" if failed == len(outputs) else "partial",
            SeriesUsage(len(outputs), points), list(outputs),
        )  # fmt: skip
        return Reply(response, headers=provenance(answer.entry))


def _forecasts(
    call: Call, inputs: Sequence[WireSeries], taken: Sequence[Taken], answer: Answer
) -> list[ForecastOutput]:
    tell = partial(item_problem, call)
    rows = zip(inputs, taken, answer.outputs, strict=True)
    return [forecast_output(wire.frequency, each, found, tell) for wire, each, found in rows]


def _findings(call: Call, taken: Sequence[Taken], answer: Answer) -> list[AnomalyOutput]:
    tell = partial(item_problem, call)
    return [anomaly_output(each, found, tell) for each, found in zip(taken, answer.outputs, strict=True)]


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
