"""Prophet (Taylor & Letham 2018) as a named model: piecewise trend, Fourier seasons, Vietnamese holidays on days.

Decisions:
- prophet and pandas are imported here and nowhere else; `models.catalog` loads this file when its row is used.
- Intervals are conformal like those of the combination, in place of Prophet's own samples: those draw from numpy's
  global generator, which threads share, and cover too little on real series. So the answer needs no seed.
- The season of a frequency gets as many Fourier terms as its steps can tell apart, at most ten: Prophet's own ten for
  monthly data interpolate.
- One fit at a time: it is CPU-bound in Stan's process, and the warnings filter below is the process's.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from cmdstanpy.utils import disable_logging
from prophet import Prophet

from models.artifact import Artifact
from models.calendar import DEKAD, MONTHS, SECONDS, Axis
from models.contract import Model
from models.errors import InvalidInputError, PlatformError
from models.forecast.draw import LEAST_SHARE, Drawn, Scaled, express
from models.forecast.history import CONSTANT_STEPS, IGNORED, History, understand
from models.forecast.intervals import Calibration, errors_of
from models.forecast.seasonal import no_season
from models.values import UNJUDGED, Floats, Forecast, ForecastOptions, Series, Warned

TABLE = "calibration.json"
MAX_SERIES = 20
MAX_TERMS = 10
CHANGEPOINTS = 25
YEAR_DAYS, WEEK_DAYS = 365.25, 7.0
UNTRIED = Warned(
    "backtest_not_supported",
    "Mô hình này không thử lại trên số liệu quá khứ theo yêu cầu; hãy dùng forecast-core.",
    "This model is not backtested on request; use forecast-core.",
)
_FIT = threading.Lock()

Instants = np.ndarray[Any, np.dtype[np.datetime64]]


@dataclass(frozen=True, slots=True)
class Curve:
    """Prophet's fit to one history: fitted values (steps,), forecast and trend (horizon,), on the scaled values."""

    fitted: Floats
    ahead: Floats
    trend: Floats


@dataclass(frozen=True, slots=True)
class Asked:
    """A prepared batch."""

    series: Sequence[Series]
    options: ForecastOptions
    histories: list[History | PlatformError]


@dataclass(frozen=True, slots=True)
class Fitted:
    """One series fitted and drawn; `tried` says whether a backtest was asked for, which this model does not do."""

    series: Series
    history: History
    curve: Curve
    drawn: Drawn
    tried: bool


class Additive(Model[Series, ForecastOptions, Forecast]):
    """Prophet with conformal quantiles, at most `MAX_SERIES` a call; kind `forecast.additive/1`."""

    tasks: ClassVar[tuple[str, ...]] = ("forecast",)

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration

    @classmethod
    def open(cls, artifact: Artifact) -> Self:
        """Read the calibration table. Raises IntegrityError when it is malformed."""
        return cls(Calibration.read(artifact.document(TABLE)))

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the calibration table."""
        (folder / TABLE).write_text(json.dumps(self.calibration.written(), indent=1) + "\n", encoding="utf-8")
        return {"max_series": MAX_SERIES}

    def prepare(self, items: Sequence[Series], options: ForecastOptions) -> Asked:
        """Fill and scale every series. Raises InvalidInputError for more than `MAX_SERIES`."""
        if len(items) > MAX_SERIES:
            raise InvalidInputError.at(
                "/inputs",
                f"Mô hình này nhận tối đa {MAX_SERIES} chuỗi mỗi lần gọi; nhiều hơn thì gửi thành tác vụ.",
                f"This model takes at most {MAX_SERIES} series a call; send more as a job.",
                code="too-many-series",
            )
        return Asked(items, options, [understand(series, options) for series in items])

    def compute(self, prepared: Asked) -> list[Fitted | PlatformError]:
        """Fit and forecast one series after the other."""
        out: list[Fitted | PlatformError] = []
        for series, history in zip(prepared.series, prepared.histories, strict=True):
            if isinstance(history, PlatformError):
                out.append(history)
                continue
            curve = fit_curve(series, history, prepared.options.horizon, prepared.options.holidays)
            drawn = express(
                history, judged(history, curve, self.calibration), curve.ahead[None], prepared.options.horizon,
                prepared.options.quantiles, self.calibration, no_season(False),
            )  # fmt: skip
            out.append(Fitted(series, history, curve, drawn, bool(prepared.options.backtest_origins)))
        return out

    def finish(self, computed: list[Fitted | PlatformError]) -> list[Forecast | PlatformError]:
        """One forecast a series, its axis starting at the first step after the series."""
        return [one if isinstance(one, PlatformError) else self._answer(one) for one in computed]

    @staticmethod
    def _answer(fitted: Fitted) -> Forecast:
        series, history, drawn = fitted.series, fitted.history, fitted.drawn
        trend = fitted.curve.trend[history.skipped :] * history.scale
        return Forecast(
            name=series.name,
            mean=drawn.mean,
            quantiles=dict(zip(drawn.levels, drawn.quantiles, strict=True)),
            axis=series.axis.shift(len(series.values)),
            method="prophet",
            warnings=(*_remarks(series, history), *((UNTRIED,) if fitted.tried else ())),
            accuracy=replace(UNJUDGED, text_vi=UNTRIED.vi) if fitted.tried else UNJUDGED,
            components={"trend": trend, "season": drawn.mean - trend} if history.running is None else None,
        )

    def samples(self) -> tuple[Sequence[Series], ForecastOptions]:
        """One monthly series with trend and season, eight years."""
        months = np.arange(96.0)
        values = (100 + months) * (1 + 0.2 * np.sin(2 * np.pi * months / 12))
        return [Series("s", values, Axis.parse("M", "2017-01"))], ForecastOptions(horizon=12)


def _remarks(series: Series, history: History) -> tuple[Warned, ...]:
    used = series.axis.frequency.unit in ("D", "H", "min") and not series.known_future
    return tuple(w for w in history.warnings if not (used and w is IGNORED))


def judged(history: History, curve: Curve, calibration: Calibration) -> Scaled:
    """The curve with its mean in-sample error as the scale of every step; growth lies in the radii."""
    is_log = bool(history.raw.min() > 0)
    least = LEAST_SHARE * float(history.raw.min()) if is_log else 0.0
    error = float(errors_of(history.raw, curve.fitted, is_log, least).mean())
    if len(history.raw) < CONSTANT_STEPS:
        prior = calibration.family(history.period, is_log).prior
        error = max(error, prior if is_log else prior * float(np.abs(history.raw).mean()))
    ahead = np.maximum(curve.ahead, least) if is_log else curve.ahead
    return Scaled(ahead, np.full(len(ahead), error), is_log, least)


def fit_curve(series: Series, history: History, horizon: int, holidays: str | None) -> Curve:
    """Fit Prophet to a history and project it over the skipped and the asked steps."""
    steps = horizon + history.skipped
    last = int(np.flatnonzero(np.isfinite(series.values))[-1])
    first = last - len(history.raw) + 1
    whole = series.axis.instants(first, len(history.raw) + steps)
    if len(history.raw) < 3 or float(np.ptp(history.raw)) == 0:
        level = np.full(steps, history.raw.mean())
        return Curve(np.full(len(history.raw), history.raw.mean()), level, level)
    with _FIT, disable_logging(), warnings.catch_warnings():
        # prophet 1.5 calls pandas with arguments that pandas 3.1 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        model = _model(series.axis, history, whole[: len(history.raw)], holidays)
        model.fit(pd.DataFrame({"ds": whole[: len(history.raw)], "y": history.raw}))
        found = model.predict(pd.DataFrame({"ds": whole}))
    values, trend = (np.nan_to_num(found[name].to_numpy(dtype=np.float64)) for name in ("yhat", "trend"))
    room = 3 * float(np.ptp(history.raw)) * (1 + np.arange(len(values)) / len(history.raw))
    values = np.clip(values, history.raw.min() - room, history.raw.max() + room)
    n = len(history.raw)
    return Curve(values[:n], values[n:], trend[n:])


def _model(axis: Axis, history: History, times: Instants, holidays: str | None) -> Prophet:
    """A Prophet with the seasons that the frequency and the length of the history allow."""
    n = len(history.raw)
    model = Prophet(
        n_changepoints=max(1, min(CHANGEPOINTS, n // 3)),
        yearly_seasonality=False,
        weekly_seasonality=False,
        daily_seasonality=False,
        seasonality_mode="multiplicative" if history.raw.min() > 0 else "additive",
        uncertainty_samples=0,
    )
    days = float((times[-1] - times[0]) / np.timedelta64(1, "s")) / 86_400
    step = days / (n - 1)
    for name, length, terms in _seasons(axis, history.period, step):
        if days >= 2 * length:
            model.add_seasonality(name, period=length, fourier_order=terms)
    if holidays == "VN" and axis.frequency.unit in ("D", "H", "min"):
        model.add_country_holidays("VN")
    return model


def _seasons(axis: Axis, period: int, step_days: float) -> list[tuple[str, float, int]]:
    """Name, days and Fourier terms of each season: the asked one, and the year and week that contain it."""
    unit = axis.frequency.unit
    own = YEAR_DAYS if unit in ("W", DEKAD, *MONTHS) and period == axis.season else period * step_days
    found = [("season", own, max(1, min(MAX_TERMS, period // 2)))] if period > 1 else []
    if unit in ("H", "min") and own < WEEK_DAYS:
        found.append(("week", WEEK_DAYS, 3))
    if unit in SECONDS and own < YEAR_DAYS / 2:
        found.append(("year", YEAR_DAYS, MAX_TERMS))
    return found
