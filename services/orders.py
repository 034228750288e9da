"""What a job is asked to do, checked as strictly as the synchronous endpoint would.

Decision: `data` is decoded by the very types of the synchronous endpoints and `parameters` by their options, so a job
refuses what the endpoint refuses, at once and with the same pointers; a file is judged when it is read. What is kept
is the caller's own JSON, byte for byte: the worker reads what was checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from models.errors import Fault, InvalidInputError
from models.tabular.columns import table_of
from models.values import Column
from services.routes.tabular import MAX_CELLS, TASK, WireColumn, WireTabularOptions, tabular_options
from services.routes.timeseries import WireAnomalyOptions, WireForecastOptions, anomaly_options, forecast_options
from services.series import Inputs, check_sizes, take
from services.strict_json import Decoder


class SeriesData(msgspec.Struct, forbid_unknown_fields=True):
    """Inline series: what the synchronous endpoint takes."""

    inputs: Inputs


class TableData(msgspec.Struct, forbid_unknown_fields=True):
    """An inline table: what the synchronous endpoint takes."""

    columns: Annotated[list[WireColumn], Meta(min_length=1)]
    rows: Annotated[list[list[str | int | float | bool | None]], Meta(min_length=1)]
    labels: list[bool | int | None] | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One type of job: the task whose model does it, and how its parameters and inline data are checked.

    `options` says what the parameters mean together, `check` gives the units of inline data (points, cells).
    """

    task: str
    parameters: Decoder[Any]
    options: Callable[[Any], Any]
    check: Callable[[bytes], int]


def _series(data: bytes) -> int:
    found = SERIES.decode(data)
    points = check_sizes(found.inputs)
    take(found.inputs)
    return points


def _table(data: bytes) -> int:
    found = TABLE.decode(data)
    cells = len(found.rows) * len(found.columns)
    if cells > MAX_CELLS:
        vi, en = f"Tối đa {MAX_CELLS} ô; nhiều hơn thì gửi tệp.", f"At most {MAX_CELLS} cells; send more as a file."
        raise InvalidInputError.at("/rows", vi, en, code="too-large")
    table_of([Column(column.name, column.type) for column in found.columns], found.rows)
    return cells


SERIES: Final = Decoder(SeriesData)
TABLE: Final = Decoder(TableData)
ORDERS: Final[Mapping[str, Order]] = {
    "anomaly.series": Order("anomalies", Decoder(WireAnomalyOptions, empty_allowed=True), anomaly_options, _series),
    "anomaly.tabular": Order(TASK, Decoder(WireTabularOptions, empty_allowed=True), tabular_options, _table),
    "forecast": Order("forecast", Decoder(WireForecastOptions), forecast_options, _series),
}
"""The types of jobs."""


def check_parameters(order: Order, parameters: bytes) -> dict[str, Any]:
    """The parameters as they were sent. Raises InvalidInputError with pointers below `/parameters`."""
    try:
        order.options(order.parameters.decode(parameters))
    except InvalidInputError as error:
        raise _below("/parameters", error) from error
    found: dict[str, Any] = msgspec.json.decode(parameters or b"{}")
    return {name: value for name, value in found.items() if value is not None}


def check_data(order: Order, data: bytes) -> int:
    """The units of inline data. Raises InvalidInputError with pointers below `/input/data`."""
    try:
        return order.check(data)
    except InvalidInputError as error:
        raise _below("/input/data", error) from error


def _below(place: str, error: InvalidInputError) -> InvalidInputError:
    """The same refusal, with pointers from the whole request's root."""
    faults = [Fault(place + fault.pointer.removeprefix("/options"), fault.vi, fault.en) for fault in error.faults]
    code = {"empty-body": "missing-field"}.get(error.word, error.word)
    return InvalidInputError(error.note.vi, error.note.en, faults, code=code)
