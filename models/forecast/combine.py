"""The bundled forecaster: the median of seasonal naive, Theta, damped smoothing and complex smoothing.

Decision: the median of few different simple forecasts is hard to beat and hard to break (Petropoulos & Svetunkov 2020):
one member gone wrong is outvoted. Its intervals are conformal (`intervals`), its only weights a small table.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from models.artifact import Artifact
from models.calendar import Axis
from models.contract import Model
from models.errors import PlatformError
from models.forecast.backtest import Cuts, cut, judge
from models.forecast.draw import Drawn, draw
from models.forecast.history import History, understand
from models.forecast.intervals import Calibration
from models.forecast.members import METHOD, NAMES
from models.values import UNJUDGED, Accuracy, Forecast, ForecastOptions, Series, Warned

TABLE = "calibration.json"
BEATEN = Warned(
    "worse_than_seasonal_naive",
    "Trên số liệu quá khứ, lấy lại số cùng kỳ trước cho kết quả tốt hơn dự báo này.",
    "On past data, repeating the last season does better than this forecast.",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A prepared batch: each series with its history or the error that stands for it, and its cuts in the past."""

    series: Sequence[Series]
    options: ForecastOptions
    histories: list[History | PlatformError]
    cuts: list[Cuts | None]


@dataclass(frozen=True, slots=True)
class Answered:
    """A computed batch: what was asked and, in order, what was drawn and how past draws fared."""

    asked: Asked
    drawn: list[Drawn | PlatformError]
    accuracy: list[Accuracy]


class Combination(Model[Series, ForecastOptions, Forecast]):
    """Median of four members with conformal quantiles; kind `forecast.core/1`."""

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
        return {"members": list(NAMES)}

    def prepare(self, items: Sequence[Series], options: ForecastOptions) -> Asked:
        """Fill, scale and adjust every series; where a backtest is asked, cut it in the past too."""
        histories = [understand(series, options) for series in items]
        cuts = [
            cut(history, options.horizon, options.backtest_origins)
            if options.backtest_origins and isinstance(history, History)
            else None
            for history in histories
        ]
        return Asked(items, options, histories, cuts)

    def compute(self, prepared: Asked) -> Answered:
        """Fit and project all series at once."""
        options = prepared.options
        usable = [history for history in prepared.histories if isinstance(history, History)]
        found = iter(draw(usable, options.horizon, options.quantiles, self.calibration))
        drawn = [h if isinstance(h, PlatformError) else next(found) for h in prepared.histories]
        return Answered(prepared, drawn, [self._past(cuts, options.horizon) for cuts in prepared.cuts])

    def _past(self, cuts: Cuts | None, horizon: int) -> Accuracy:
        if cuts is None:
            return UNJUDGED
        return judge(cuts, draw(cuts.histories, horizon, (0.1, 0.9), self.calibration))

    def finish(self, computed: Answered) -> list[Forecast | PlatformError]:
        """One forecast a series, its axis starting at the first step after the series."""
        return [
            one if isinstance(one, PlatformError) else self._answer(computed.asked, i, one, computed.accuracy[i])
            for i, one in enumerate(computed.drawn)
        ]

    def _answer(self, asked: Asked, i: int, drawn: Drawn, accuracy: Accuracy) -> Forecast:
        series, history = asked.series[i], asked.histories[i]
        return Forecast(
            name=series.name,
            mean=drawn.mean,
            quantiles=dict(zip(asked.options.quantiles, drawn.quantiles, strict=True)),
            axis=series.axis.shift(len(series.values)),
            method=METHOD,
            warnings=_remarks(history, accuracy),
            accuracy=accuracy,
            components=dict(zip(NAMES, drawn.members, strict=True)),
        )

    def samples(self) -> tuple[Sequence[Series], ForecastOptions]:
        """Eight monthly series with trend and season, ten years each."""
        months = np.arange(120.0)
        axis = Axis.parse("M", "2015-01")
        items = [
            Series(f"s{k}", (100 + k * months) * (1 + 0.2 * np.sin(2 * np.pi * (months + k) / 12)), axis)
            for k in range(8)
        ]
        return items, ForecastOptions(horizon=12)


def _remarks(history: History | PlatformError, accuracy: Accuracy) -> tuple[Warned, ...]:
    """The history's warnings, and one where the backtest says that repeating the last season does better."""
    found = history.warnings if isinstance(history, History) else ()
    return (*found, BEATEN) if accuracy.verdict == "worse" else found
