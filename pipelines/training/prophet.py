"""forecast-prophet: learn the conformal radii of Prophet's forecasts; measure it on a part of M3.

Prophet has no trained weights either. Its in-sample error says little about the future (the trend bends where it
likes), so radii are learned on known futures exactly as for forecast-core, with growth over the horizon inside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from models.calendar import Axis
from models.contract import Model
from models.forecast.additive import Additive, fit_curve, judged
from models.forecast.history import History
from models.forecast.intervals import errors_of
from models.values import Floats, Series
from pipelines.datasets import Datasets
from pipelines.recipes import Metric, Trained
from pipelines.training.calibration import Scored, families_of, neutral, radii_of, training_pairs
from pipelines.training.forecast import evaluate_on
from pipelines.training.panels import M3, NSDP, competition, national_summary

SHARE, QUICK_SHARE = 5, 60
"""One training series in so many: Prophet fits about five a second."""

EVERY, QUICK_EVERY = 15, 300
"""One M3 series in so many is measured."""

CODES = {1: "Y", 4: "Q", 12: "M", 52: "W", 7: "D", 24: "H"}


def scores(pairs: Sequence[tuple[History, Floats]], weights: Sequence[float]) -> list[Scored]:
    """Forecast every history with Prophet and hold its future against it."""
    found = []
    for (history, future), weight in zip(pairs, weights, strict=True):
        series = Series("", history.raw * history.scale, Axis.parse(CODES[history.period], "1970-01-05"))
        curve = fit_curve(series, history, len(future), None)
        one = judged(history, curve, neutral())
        errors = errors_of(future / history.scale, one.median, one.is_log, one.least)
        seen = errors_of(history.raw, curve.fitted, one.is_log, one.least)[None, :]
        scale = np.where(one.scale > 0, one.scale, np.nan)
        found.append(Scored(errors, scale, seen, history.period, one.is_log, len(history.raw), weight))
    return found


class ProphetRecipe:
    """The recipe of forecast-prophet."""

    name = "forecast-prophet"
    version = "1.0.0"
    kind = "forecast.additive/1"
    licence = "Apache-2.0"
    training = (NSDP,)
    evaluation = (M3,)

    def train(self, data: Datasets, *, threads: int, quick: bool, log: Callable[[str], None]) -> Trained:
        """Fit Prophet to a share of the training series, cut in their past, and learn the radii."""
        share = QUICK_SHARE if quick else SHARE
        pairs, weights = training_pairs(national_summary(data), share)
        log(f"{len(pairs)} forecasts of known futures")
        scored = scores(pairs, weights)
        shapes = {
            name: (0.0, float(np.median([one.inside.mean() for one in part]))) for name, part in families_of(scored)
        }
        return Trained(
            Additive(radii_of(scored, shapes)), {"share": share, "forecasts": len(pairs)}, seed=0,
            notes={"method": "prophet"},
        )  # fmt: skip

    def evaluate(self, model: Model[Any, Any, Any], data: Datasets, *, quick: bool) -> list[Metric]:
        """A fixed part of M3 with the seasonal naive forecast beside and the speed on one core."""
        every = QUICK_EVERY if quick else EVERY
        return evaluate_on(model, competition(data, M3, every), f"{M3}#every-{every}th", batch=20)


RECIPE = ProphetRecipe()
