"""Tables in and out of the client: pandas where the caller has it, without asking for it.

Decision: pandas is never imported to *recognise* a table; what has columns and an index is one. Only `frame()` asks
for it, by name, when the caller wants a DataFrame back.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, Final

from models.errors import InvalidInputError

PANDAS_FREQUENCY: Final = (
    (re.compile(r"(?:MS|ME|M|BMS|BME|BM)"), "M"),
    (re.compile(r"(?:QS|QE|Q|BQS|BQE|BQ)(?:-[A-Z]{3})?"), "Q"),
    (re.compile(r"(?:YS|YE|Y|AS|A|BYS|BYE)(?:-[A-Z]{3})?"), "Y"),
    (re.compile(r"[hH]"), "H"),
    (re.compile(r"D"), "D"),
    (re.compile(r"(W(?:-[A-Z]{3})?)"), None),
    (re.compile(r"(\d+(?:min|D))"), None),
)

Texts = Any
"""A string, strings, `{id: text}`, `[{"id", "text"}]`, a pandas Series, or a DataFrame with `text` (and `id`)."""

SeriesIn = Any
"""The API's own inputs, `{name: values}`, a pandas Series, or a DataFrame with one column for each series."""


def is_table(found: Any) -> bool:
    """Whether this is a DataFrame (pandas, polars through to_pandas is the caller's): columns and an index."""
    return hasattr(found, "columns") and hasattr(found, "index") and hasattr(found, "to_dict")


def is_column(found: Any) -> bool:
    """Whether this is a pandas Series: an index and values, but no columns."""
    return hasattr(found, "index") and hasattr(found, "tolist") and not hasattr(found, "columns")


def documents_of(texts: Texts) -> list[dict[str, str]]:
    """The API's `documents`; ids are the caller's where there are any, else positions.

    Raises InvalidInputError when no text can be found in what was given.
    """
    if isinstance(texts, str):
        return [{"id": "0", "text": texts}]
    if is_table(texts):
        if "text" not in list(texts.columns):
            raise _no("Bảng phải có cột text.", "The table must have a column text.")
        ids = texts["id"].tolist() if "id" in list(texts.columns) else list(texts.index)
        return _paired(ids, texts["text"].tolist())
    if is_column(texts):
        return _paired(list(texts.index), texts.tolist())
    if isinstance(texts, Mapping):
        return _paired(list(texts), list(texts.values()))
    found = list(texts)
    if all(isinstance(one, str) for one in found):
        return _paired(range(len(found)), found)
    if all(isinstance(one, Mapping) and "text" in one for one in found):
        return _paired([one.get("id", place) for place, one in enumerate(found)], [one["text"] for one in found])
    raise _no("Cần các chuỗi văn bản.", "Texts are needed: strings, or objects with id and text.")


def _paired(ids: Iterable[Any], texts: Sequence[Any]) -> list[dict[str, str]]:
    if not all(isinstance(text, str) for text in texts):
        raise _no("Mỗi văn bản phải là chuỗi.", "Every text must be a string.")
    return [{"id": str(one), "text": text} for one, text in zip(ids, texts, strict=True)]


def series_of(series: SeriesIn, frequency: str | None, start: str | None) -> list[dict[str, Any]]:
    """The API's `inputs`. A table's frequency and times are read from its index.

    Raises InvalidInputError when the frequency or the start is neither given nor readable.
    """
    if is_table(series):
        axis = _axis_of(series.index, frequency)
        return [{"name": str(name), "series": _values(series[name].tolist()), **axis} for name in series.columns]
    if is_column(series):
        name = "series" if getattr(series, "name", None) is None else str(series.name)
        return [{"name": name, "series": _values(series.tolist()), **_axis_of(series.index, frequency)}]
    if isinstance(series, Mapping):
        if frequency is None or start is None:
            raise _no("Cần frequency và start.", "frequency and start are needed with {name: values}.")
        axis = {"frequency": frequency, "start_timestamp": start}
        return [{"name": str(name), "series": _values(values), **axis} for name, values in series.items()]
    given: dict[str, Any] = {}
    if frequency is not None:
        given["frequency"] = frequency
    if start is not None:
        given["start_timestamp"] = start
    return [{**given, **dict(one), "series": _values(one["series"])} for one in series]


def _axis_of(index: Any, frequency: str | None) -> dict[str, Any]:
    """Frequency and times of a pandas index of times or periods."""
    if frequency is None:
        told = getattr(index, "freqstr", None) or getattr(index, "inferred_freq", None)
        frequency = _frequency(str(told)) if told else None
    if frequency is None or not len(index) or not (hasattr(index[0], "isoformat") or hasattr(index[0], "start_time")):
        raise _no(
            "Chỉ số của bảng phải là thời gian đều đặn, hoặc hãy cho frequency.",
            "The table's index must be regular times or periods; otherwise give frequency.",
        )
    return {"frequency": frequency, "timestamps": [_stamp(moment) for moment in index]}


def _frequency(told: str) -> str | None:
    for pattern, word in PANDAS_FREQUENCY:
        match = pattern.fullmatch(told)
        if match:
            return word or match[1]
    return None


def _stamp(moment: Any) -> str:
    return str(getattr(moment, "start_time", moment).isoformat())


def _values(values: Iterable[Any]) -> list[float | None]:
    """Numbers as JSON knows them; NaN, NA and None are missing."""
    found = values.tolist() if hasattr(values, "tolist") else list(values)
    return [None if _missing(value) else float(value) for value in found]


def _missing(value: Any) -> bool:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA: not even unequal to itself
        return True


def frame(rows: Sequence[Mapping[str, Any]]) -> Any:
    """A pandas DataFrame of these rows. Raises ModuleNotFoundError where pandas is not installed."""
    return import_module("pandas").DataFrame(list(rows))


def _no(vi: str, en: str) -> InvalidInputError:
    return InvalidInputError(vi, en, code="bad-table")
