"""Writing the result of a job to a stream in one of the formats that are offered."""

from __future__ import annotations

from typing import BinaryIO, Final

from models.errors import InvalidInputError
from pipelines.results import columnar, delimited, tree, workbook
from pipelines.results.overview import Overview
from pipelines.results.values import JobResult

MEDIA_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""The formats of a result and what each is called on the wire."""


def write_result(result: JobResult, format: str, to: BinaryIO, locale: str | None = None) -> Overview:
    """Write a job's result; `locale` vi makes a CSV for Vietnamese Excel, en an XLSX in English.

    The series are walked once. Gives back the totals and the fingerprint. Raises InvalidInputError (406) for a format
    or a type that is not offered.
    """
    if format not in MEDIA_TYPES:
        offered = ", ".join(MEDIA_TYPES)
        raise InvalidInputError(f"Chỉ có: {offered}.", f"Offered: {offered}.", code="not-acceptable")
    overview = Overview(result)
    series = overview.watch(result.series)
    if format == "csv":
        delimited.write(result, series, to, locale)
    elif format == "json":
        tree.write(result, series, overview, to)
    elif format == "parquet":
        columnar.write(result, series, to)
    else:
        workbook.write(result, series, overview, to, "en" if locale == "en" else "vi")
    return overview
