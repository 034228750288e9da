"""The client's method for tables; `services.client.Client` has it.

Decision: the types of columns are read from the values (numbers, yes or no, dates, else categories) unless the caller
says them, because a table that a person has at hand rarely carries them; what a cell must be is judged by the platform.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal

from models.errors import InvalidInputError
from services.frames import frame, is_table
from services.results import Answer
from services.transport import Transport

TableIn = Any
"""The API's `{"columns", "rows"}`, a DataFrame, or rows as `[{column: value}]`."""

ColumnType = Literal["number", "category", "boolean", "date"]
PATH: Final = "/v1/tabular/anomalies"


@dataclass(frozen=True, slots=True)
class RowAnswer(Answer):
    """The answer of a search for strange rows."""

    table: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scores(self) -> list[float]:
        """How strange each row is; a larger score is stranger."""
        return self._all("score")

    @property
    def flagged(self) -> list[int]:
        """The numbers of the strange rows, from 0, the strangest first."""
        marks = self._all("is_anomaly")
        return sorted((row for row, mark in enumerate(marks) if mark), key=lambda row: -self.scores[row])

    @property
    def reasons(self) -> list[list[dict[str, Any]]]:
        """For each row the columns that made it strange, with sentences; empty where nothing was asked."""
        return self._all("reasons")

    @property
    def warnings(self) -> list[dict[str, str]]:
        """What should be known of the table."""
        return self._all("warnings")

    def frame(self) -> Any:
        """A DataFrame: the table as sent, with `score` and `is_anomaly`."""
        names = [column["name"] for column in self.table["columns"]]
        found = zip(self.table["rows"], self.scores, self._all("is_anomaly"), strict=True)
        return frame([dict(zip(names, row, strict=True)) | {"score": s, "is_anomaly": a} for row, s, a in found])


class TableMethods:
    """Tables."""

    _line: Transport

    def strange_rows(
        self,
        table: TableIn,
        *,
        types: Mapping[str, ColumnType] | None = None,
        labels: Sequence[bool | int | None] | None = None,
        model: str | None = None,
        **options: Any,
    ) -> RowAnswer:
        """Strange rows of a table, with the columns that made them so.

        `types` says what columns are where their values do not; `options` are the API's (expected_share, reasons,
        explain). Raises InvalidInputError for what is no table.
        """
        sent = table_of(table, types or {})
        given = {"labels": None if labels is None else list(labels), "model": model, "options": options or None}
        body = sent | {name: value for name, value in given.items() if value is not None}
        return RowAnswer((self._line.predict(PATH, body),), sent)


def table_of(table: TableIn, types: Mapping[str, ColumnType]) -> dict[str, Any]:
    """The API's `columns` and `rows`. Raises InvalidInputError."""
    if isinstance(table, Mapping) and {"columns", "rows"} <= set(table):
        return {"columns": list(table["columns"]), "rows": list(table["rows"])}
    if is_table(table):
        names = [str(name) for name in table.columns]
        cells = [table.iloc[:, place].tolist() for place in range(len(names))]
    else:
        found = list(table)
        if not found or not all(isinstance(row, Mapping) for row in found):
            vi, en = "Cần một bảng: DataFrame, các dòng {cột: giá trị}.", "A table is needed: a DataFrame, or rows."
            raise InvalidInputError(vi, en, code="bad-table")
        names = list(dict.fromkeys(str(name) for row in found for name in row))
        cells = [[row.get(name) for row in found] for name in names]
    kinds = [types.get(name) or type_of(column) for name, column in zip(names, cells, strict=True)]
    columns = [{"name": name, "type": kind} for name, kind in zip(names, kinds, strict=True)]
    told = [[_CELLS[kind](value) for value in column] for kind, column in zip(kinds, cells, strict=True)]
    return {"columns": columns, "rows": [list(row) for row in zip(*told, strict=True)]}


def type_of(values: Sequence[Any]) -> ColumnType:
    """What a column is, by its values; a column without any is a category."""
    known = [value for value in values if not _missing(value)]
    if known and all(isinstance(value, bool) for value in known):
        return "boolean"
    if known and all(_is_number(value) for value in known):
        return "number"
    return "date" if known and all(isinstance(value, date) for value in known) else "category"


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool | str | date) and hasattr(value, "__float__")


def _missing(value: Any) -> bool:
    """None, NaN, and what pandas calls missing (NA, NaT), which is not equal to itself."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    try:
        return bool(value != value)
    except TypeError:
        return True


def _number(value: Any) -> Any:
    if _missing(value):
        return None
    return value if isinstance(value, str | bool) else (int(value) if isinstance(value, int) else float(value))


def _plain(value: Any) -> Any:
    return None if _missing(value) else value


def _date(value: Any) -> Any:
    return None if _missing(value) else (value.isoformat()[:10] if isinstance(value, date) else value)


def _word(value: Any) -> Any:
    return None if _missing(value) else str(value)


_CELLS: Final[Mapping[ColumnType, Callable[[Any], Any]]] = {
    "number": _number, "boolean": _plain, "date": _date, "category": _word,
}  # fmt: skip
