"""Results as one JSON document, written series by series.

The shape is that of the synchronous endpoints (`outputs`, one for each series, in order) with the job around it; each
output also carries what was sent (`periods`, `values`), where each value stood (`cells`), and each event its `cells`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import msgspec

from pipelines.results.overview import Overview
from pipelines.results.rows import cells_of, columns_of, finite
from pipelines.results.values import JobResult, SeriesResult
from pipelines.results.wording import NOTICE

_ENCODER = msgspec.json.Encoder()


def write(result: JobResult, series: Iterable[SeriesResult], overview: Overview, to: BinaryIO) -> None:
    """Write the document; totals, dates and the fingerprint stand at its end, when they are known."""
    columns_of(result)
    head = {
        "job": {"id": result.job_id, "type": result.type, "created_at": result.created_at,
                "finished_at": result.finished_at},
        "model": result.model, "notice": NOTICE.vi, "parameters": result.parameters, "source": result.source,
        "reading": result.reading, "approval": result.approval,
    }  # fmt: skip
    to.write(_ENCODER.encode(head)[:-1] + b',"outputs":[')
    for place, one in enumerate(series):
        to.write((b",\n" if place else b"\n") + _ENCODER.encode(_output(one)))
    tail = {
        "counts": result.counts, "held_back": result.held_back, "events": overview.events,
        "data_from": overview.data_from, "data_through": overview.data_through, "code": overview.code,
        "fingerprint": overview.fingerprint,
    }  # fmt: skip
    to.write(b"\n]," + _ENCODER.encode(tail)[1:] + b"\n")


def _output(series: SeriesResult) -> dict[str, Any]:
    """One series' answer with its source; `status` as the synchronous endpoints say it."""
    output = dict(series.output)
    if "events" in output:
        output["events"] = [_event(series, event) for event in output["events"]]
    failed = {"error": dict(series.error)} if series.error is not None else {}
    return {
        **output, "name": series.name, "status": "failed" if series.error is not None else "succeeded",
        "place": series.place, "unit": series.unit, "measure": series.measure, "periods": series.periods,
        "values": [finite(value) for value in series.values], "cells": series.cells, **failed,
    }  # fmt: skip


def _event(series: SeriesResult, event: Mapping[str, Any]) -> dict[str, Any]:
    return {**event, "cells": cells_of(series, event)}
