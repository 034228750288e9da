"""The frozen things that flow between the rooms.

Plain dataclasses: no validation beyond their types (the doors validate), no behaviour beyond what their
fields mean. Offsets are Unicode code points of the text exactly as sent, `start` inclusive, `end` exclusive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models.calendar import Axis
from models.errors import Note

Floats = npt.NDArray[np.float64]
Kind = Literal["count", "positive", "real", "percent"]
Measure = Literal["flow", "stock", "ytd", "index_prev", "index_same_period", "change_pct", "rate"]

# --- language -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Document:
    """One text with the caller's own id."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class TextOptions:
    """Options of a language task."""

    explain: bool = False


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Words and sentences of one document as spans; words cover every character that is not white space."""

    tokens: list[tuple[int, int]]
    sentences: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one stretch of text added to the logit of the first label."""

    name: str
    span: tuple[int, int]
    value: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Exact linear attribution: base + sum of contributions + other = logit of the first label."""

    target: str
    base: float
    contributions: list[Contribution]
    other: float
    logit: float


@dataclass(frozen=True, slots=True)
class Labels:
    """All classes with calibrated probabilities, sorted by falling probability."""

    labels: list[tuple[str, float]]
    abstained: bool
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Restoration:
    """A text with its diacritics restored; white space, case and number of syllables as sent."""

    text: str


# --- time series --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Series:
    """One univariate series on a regular axis; NaN marks a missing value.

    `values` has shape (n,); `known_future` arrays have shape (n + horizon,).
    """

    name: str
    values: Floats
    axis: Axis
    kind: Kind | None = None
    measure: Measure | None = None
    unit: str | None = None
    place: str | None = None
    parent: str | None = None
    group: str | None = None
    known_future: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning that travels with an answer."""

    code: str
    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class ForecastOptions:
    """What is asked of a forecast; `season_length` 0 means: the frequency's own."""

    horizon: int
    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)
    holidays: str | None = None
    backtest_origins: int = 0
    season_length: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Rolling-origin accuracy of one series; `verdict` compares with the seasonal naive forecast."""

    mase: float | None
    smape: float | None
    coverage: float | None
    skill_vs_seasonal_naive: float | None
    origins: int
    verdict: Literal["better", "level", "worse", "unknown"]
    text_vi: str


UNJUDGED = Accuracy(
    None, None, None, None, 0, "unknown",
    "Chưa đánh giá: yêu cầu không kèm thử lại trên số liệu quá khứ (options.backtest).",
)  # fmt: skip
"""What is said of a forecast whose past nobody asked for."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """One answered series; every array has length `horizon`; quantile rows are ordered and never cross."""

    name: str
    mean: Floats
    quantiles: Mapping[float, Floats]
    axis: Axis
    method: str
    warnings: tuple[Warned, ...] = ()
    accuracy: Accuracy = UNJUDGED
    components: Mapping[str, Floats] | None = None


@dataclass(frozen=True, slots=True)
class AnomalyOptions:
    """What is asked of a detector; at most one of sensitivity, false_alarms_per_year and alarm_budget.

    The budget holds over the whole table, or for each `budget_per` (by the period in which an event begins), and for
    all places together or, with scope `unit`, for each.
    """

    mode: Literal["batch", "last", "stream"] = "batch"
    sensitivity: int | None = None
    false_alarms_per_year: float | None = None
    alarm_budget: int | None = None
    direction: Literal["both", "up", "down"] = "both"
    min_effect_absolute: float = 0.0
    min_effect_relative: float = 0.0
    holidays: str | None = None
    suppress_window: int = 0
    season_length: int = 0
    budget_per: Literal["week", "month"] | None = None
    budget_scope: Literal["job", "unit"] = "job"


EventKind = Literal[
    "spike", "dip", "level_shift", "trend_change", "season_change", "missing_report", "backfilled_report",
    "unit_change", "negative_correction", "outbreak",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """A stretch of strange points with one cause; `id` is stable over re-runs on the same data.

    `start` and `end` are indices into the series, both inclusive. `expected` and `actual` are as sent; where another
    form was modelled (flows of a cumulative figure) `as_modelled` holds that pair. `checks` are what to look at first,
    `peers` the names of other series of the table that moved with it.
    """

    id: str
    start: int
    end: int
    kind: EventKind
    direction: Literal["up", "down"]
    severity: int
    expected: float | None
    actual: float | None
    p_value: float
    likely: Literal["world", "data", "both"]
    reason: Note
    open: bool
    checks: tuple[Note, ...] = ()
    peers: tuple[str, ...] = ()
    as_modelled: tuple[float | None, float | None] | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What a detector says of one series; arrays have the series' length, NaN where nothing can be said.

    `held_back` counts the events that an alarm budget over the whole table left out.
    """

    name: str
    score: Floats
    p_value: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    is_anomaly: npt.NDArray[np.bool_]
    events: tuple[Event, ...]
    axis: Axis
    warnings: tuple[Warned, ...] = ()
    held_back: int = 0


# --- tables -------------------------------------------------------------------------------------------------

ColumnType = Literal["number", "category", "boolean", "date"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Table:
    """A table by columns, each of `count` cells.

    Cells of a category are places in that column's `words` (-1 is missing); all others are floats, NaN is missing, a
    date is days since 1970, a truth value 0 or 1.
    """

    columns: tuple[Column, ...]
    cells: tuple[npt.NDArray[Any], ...]
    words: tuple[tuple[str, ...], ...]
    count: int
    labels: npt.NDArray[np.int8] | None = None
    """What is known of rows: 1 strange, 0 not, -1 unknown."""


@dataclass(frozen=True, slots=True)
class TabularOptions:
    """What is asked of a detector of strange rows.

    `expected_share` flags that share of the rows, None those beyond the calibrated limit; `reasons` is the largest
    number of columns named for a row, `explain` the rows that get reasons.
    """

    expected_share: float | None = None
    reasons: int = 3
    explain: Literal["anomalies", "all"] = "anomalies"


@dataclass(frozen=True, slots=True)
class Reason:
    """A column's part in a row's score, and a sentence; the contributions of all columns sum to 1."""

    column: str
    contribution: float
    text: Note


@dataclass(frozen=True, slots=True)
class RowFindings:
    """What a detector says of the rows of a table, in their order; `reasons` is as long as `score`."""

    score: Floats
    is_anomaly: npt.NDArray[np.bool_]
    reasons: tuple[tuple[Reason, ...], ...]
    warnings: tuple[Warned, ...] = ()
