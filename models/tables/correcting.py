"""A reading corrected by the person who knows the file, and a kept pattern laid over the next file.

{"answers": {"year": "2011", "measure-3": "stock"}}          answers to questions, by their id
{"tables": [{"index": 3, "columns": [{"index": 4, "role": "ignore"}]}]}   fields of tables and columns
{"name": "Niên giám bệnh truyền nhiễm"}                       the reading kept as a pattern
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.errors import InvalidInputError
from models.tables.guess import frequency_of
from models.tables.shape import Column, Coverage, Question, Reading, Table
from models.tables.wire import reading_from_dict, reading_to_dict

_YEAR = re.compile(r"(?:19|20)\d\d")
_PERIOD = re.compile(r"(?:19|20)\d\d(?:-(?:0[1-9]|1[0-2])(?:-\d\d)?|-Q[1-4]|-W\d\d)?")


def correct(reading: Reading, changes: Mapping[str, Any]) -> Reading:
    """The reading with answers and changed fields. A question that was answered is gone. Raises InvalidInputError."""
    unknown = set(changes) - {"answers", "tables", "name", "confidence", "questions", "warnings", "id"}
    if unknown:
        raise _fault(f"/{sorted(unknown)[0]}")
    if "name" in changes and not (changes["name"] is None or isinstance(changes["name"], str)):
        raise _fault("/name")
    reading = replace(reading, name=changes.get("name", reading.name))
    if "tables" in changes:
        reading = _retabled(reading, changes["tables"])
    answers = changes.get("answers", {})
    if not isinstance(answers, Mapping):
        raise _fault("/answers")
    for name, answer in answers.items():
        question = next((q for q in reading.questions if q.id == name), None)
        if question is None or not isinstance(answer, str):
            raise _fault(f"/answers/{name}")
        reading = _answered(reading, question, answer)
    confidence = 1.0 if not reading.questions else reading.confidence
    return replace(reading, confidence=confidence)


def _retabled(reading: Reading, changed: Any) -> Reading:
    """Fields of tables and of their columns laid over the reading, then checked as a whole."""
    if not isinstance(changed, list):
        raise _fault("/tables")
    data = reading_to_dict(reading)
    touched: set[int] = set()
    for at, table in enumerate(changed):
        index = table.get("index", at) if isinstance(table, Mapping) else None
        if not isinstance(index, int) or not 0 <= index < len(data["tables"]):
            raise _fault(f"/tables/{at}/index")
        target = data["tables"][index]
        for name, value in table.items():
            if name == "columns":
                _recolumned(target, value, f"/tables/{at}/columns")
            elif name == "period" and isinstance(value, Mapping):
                target["period"] = {**target["period"], **value}
            elif name != "index":
                target[name] = value
        touched.add(index)
    settled = reading_from_dict(data)
    return replace(settled, questions=_left(settled, reading, touched))


def _recolumned(table: dict[str, Any], changed: Any, pointer: str) -> None:
    if not isinstance(changed, list):
        raise _fault(pointer)
    by_index = {column["index"]: column for column in table["columns"]}
    for at, column in enumerate(changed):
        if not isinstance(column, Mapping) or not isinstance(column.get("index"), int):
            raise _fault(f"{pointer}/{at}/index")
        if column["index"] not in by_index:
            raise _fault(f"{pointer}/{at}/index")
        by_index[column["index"]].update(column)


def _left(now: Reading, before: Reading, touched: set[int]) -> tuple[Question, ...]:
    """The questions whose tables were not all settled by what was changed."""
    left: list[Question] = []
    for question in now.questions:
        tables = tuple(at for at in question.tables if not (at in touched and _settled(question, now, before, at)))
        if tables:
            left.append(replace(question, tables=tables))
    return tuple(left)


def _settled(question: Question, now: Reading, before: Reading, at: int) -> bool:
    """Whether a table's change answers a question about it."""
    new, old = now.tables[at], before.tables[at]
    if question.code == "year_unknown":
        return not any((column.period or "").startswith("?") for column in new.columns)
    return new.columns != old.columns or new.header_rows != old.header_rows


def _answered(reading: Reading, question: Question, answer: str) -> Reading:
    """One answer carried into the tables that it is about."""
    allowed = {option.value for option in question.options}
    change = {
        "year_unknown": _with_year, "period_unknown": _with_period, "measure_unknown": _with_measure,
        "column_without_heading": _with_role, "row_without_label": _unchanged,
        "no_header": _unchanged, "sheet_not_understood": _unchanged,
        "number_format": _with_format, "date_order": _with_order,
    }.get(question.code)  # fmt: skip
    free = question.code in ("year_unknown", "period_unknown", "no_header")
    if change is None or (allowed and not free and answer not in allowed):
        raise _fault(f"/answers/{question.id}")
    if question.code == "year_unknown" and not _YEAR.fullmatch(answer):
        raise _fault(f"/answers/{question.id}")
    if question.code == "period_unknown" and not _PERIOD.fullmatch(answer):
        raise _fault(f"/answers/{question.id}")
    tables = tuple(
        change(table, question, answer) if at in question.tables else table for at, table in enumerate(reading.tables)
    )
    return replace(reading, tables=tables, questions=tuple(q for q in reading.questions if q.id != question.id))


def _unchanged(table: Table, question: Question, answer: str) -> Table:
    return table


def _with_year(table: Table, question: Question, answer: str) -> Table:
    if any(column.role == "time" for column in table.columns):
        return replace(table, period=replace(table.period, first=answer, last=answer))
    columns = tuple(replace(c, period=c.period.replace("?", answer, 1)) if c.period else c for c in table.columns)
    return covered(replace(table, columns=columns))


def _with_period(table: Table, question: Question, answer: str) -> Table:
    columns = tuple(
        replace(c, period=answer) if c.role == "value" and c.period == question.guess else c for c in table.columns
    )
    return covered(replace(table, columns=columns))


def _with_measure(table: Table, question: Question, answer: str) -> Table:
    asked = set(question.columns)
    columns = tuple(
        replace(c, measure=answer) if c.index in asked and c.role == "value" else c  # type: ignore[arg-type]
        for c in table.columns
    )
    return replace(table, columns=columns)


def _with_role(table: Table, question: Question, answer: str) -> Table:
    def changed(column: Column) -> Column:
        if column.role != "ignore" or column.name or column.type != "number" or answer != "value":
            return column
        return replace(column, role="value", measure="flow", period=table.period.last)

    return replace(table, columns=tuple(changed(column) for column in table.columns))


def _with_format(table: Table, question: Question, answer: str) -> Table:
    asked = set(question.columns)
    columns = tuple(replace(c, number_format=answer) if c.index in asked else c for c in table.columns)  # type: ignore[arg-type]
    return replace(table, columns=columns)


def _with_order(table: Table, question: Question, answer: str) -> Table:
    asked = set(question.columns)
    columns = tuple(replace(c, date_order=answer) if c.index in asked else c for c in table.columns)  # type: ignore[arg-type]
    return replace(table, columns=columns)


def covered(table: Table) -> Table:
    """The table with its first and last period told anew."""
    names = sorted({c.period for c in table.columns if c.period and c.role == "value" and not c.period.startswith("?")})
    if not names:
        return table
    return replace(table, period=Coverage(table.period.source, names[0], names[-1], frequency_of(names[0])))


def apply_pattern(pattern: Reading, fresh: Reading) -> Reading:
    """What a person settled in a kept reading, laid over the first guess at the next file of its kind.

    Roles, measures, units, names of series, number forms and markers are taken over; periods are the new file's own.
    Questions that the pattern has no longer are not asked again, save those about the year or the period.
    """
    if len(pattern.tables) != len(fresh.tables):
        return fresh
    tables = tuple(_overlaid(old, new) for old, new in zip(pattern.tables, fresh.tables, strict=True))
    open_codes = {question.code for question in pattern.questions} | {"year_unknown", "period_unknown"}
    questions = tuple(question for question in fresh.questions if question.code in open_codes)
    confidence = fresh.confidence if questions else 1.0
    return replace(fresh, tables=tables, questions=questions, confidence=confidence, name=pattern.name)


def _overlaid(old: Table, new: Table) -> Table:
    known = {column.index: column for column in old.columns}
    columns = tuple(_taken(known.get(column.index), column, new) for column in new.columns)
    return replace(
        new, columns=columns, totals=old.totals, markers=tuple({**dict(new.markers), **dict(old.markers)}.items())
    )


def _taken(was: Column | None, column: Column, table: Table) -> Column:
    """A column with what was settled about it; one that was made data takes the table's last period."""
    if was is None:
        return column
    period = column.period or (table.period.last if was.role == "value" and table.layout != "long" else None)
    return replace(column, role=was.role, type=was.type, unit=was.unit, number_format=was.number_format,
                   date_order=was.date_order, measure=was.measure, series=was.series, period=period)  # fmt: skip


def _fault(pointer: str) -> InvalidInputError:
    return InvalidInputError.at(
        pointer,
        "Câu trả lời hoặc sửa đổi không khớp với cách đọc này.",
        "The answer or change does not fit this reading.",
        code="bad-reading",
    )
