"""Jobs over tables (`anomaly.tabular`): one table from a file or inline, judged in stretches of rows.

Decisions
- A row is strange only beside the others, so the detectors are fitted on the whole table (on its even sample, as the
  synchronous endpoint does). The sample is the first chunk's input; whoever judges a later stretch fits on it again,
  once for each computing process, and comes to the same.
- `expected_share` is a share of all rows, so the limit is found at the end, when every score is known, and the reasons
  of the rows beyond it are made then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import numpy as np

from models.errors import NotFoundError
from models.tabular.columns import part
from models.tabular.detector import FITTED, Fitted, TableDetector, fit, sample
from models.values import Column, RowFindings, Table, TabularOptions
from pipelines.jobs.columns import FileTable, table_of_file
from pipelines.jobs.finishing import Outcome
from pipelines.jobs.outcome import record_of, series_of
from pipelines.jobs.parcels import packed, unpack
from pipelines.jobs.work import Bench, Facts, as_facts, source_gone
from pipelines.results.values import SeriesResult

CHUNK_ROWS: Final = 20_000
CHUNK_CELLS: Final = 400_000
INLINE: Final = "data"


class TableDialect(Protocol):
    """How the synchronous endpoint takes a table and tells of its rows."""

    def take(self, data: bytes) -> Table:
        """Inline data as a table. Raises InvalidInputError."""

    def options(self, parameters: Mapping[str, Any]) -> TabularOptions:
        """The job's parameters as the model's options. Raises InvalidInputError."""

    def reasons(self, found: RowFindings) -> Sequence[Any]:
        """The reasons of every row, to be encoded."""


class TableWork:
    """The type of job over a table."""

    unit = "rows"

    def __init__(self, task: str, dialect: TableDialect) -> None:
        """`task` is the task whose model does it, `dialect` the synchronous endpoint's."""
        self.task = task
        self._dialect = dialect

    def plan(self, bench: Bench, facts: Facts) -> dict[str, Any]:
        """See Work."""
        self._dialect.options(facts["parameters"])
        bench.model(facts["model"])
        try:
            read = self._read(bench, facts)
        except NotFoundError as error:
            raise source_gone(error) from error
        if read.questions:
            return {"questions": [dict(one) for one in read.questions], "reading": None, "fingerprint": ""}
        table = read.table
        whole = table.labels is not None
        fitted_on = table if whole else sample(table, FITTED)
        common = bench.objects.keep(packed([_document(replace(fitted_on, words=table.words), read, 0)]))
        chunks = [{"items": 0, **as_facts(common)}]
        size = max(1, min(CHUNK_ROWS, CHUNK_CELLS // max(1, len(table.columns))))
        for start in range(0, table.count, size):
            rows = replace(part(table, slice(start, start + size)), words=tuple(() for _ in table.words))
            head = {"sample": common.name, "sample_sha256": common.sha256}
            stored = bench.objects.keep(packed([head | _document(rows, read, start)]))
            chunks.append({"items": rows.count, **as_facts(stored)})
        return {"chunks": chunks, "unit": self.unit, "reading": None}

    def chunk(self, bench: Bench, facts: Facts) -> dict[str, Any]:
        """See Work."""
        document = _open(bench, facts["input"])
        if "sample" not in document:
            stored = bench.objects.keep(())
            return {"output": as_facts(stored), "summary": {"succeeded": 0, "failed": 0}}
        options = self._dialect.options(facts["parameters"])
        share = options.expected_share is not None
        fitted, words = _fitted(bench, facts, document)
        table = _table(document, words)
        found = fitted.judge(table, replace(options, reasons=0) if share else options, limit=np.inf if share else None)
        line = record_of(self._result(document, found))
        stored = bench.objects.keep(packed([line]))
        counts = {"succeeded": table.count, "failed": 0, "units": table.count * len(table.columns)}
        return {"output": as_facts(stored), "summary": counts}

    def finish(self, bench: Bench, facts: Facts) -> dict[str, Any]:
        """See Work."""
        chunks = facts["chunks"]
        counts = {word: sum(chunk["summary"][word] for chunk in chunks) for word in ("succeeded", "failed")}
        outcome = Outcome(bench.objects, facts["header"])
        options = self._dialect.options(facts["parameters"])
        if options.expected_share is None:
            return outcome.joined([chunk["output"] for chunk in chunks], counts)
        return outcome.written(self._shared(bench, facts, options), counts)

    def _read(self, bench: Bench, facts: Facts) -> FileTable:
        if facts.get("data") is None:
            return table_of_file(bench.objects, facts)
        data = facts["data"]
        content = bench.objects.check(data["object"], data["sha256"]).read_bytes()
        return FileTable(self._dialect.take(content), INLINE, 1)

    def _result(self, document: Mapping[str, Any], found: RowFindings) -> SeriesResult:
        """A stretch of rows with what is said of each."""
        first = int(document["first"])
        numbers = range(first, first + len(found.score))
        inline = document["sheet"] == INLINE
        output = {
            "score": found.score.tolist(), "is_anomaly": found.is_anomaly.tolist(),
            "reasons": self._dialect.reasons(found),
        }  # fmt: skip
        cells = tuple(None if inline else f"{document['sheet']}!A{number}" for number in numbers)
        return SeriesResult(
            str(document["sheet"]), None, None, None, tuple(str(number) for number in numbers), (), cells, output
        )

    def _shared(self, bench: Bench, facts: Facts, options: TabularOptions) -> Iterator[list[Any]]:
        """The stretches with the strangest share of all rows flagged, and those rows' reasons."""
        kept = [(chunk, one) for chunk in facts["chunks"] for one in _results(bench, chunk["output"])]
        scores = np.concatenate([np.array(one.output["score"]) for _, one in kept]) if kept else np.zeros(0)
        share = options.expected_share or 0.0
        most = min(len(scores), max(1, round(share * len(scores)))) if len(scores) else 0
        limit = float(np.partition(scores, len(scores) - most)[len(scores) - most]) if most else np.inf
        for chunk, one in kept:
            flags = np.array(one.output["score"]) >= limit
            reasons: list[Any] = [[] for _ in range(len(flags))]
            rows = np.arange(len(flags)) if options.explain == "all" else np.flatnonzero(flags)
            if len(rows) and options.reasons:
                document = _open(bench, chunk["input"])
                fitted, words = _fitted(bench, facts, document)
                found = fitted.judge(part(_table(document, words), rows), options, limit=-np.inf)
                for row, told in zip(rows.tolist(), self._dialect.reasons(found), strict=True):
                    reasons[row] = told
            yield record_of(replace(one, output={**one.output, "is_anomaly": flags.tolist(), "reasons": reasons}))


def _results(bench: Bench, output: Facts) -> Iterator[SeriesResult]:
    with bench.objects.check(output["object"], output["sha256"]).open("rb") as file:
        for record in unpack(file):
            yield series_of(record)


def _open(bench: Bench, given: Facts) -> dict[str, Any]:
    with bench.objects.check(given["object"], given["sha256"]).open("rb") as file:
        document: dict[str, Any] = next(unpack(file))
        return document


def _fitted(bench: Bench, facts: Facts, document: Mapping[str, Any]) -> tuple[Fitted, tuple[tuple[str, ...], ...]]:
    """The detectors fitted on the job's sample, once for each process, and the words of its categories."""
    name = f"fitted {document['sample']}"
    if name not in bench.kept:
        model = bench.model(facts["model"])
        if not isinstance(model, TableDetector):
            raise TypeError("a job over a table needs a detector of rows")
        table = _table(_open(bench, {"object": document["sample"], "sha256": document["sample_sha256"]}), None)
        bench.keep(name, (fit(table, model.calibration), table.words))
    found: tuple[Fitted, tuple[tuple[str, ...], ...]] = bench.kept[name]
    return found


def _document(table: Table, read: FileTable, start: int) -> dict[str, Any]:
    """A table as a chunk's record."""
    return {
        "columns": [[column.name, column.type] for column in table.columns],
        "cells": [[cells.dtype.str, np.ascontiguousarray(cells).tobytes()] for cells in table.cells],
        "words": [list(words) for words in table.words], "count": table.count,
        "labels": None if table.labels is None else table.labels.astype(np.int8).tobytes(),
        "sheet": read.sheet, "first": read.first + start,
    }  # fmt: skip


def _table(document: Mapping[str, Any], words: tuple[tuple[str, ...], ...] | None) -> Table:
    """A table from a chunk's record; its words are the sample's when they are given."""
    labels = document["labels"]
    return Table(
        tuple(Column(*column) for column in document["columns"]),
        tuple(np.frombuffer(content, np.dtype(kind)).copy() for kind, content in document["cells"]),
        tuple(tuple(each) for each in document["words"]) if words is None else words, int(document["count"]),
        None if labels is None else np.frombuffer(labels, np.int8).copy(),
    )  # fmt: skip
