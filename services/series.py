"""Series on the wire and as values: what both time series endpoints take.

Decision: what breaks a rule of the contract (an unknown frequency, a name twice, sizes) refuses the call with its
pointer; what merely makes a series hard (short, gaps, odd times) is carried into the answer as warnings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from models.calendar import Axis
from models.errors import InvalidInputError
from models.timeline import arrange
from models.values import Floats, Kind, Measure, Series, Warned

MAX_SERIES: Final = 1_000
MAX_POINTS: Final = 2_000_000
LARGEST: Final = 1e30
INLINE_POINTS: Final = 20_000
UNIVARIATE: Final = "univariate_time_series"

Word = Annotated[str, Meta(max_length=128)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
Stamp = Annotated[str, Meta(min_length=4, max_length=40)]
Values = list[float | None]


class WireSeries(msgspec.Struct, forbid_unknown_fields=True):
    """One series. `name` is unique in the call; the times are `start_timestamp` or `timestamps`; null is missing."""

    name: Name
    series: Values
    frequency: Annotated[str, Meta(min_length=1, max_length=16, description="30min, H, D, W, W-SUN, 10D, M, Q, Y")]
    type: Literal["univariate_time_series"] | None = None
    start_timestamp: Stamp | None = None
    timestamps: list[Stamp] | None = None
    kind: Kind | None = None
    measure: Measure | None = None
    unit: Word | None = None
    place: Word | None = None
    parent: Name | None = None
    group: Word | None = None
    known_future: dict[str, Values] | None = None
    past_covariates: dict[str, Values] | None = None


Inputs = Annotated[list[WireSeries], Meta(min_length=1, extra_json_schema={"maxItems": MAX_SERIES})]


@dataclass(frozen=True, slots=True)
class Taken:
    """A series as value; `index` maps each value as sent to its step on the axis, None when they are the same."""

    series: Series
    sent: int
    index: npt.NDArray[np.int64] | None
    warnings: tuple[Warned, ...]


def check_sizes(inputs: Sequence[WireSeries]) -> int:
    """The points of a call. Raises InvalidInputError: too many series or points (413), a name twice (422)."""
    if len(inputs) > MAX_SERIES:
        vi, en = f"Tối đa {MAX_SERIES} chuỗi mỗi lần gọi.", f"At most {MAX_SERIES} series a call."
        raise InvalidInputError.at("/inputs", vi, en, code="too-large")
    points = sum(len(series.series) for series in inputs)
    if points > MAX_POINTS:
        vi, en = f"Tối đa {MAX_POINTS} điểm mỗi lần gọi.", f"At most {MAX_POINTS} points a call."
        raise InvalidInputError.at("/inputs", vi, en, code="too-large")
    seen: set[str] = set()
    for place, series in enumerate(inputs):
        if series.name in seen:
            vi, en = "Tên chuỗi phải khác nhau trong một lần gọi.", "Names of series must differ within a call."
            raise InvalidInputError.at(f"/inputs/{place}/name", vi, en, code="duplicate-name")
        seen.add(series.name)
    return points


def take(inputs: Sequence[WireSeries]) -> list[Taken]:
    """The series as values. Raises InvalidInputError with the pointer of what breaks a rule."""
    return [_taken(series, f"/inputs/{place}") for place, series in enumerate(inputs)]


def _taken(wire: WireSeries, pointer: str) -> Taken:
    for name in ("known_future", "past_covariates"):
        if getattr(wire, name):
            vi = f"Chưa hỗ trợ {name}; hãy bỏ trường này hoặc để null."
            en = f"{name} is not supported yet; leave it out or send null."
            raise InvalidInputError.at(f"{pointer}/{name}", vi, en, code="unsupported-option")
    values = _values(wire.series, pointer)
    if (wire.timestamps is None) == (wire.start_timestamp is None):
        vi, en = "Cần đúng một trong start_timestamp, timestamps.", "Give one of start_timestamp and timestamps."
        raise InvalidInputError.at(f"{pointer}/start_timestamp", vi, en, code="bad-timestamps")
    if wire.start_timestamp is not None:
        axis = Axis.parse(wire.frequency, wire.start_timestamp, pointer)
        return Taken(_series(wire, values, axis), len(values), None, ())
    line = arrange(wire.timestamps or (), values, wire.frequency, pointer)
    plain = len(line.values) == len(values) and bool((line.index == np.arange(len(values))).all())
    return Taken(_series(wire, line.values, line.axis), len(values), None if plain else line.index, line.warnings)


def _values(sent: Values, pointer: str) -> Floats:
    values: Floats = np.array(sent, dtype=np.float64)  # None becomes NaN
    large = np.abs(values) > LARGEST
    if large.any():
        vi, en = f"Số quá lớn; cho phép đến {LARGEST:g}.", f"The number is too large; allowed up to {LARGEST:g}."
        raise InvalidInputError.at(f"{pointer}/series/{int(large.argmax())}", vi, en, code="number-out-of-range")
    return values


def _series(wire: WireSeries, values: Floats, axis: Axis) -> Series:
    return Series(
        wire.name, values, axis, wire.kind, wire.measure, wire.unit, wire.place, wire.parent, wire.group,
    )  # fmt: skip


def numbers(values: Floats, index: npt.NDArray[np.int64] | None = None) -> list[float | None]:
    """An array as JSON numbers, NaN as null, in the order the caller sent when `index` is given."""
    listed: list[float | None] = (values if index is None else values[index]).tolist()
    if np.isfinite(values).all():
        return listed
    return [value if value is not None and abs(value) < float("inf") else None for value in listed]


def told(warnings: Sequence[Warned]) -> list[dict[str, str]]:
    """Warnings on the wire."""
    return [{"code": warning.code, "vi": warning.vi, "en": warning.en} for warning in warnings]


def weigh(series: Series) -> int:
    """The units of one series for the estimate of computing time: its points, and what any series costs."""
    return len(series.values) + 60


def sizes(items: Sequence[Taken]) -> Iterator[int]:
    """The weights of several series."""
    return (weigh(item.series) for item in items)


def shortest(level: float) -> str:
    """A quantile level as its shortest decimal: `0.1`."""
    return str(np.format_float_positional(level, trim="-"))


def refuse_over(total: int, pointer: str) -> None:
    """Refuse an answer of more than `MAX_POINTS` numbers. Raises InvalidInputError (413)."""
    if total > MAX_POINTS:
        vi = f"Kết quả sẽ vượt quá {MAX_POINTS} số; hãy gửi ít chuỗi, kỳ hoặc phân vị hơn."
        en = f"The answer would hold more than {MAX_POINTS} numbers; send fewer series, periods or quantiles."
        raise InvalidInputError.at(pointer, vi, en, code="too-large")


def as_wire(found: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Arrays of a mapping as JSON numbers."""
    return None if found is None else {name: numbers(np.asarray(values)) for name, values in found.items()}
