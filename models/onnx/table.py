"""An ONNX graph that scores the rows of a table (`onnx.tabular/1`).

    model.onnx    one numeric input [n, columns], or one input [n, 1] for each column under the column's name
    config        {"columns": [{"name", "type"}], "stranger": "high" | "low", "limit", "output"?, "reference"?,
                   "samples": [[cell…]…]}

`stranger` says which end of the score is strange (scikit-learn's detectors: `low`), `limit` the score from which a row
is flagged, in the graph's own units; `reference` one usual cell for each column.

Decision: the caller's columns are matched by name and must be those of the model, each of its type; their order is the
caller's. A missing number goes in as NaN and a missing category as the empty text: whether the graph can use it is the
graph's affair, and a row without a finite score is refused, not guessed.

Decision: reasons ask the graph itself. Each column of a row is set to its usual value; what the score falls by is the
column's part (occlusion; Zeiler & Fergus 2014). The usual value is the reference or, without one, that of the caller's
table: the median of numbers, the most frequent category.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, Self, cast, get_args

import numpy as np
import numpy.typing as npt

from models.artifact import Artifact
from models.contract import Model
from models.errors import InvalidInputError, Note, PlatformError
from models.onnx.graph import read_graph
from models.onnx.session import Session
from models.onnx.tensor import FILE, malformed
from models.tabular.columns import MISSING, table_of
from models.tabular.detector import limit_for
from models.tensors import BYTES, DATATYPES, FREE, Array, TensorSpec
from models.values import Column, ColumnType, Reason, RowFindings, Table, TabularOptions

NUMBERS: Final = frozenset({"FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "BOOL"})
FLOATS: Final = ("FP32", "FP64", "FP16")
MAX_SAMPLE_ROWS: Final = 256
LEAST: Final = 0.05
"""A column with less than this share of the score is not named."""

Floats = npt.NDArray[np.float64]


class OnnxTableDetector(Model[Table, TabularOptions, RowFindings]):
    """A graph as detector of strange rows."""

    tasks: ClassVar[tuple[str, ...]] = ("tabular-anomalies",)

    def __init__(self, read: Callable[[], bytes], config: Mapping[str, Any]) -> None:
        """`read` gives the graph's bytes. Raises IntegrityError when the parts do not make a detector."""
        graph = read_graph(read())
        self.steady = not graph.loops
        self._session = Session(graph)
        self._read, self._config = read, dict(config)
        try:
            self.columns = tuple(Column(str(one["name"]), _type(one["type"])) for one in config["columns"])
            self._sign = {"high": 1.0, "low": -1.0}[config["stranger"]]
            self._limit = self._sign * float(config["limit"])
            self._sample = table_of(self.columns, config["samples"][:MAX_SAMPLE_ROWS])
            reference = config.get("reference")
            self._reference = None if reference is None else table_of(self.columns, [reference])
        except (KeyError, TypeError, ValueError, InvalidInputError) as error:
            raise malformed("the configuration lacks a part, or a part is of another kind") from error
        if not self._sample.count or not np.isfinite(self._limit):
            raise malformed("there are no samples, or the limit is no number")
        self._matrix = self._one_matrix()
        self._output = self._score_output(config.get("output"))

    @classmethod
    def open(cls, artifact: Artifact) -> Self:
        """Construct from a verified artefact. Raises IntegrityError when a part is missing or malformed."""
        return cls(partial(artifact.read, FILE), artifact.config)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the graph into `folder`; return the configuration for the manifest."""
        (folder / FILE).write_bytes(self._read())
        return self._config

    def samples(self) -> tuple[Sequence[Table], TabularOptions]:
        """The configuration's sample rows."""
        return [self._sample], TabularOptions()

    def prepare(
        self, items: Sequence[Table], options: TabularOptions
    ) -> tuple[list[Table | PlatformError], TabularOptions]:
        """Each table with the model's columns in the model's order, or what is wrong with it."""
        return [self._matched(table) for table in items], options

    def compute(
        self, prepared: tuple[list[Table | PlatformError], TabularOptions]
    ) -> list[RowFindings | PlatformError]:
        """Score the rows of each table and ask for reasons."""
        tables, options = prepared
        return [table if isinstance(table, PlatformError) else self._judge(table, options) for table in tables]

    def finish(self, computed: list[RowFindings | PlatformError]) -> list[RowFindings | PlatformError]:
        """The findings in the order of the tables."""
        return list(computed)

    def _judge(self, table: Table, options: TabularOptions) -> RowFindings | PlatformError:
        inputs = self._cells(table)
        score = self._score(inputs, table.count)
        if isinstance(score, PlatformError):
            return score
        share = options.expected_share
        limit = self._limit if share is None or not table.count else limit_for(score, share)
        flags = score >= limit
        asked = np.flatnonzero(flags) if options.explain == "anomalies" else np.arange(table.count)
        reasons: list[tuple[Reason, ...]] = [()] * table.count
        if options.reasons and len(asked):
            parts = self._parts({name: cells[asked] for name, cells in inputs.items()}, score[asked], table)
            if isinstance(parts, PlatformError):
                return parts
            for row, shares in zip(asked.tolist(), parts, strict=True):
                reasons[row] = self._named(shares, options.reasons)
        return RowFindings(score, flags, tuple(reasons))

    # --- what the graph sees --------------------------------------------------------------------------------

    def _cells(self, table: Table) -> dict[str, Array]:
        """One array (n,) for each column, as the graph's input holds its elements."""
        return {
            column.name: _held(column, cells, words, self._datatype(column))
            for column, cells, words in zip(table.columns, table.cells, table.words, strict=True)
        }

    def _datatype(self, column: Column) -> str:
        if self._matrix is not None:
            return self._matrix.datatype
        return next(spec.datatype for spec in self._session.inputs if spec.name == column.name)

    def _score(self, cells: Mapping[str, Array], count: int) -> Floats | PlatformError:
        """Scores (n,), a larger one stranger."""
        if not count:
            return np.empty(0)
        if self._matrix is not None:
            arrays: dict[str, Array] = {self._matrix.name: np.column_stack(list(cells.values()))}
        else:
            shapes = {spec.name: spec.shape for spec in self._session.inputs}
            arrays = {name: one[:, None] if len(shapes[name]) == 2 else one for name, one in cells.items()}
        found = self._session.run(arrays, [self._output.name])
        if isinstance(found, PlatformError):
            return found
        raw = found[self._output.name]
        if raw.size != count or not np.isfinite(raw.astype(np.float64)).all():
            vi, en = "Mô hình không chấm điểm được mọi dòng của bảng.", "The model cannot score every row of the table."
            return InvalidInputError.at("/rows", vi, en, code="model-refused")
        return self._sign * raw.reshape(count).astype(np.float64)

    def _parts(self, cells: Mapping[str, Array], score: Floats, table: Table) -> Floats | PlatformError:
        """Each column's share (n, columns) of what makes a row's score; rows sum to 1, or 0 where none lowers it."""
        usual = self._cells(_usual(table) if self._reference is None else self._reference)
        falls = np.zeros((len(score), len(self.columns)))
        for place, column in enumerate(self.columns):
            replaced = {**cells, column.name: np.repeat(usual[column.name], len(score))}
            without = self._score(replaced, len(score))
            if isinstance(without, PlatformError):
                return without
            falls[:, place] = np.maximum(score - without, 0.0)
        whole = falls.sum(axis=1, keepdims=True)
        return cast(Floats, np.divide(falls, whole, out=np.zeros_like(falls), where=whole > 0))

    def _named(self, shares: Floats, most: int) -> tuple[Reason, ...]:
        order = np.argsort(-shares, kind="stable")[:most].tolist()
        return tuple(
            _reason(self.columns[place].name, float(shares[place])) for place in order if shares[place] >= LEAST
        )

    def _matched(self, table: Table) -> Table | PlatformError:
        """The table in the model's order of columns, or what is wrong with its columns."""
        places = {column.name: place for place, column in enumerate(table.columns)}
        named = ", ".join(column.name for column in self.columns)
        if len(places) != len(self.columns) or any(column.name not in places for column in self.columns):
            vi, en = f"Mô hình nhận đúng các cột: {named}.", f"The model takes exactly the columns: {named}."
            return InvalidInputError.at("/columns", vi, en, code="wrong-columns")
        order = [places[column.name] for column in self.columns]
        for column, place in zip(self.columns, order, strict=True):
            if table.columns[place].type != column.type:
                vi, en = f"Cột này phải có kiểu {column.type}.", f"This column must be of type {column.type}."
                return InvalidInputError.at(f"/columns/{place}/type", vi, en, code="wrong-columns")
        cells, words = tuple(table.cells[place] for place in order), tuple(table.words[place] for place in order)
        return Table(self.columns, cells, words, table.count)

    # --- what the graph declares ----------------------------------------------------------------------------

    def _one_matrix(self) -> TensorSpec | None:
        """The one input for all columns, None for one input a column. Raises IntegrityError for anything else."""
        inputs = self._session.inputs
        categories = any(column.type == "category" for column in self.columns)
        wide = inputs[0]
        if len(inputs) == 1 and len(wide.shape) == 2 and wide.datatype in NUMBERS and wide.shape[0] == FREE:
            if wide.shape[1] not in (FREE, len(self.columns)) or categories:
                raise malformed("the graph's one input takes other columns than the configuration names")
            return wide
        by_name = {spec.name: spec for spec in inputs}
        if len(by_name) != len(self.columns) or any(column.name not in by_name for column in self.columns):
            raise malformed("the graph's inputs are not the columns that the configuration names")
        for column in self.columns:
            spec = by_name[column.name]
            texts = spec.datatype == BYTES
            if spec.shape not in ((FREE,), (FREE, 1), (FREE, FREE)) or texts != (column.type == "category"):
                raise malformed(f"the input {column.name} is not a column of its type")
        return None

    def _score_output(self, name: str | None) -> TensorSpec:
        """The output with one score a row. Raises IntegrityError when there is none."""
        shapes = ((FREE,), (FREE, 1), (FREE, FREE))
        able = [
            s for s in self._session.outputs if s.datatype in FLOATS and s.shape in shapes and name in (None, s.name)
        ]
        if not able:
            raise malformed("no output holds one score for each row")
        return able[0]


def _type(word: str) -> ColumnType:
    """A column's type. Raises ValueError for an unknown word."""
    if word not in get_args(ColumnType):
        raise ValueError("an unknown type of column")
    return cast(ColumnType, word)


def _held(column: Column, cells: Array, words: Sequence[str], datatype: str) -> Array:
    """A column's cells as the elements of the graph's input; a missing category is the empty text."""
    if column.type != "category":
        kind = DATATYPES[datatype]
        return np.nan_to_num(cells).astype(kind) if kind.kind != "f" else cells.astype(kind)
    known = np.array([*words, ""], np.object_)
    return cast(Array, known[np.where(cells == MISSING, len(words), cells).astype(np.int64)])


def _usual(table: Table) -> Table:
    """One row of usual cells: the median of each column's numbers, its most frequent category."""
    cells: list[Array] = []
    for column, line in zip(table.columns, table.cells, strict=True):
        known = line[line != MISSING] if column.type == "category" else line[~np.isnan(line)]
        if column.type == "category":
            cells.append(np.array([np.bincount(known).argmax() if len(known) else MISSING]))
        else:
            cells.append(np.array([np.median(known) if len(known) else np.nan]))
    return Table(table.columns, tuple(cells), table.words, 1)


def _reason(name: str, share: float) -> Reason:
    percent = f"{100 * share:.0f}"
    text = Note(
        f"Thay bằng giá trị thường gặp thì mất {percent}% phần bất thường.",
        f"With a usual value here {percent}% of the strangeness would be gone.",
    )
    return Reason(name, round(share, 4), text)
