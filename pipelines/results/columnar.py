"""Results as Parquet: the table of values in row groups, with the job's provenance in the file's metadata."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import BinaryIO, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.results.rows import Column, Row, Value, columns_of, rows_of
from pipelines.results.values import JobResult, SeriesResult
from pipelines.results.wording import NOTICE

GROUP_ROWS: Final = 65_536
_TYPES: Final = {"text": pa.string(), "number": pa.float64(), "flag": pa.bool_()}


def write(result: JobResult, series: Iterable[SeriesResult], to: BinaryIO) -> None:
    """Write the table in groups of rows, each given up once it is written."""
    columns = columns_of(result)
    about = {
        "job": result.job_id, "type": result.type, "finished_at": result.finished_at, "model": result.model,
        "parameters": result.parameters, "source": result.source, "held_back": result.held_back, "notice": NOTICE.vi,
    }  # fmt: skip
    schema = pa.schema(
        [pa.field(column.name, _TYPES[column.kind]) for column in columns],
        metadata={b"aichung": msgspec.json.encode(about)},
    )
    with pq.ParquetWriter(to, schema, compression="zstd") as writer:
        rows: list[Row] = []
        for one in series:
            for row in rows_of(result.type, one, columns):
                rows.append(row)
                if len(rows) >= GROUP_ROWS:
                    writer.write_table(_table(rows, columns, schema))
                    rows.clear()
        if rows:
            writer.write_table(_table(rows, columns, schema))


def _table(rows: Sequence[Row], columns: Sequence[Column], schema: pa.Schema) -> pa.Table:
    kept = zip(*rows, strict=True)
    arrays = [
        pa.array(_fit(column, values), type=_TYPES[column.kind])
        for column, values in zip(columns, kept, strict=True)
    ]  # fmt: skip
    return pa.Table.from_arrays(arrays, schema=schema)


def _fit(column: Column, values: Sequence[Value]) -> list[Value]:
    """Texts as UTF-8 can hold them; each different text is looked at once."""
    if column.kind != "text":
        return list(values)
    known = {value: None if value is None else str(value).encode("utf-8", "replace").decode() for value in set(values)}
    return [known[value] for value in values]
