"""The tabular dialect: POST /v1/tabular/anomalies, strange rows of a table with the columns that made them so.

Decision: a table is one item, judged as a whole. Cells are what their column's type says and nothing else: `"3"` in a
column of numbers is refused with its pointer, as everywhere. The platform's own process answers (it takes every prefix
that no other family has), so tables cost no process of their own.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta

from models.errors import InvalidInputError, Note, PlatformError
from models.tabular.columns import table_of
from models.values import Column, RowFindings, Table, TabularOptions
from services.answers import ModelUsed, model_used, notice, provenance
from services.endpoints import LARGE_BODY_BYTES, Call, Endpoint, Reply
from services.inference import Ask, Inference
from services.roles import PREDICT
from services.series import told

MAX_CELLS: Final = 2_000_000
MAX_COLUMNS: Final = 5_000
INLINE_CELLS: Final = 20_000
TASK: Final = "tabular-anomalies"

# --- wire types ---------------------------------------------------------------------------------------------


class WireColumn(msgspec.Struct, forbid_unknown_fields=True):
    """A column: its name, unique in the table, and the type of its cells (null is missing in all)."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    type: Literal["number", "category", "boolean", "date"]


class WireTabularOptions(msgspec.Struct, forbid_unknown_fields=True):
    """Options: the share of rows to flag (none: a calibrated limit), how many reasons a row, which rows get them."""

    expected_share: Annotated[float, Meta(gt=0, le=0.5)] | None = None
    reasons: Annotated[int, Meta(ge=0, le=20)] | None = None
    explain: Literal["anomalies", "all"] | None = None


class TabularRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A table of at most 2,000,000 cells. `labels`, as long as `rows`: 1 strange, 0 not, null unknown."""

    columns: Annotated[list[WireColumn], Meta(min_length=1, extra_json_schema={"maxItems": MAX_COLUMNS})]
    rows: Annotated[list[list[str | int | float | bool | None]], Meta(min_length=1)]
    labels: list[bool | int | None] | None = None
    options: WireTabularOptions | None = None
    model: Annotated[str, Meta(min_length=1, max_length=80, description="name, or name@version")] | None = None


class WireReason(msgspec.Struct):
    """A column's share of a row's strangeness (all columns sum to 1), and a sentence in both languages."""

    column: str
    contribution: float
    reason: dict[str, str]


class TabularUsage(msgspec.Struct):
    """What a call over a table is counted as."""

    rows: int
    cells: int


class TabularResponse(msgspec.Struct):
    """Every list is as long as `rows`; a larger score is stranger; `reasons` is empty for rows that were not asked."""

    request_id: str
    model: ModelUsed
    notice: str
    score: list[float]
    is_anomaly: list[bool]
    reasons: list[list[WireReason]]
    warnings: list[dict[str, str]]
    usage: TabularUsage


# --- mapping ------------------------------------------------------------------------------------------------


def _check_sizes(body: TabularRequest) -> int:
    """The cells of a call. Raises InvalidInputError (413)."""
    if len(body.columns) > MAX_COLUMNS:
        vi, en = f"Tối đa {MAX_COLUMNS} cột.", f"At most {MAX_COLUMNS} columns."
        raise InvalidInputError.at("/columns", vi, en, code="too-large")
    cells = len(body.columns) * len(body.rows)
    if cells > MAX_CELLS:
        vi, en = f"Tối đa {MAX_CELLS} ô mỗi lần gọi.", f"At most {MAX_CELLS} cells a call."
        raise InvalidInputError.at("/rows", vi, en, code="too-large")
    return cells


def table_value(body: TabularRequest) -> Table:
    """The table as value. Raises InvalidInputError with the pointer of what breaks a rule."""
    table = table_of([Column(column.name, column.type) for column in body.columns], body.rows)
    if body.labels is None:
        return table
    if len(body.labels) != len(body.rows):
        vi, en = "labels phải dài bằng rows.", "labels must be as long as rows."
        raise InvalidInputError.at("/labels", vi, en, code="bad-labels")
    for at, label in enumerate(body.labels):
        if label not in (None, 0, 1):
            raise InvalidInputError.at(f"/labels/{at}", "Nhãn là 0, 1 hoặc null.", "A label is 0, 1 or null.")
    labels = np.array([-1 if label is None else int(label) for label in body.labels], np.int8)
    return Table(table.columns, table.cells, table.words, table.count, labels)


def tabular_options(wire: WireTabularOptions | None) -> TabularOptions:
    """The options as values."""
    if wire is None:
        return TabularOptions()
    return TabularOptions(
        expected_share=wire.expected_share,
        reasons=3 if wire.reasons is None else wire.reasons,
        explain=wire.explain or "anomalies",
    )


def row_reasons(found: RowFindings) -> list[list[WireReason]]:
    """The reasons of every row on the wire."""
    return [
        [WireReason(one.column, one.contribution, {"vi": one.text.vi, "en": one.text.en}) for one in row]
        for row in found.reasons
    ]


class Tabular:
    """The endpoints of the tabular dialect over one process's inference."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    async def anomalies(self, call: Call, body: TabularRequest) -> Reply:
        """Look for strange rows."""
        cells = _check_sizes(body)
        table = table_value(body) if cells <= INLINE_CELLS else await asyncio.to_thread(table_value, body)
        ask = Ask(TASK, body.model, [table], tabular_options(body.options), cells, cells, whole=True)
        answer = await self._inference.answer(call, ask)
        found = answer.outputs[0]
        if isinstance(found, PlatformError):
            raise found
        response = TabularResponse(
            call.request_id, model_used(answer.entry), notice(call), found.score.tolist(), found.is_anomaly.tolist(),
            row_reasons(found), told(found.warnings), TabularUsage(table.count, cells),
        )  # fmt: skip
        return Reply(response, headers=provenance(answer.entry))


# --- endpoints ----------------------------------------------------------------------------------------------

EXAMPLE: Final[dict[str, Any]] = {
    "columns": [{"name": "so_ca", "type": "number"}, {"name": "tuyen", "type": "category"}],
    "rows": [[12, "xã"], [15, "xã"], [11, "xã"], [14, "huyện"], [13, "xã"], [160, "xã"], [12, "huyện"], [None, "xã"],
             [14, "xã"], [13, "huyện"]],
}  # fmt: skip


def endpoints(inference: Inference) -> list[Endpoint]:
    """The rows of this dialect."""
    return [
        Endpoint(
            method="POST", path="/v1/tabular/anomalies", handler=Tabular(inference).anomalies, tag="tabular",
            request=TabularRequest, response=TabularResponse, scope=PREDICT, event="inference",
            body_limit=LARGE_BODY_BYTES, refusals=(403, 404, 413, 422, 429, 503, 504),
            summary=Note("Tìm dòng bất thường trong bảng", "Find strange rows in a table"),
            examples={"vi": EXAMPLE},
        ),
    ]  # fmt: skip
