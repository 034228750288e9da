"""The detector of strange rows: kind `tabular.anomaly/1`, task `tabular-anomalies`.

Decisions:
- An item is a whole table: a row is strange only beside the others. The detectors fit themselves on the caller's table
  (on at most 8,192 of its rows, taken at even distances) and judge every row in pieces, so memory beyond the table is
  bounded and time is linear. The artefact holds the limit that was calibrated, and no data.
- The score is the mean of three votes (isolation forest, nearest neighbours, empirical tails), in units of -log of the
  share of rows at least as strange. What breaks the table's usual directions is added only where it is beyond doubt:
  rows that merely lie far along them are the other three's affair. With enough labels the chance learned is added.
- `fit` and `Fitted.judge` are the same work in two steps, for files that are read piece by piece.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from models.artifact import Artifact
from models.contract import Model
from models.errors import IntegrityError, InvalidInputError, PlatformError
from models.tabular import directions, forest, learning, neighbours, tails
from models.tabular.columns import part
from models.tabular.features import Lenses, lenses_of
from models.tabular.reasons import Views, reasons_of
from models.tabular.votes import Curve, curve_of
from models.values import Column, Reason, RowFindings, Table, TabularOptions, Warned

Floats = npt.NDArray[np.float64]
FITTED = 8192
PIECE = 1 << 15
LEAST_ROWS = 10
SEED = 20_250_101
FILE = "calibration.json"
LABELLED_LIMIT = 0.5
DOUBT = 6.0
"""A vote for broken directions counts beyond this: one row in four hundred."""
LABEL_WORTH = 12.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """`limit` is the score beyond which a row is flagged; the weights of the first three votes, ≥ 0, sum to 1."""

    limit: float = 4.3
    forest: float = 1 / 3
    neighbours: float = 1 / 3
    tails: float = 1 / 3
    directions: float = 0.3


@dataclass(frozen=True, slots=True)
class Fitted:
    """Detectors fitted on (a sample of) a table; they judge any rows with the same columns."""

    calibration: Calibration
    lenses: Lenses
    forest: forest.Forest
    tails: tails.Tails
    near: neighbours.Neighbours
    directions: directions.Directions
    curves: tuple[Curve, ...]
    learned: learning.Learned | None
    fitted_rows: int

    def judge(self, table: Table, options: TabularOptions, *, limit: float | None = None) -> RowFindings:
        """Judge rows. `limit` overrides the calibrated one (a share over pieces is found over all of them first)."""
        score, chance = self.scores(table)
        if limit is None:
            limit = self._limit(score, options)
        flags = score >= limit
        if chance is not None and options.expected_share is None:
            flags = chance >= LABELLED_LIMIT
        return RowFindings(score, flags, self._reasons(table, flags, options), self._warnings(table))

    def scores(self, table: Table) -> tuple[Floats, Floats | None]:
        """Scores of rows (n,), and the learned chance where labels were enough."""
        score = np.empty(table.count)
        chance = None if self.learned is None else np.empty(table.count)
        for at in range(0, table.count, PIECE):
            cut = slice(at, at + PIECE)
            piece = part(table, cut)
            votes = _votes(self, piece)
            score[cut] = self._mean(votes)
            if chance is not None and self.learned is not None:
                chance[cut] = self.learned.chance(_evidence(self, piece, votes))
                score[cut] += LABEL_WORTH * chance[cut]
        return score, chance

    def _mean(self, votes: Floats) -> Floats:
        """Scores from votes (n, 4)."""
        certain = np.maximum(votes[:, 3] - DOUBT, 0.0)
        found: Floats = votes[:, :3] @ _weights(self.calibration) + self.calibration.directions * certain
        return found

    def _limit(self, score: Floats, options: TabularOptions) -> float:
        if options.expected_share is None or not len(score):
            return self.calibration.limit
        return limit_for(score, options.expected_share)

    def _reasons(
        self, table: Table, flags: npt.NDArray[np.bool_], options: TabularOptions
    ) -> tuple[tuple[Reason, ...], ...]:
        asked = np.flatnonzero(flags) if options.explain == "anomalies" else np.arange(table.count)
        found: list[tuple[Reason, ...]] = [()] * table.count
        views = Views(self.lenses, self.tails, self.near, self.directions)
        if options.reasons and len(self.lenses.owner):
            for at in range(0, len(asked), PIECE):
                rows = asked[at : at + PIECE]
                each = reasons_of(table, rows, options.reasons, views)
                for row, one in zip(rows.tolist(), each, strict=True):
                    found[row] = one
        return tuple(found)

    def _warnings(self, table: Table) -> tuple[Warned, ...]:
        found = []
        empty = sum(lens.holes == 1.0 for lens in self.lenses.each)
        if empty:
            vi = f"{empty} cột không có giá trị nào, không được xét."
            found.append(Warned("columns_empty", vi, f"{empty} columns hold no value and were not looked at."))
        if self.fitted_rows < LEAST_ROWS:
            vi = f"Bảng chỉ có {self.fitted_rows} dòng, cần ít nhất {LEAST_ROWS} để biết thế nào là bình thường."
            en = f"Only {self.fitted_rows} rows; at least {LEAST_ROWS} are needed to know what is usual."
            found.append(Warned("table_too_small", vi, en))
        elif table.labels is not None and self.learned is None:
            vi = "Chưa đủ nhãn để học (cần từ 50 nhãn, mỗi loại ít nhất 5); nhãn không được dùng."
            en = "Too few labels to learn from (50, at least 5 of each kind); they were not used."
            found.append(Warned("labels_unused", vi, en))
        return tuple(found)


def fit(table: Table, calibration: Calibration) -> Fitted:
    """Fit the detectors on a table, or on the sample of a file that does not fit into memory."""
    few = sample(table, FITTED)
    lenses = lenses_of(few)
    plain, spaced = lenses.plain(few), lenses.spaced(few)
    if not plain.shape[1] or not few.count:
        plain, spaced = np.zeros((max(few.count, 1), 1)), np.zeros((max(few.count, 1), 1))
    trees = forest.grow(plain, np.random.default_rng(SEED))
    edge = tails.fit(plain)
    steps = np.linspace(0, len(spaced) - 1, min(len(spaced), neighbours.REFERENCE)).round().astype(np.int64)
    near, ways = neighbours.fit(spaced[steps]), directions.fit(spaced)
    raw = (trees.score(plain), near.score(spaced), edge.score(plain), ways.score(spaced))
    curves = tuple(map(curve_of, raw))
    fitted = Fitted(calibration, lenses, trees, edge, near, ways, curves, None, few.count)
    if not learning.enough(table.labels) or table.labels is None:
        return fitted
    known = part(table, np.flatnonzero(table.labels >= 0)[: 4 * FITTED])
    labels = table.labels[table.labels >= 0][: 4 * FITTED]
    return replace(fitted, learned=learning.learn(_evidence(fitted, known, _votes(fitted, known)), labels))


def limit_for(score: Floats, share: float) -> float:
    """The score from which a share of the rows is flagged; a crowd of equal scores at the edge is left out."""
    count = min(len(score), max(1, round(share * len(score))))
    limit = float(np.partition(score, len(score) - count)[len(score) - count])
    return limit if (score >= limit).sum() <= 2 * count else float(np.nextafter(limit, np.inf))


def sample(table: Table, most: int) -> Table:
    """At most so many rows at even distances; the same rows every time."""
    if table.count <= most:
        return part(table, slice(None)) if table.columns else table
    return part(table, np.linspace(0, table.count - 1, most).round().astype(np.int64))


def _votes(fitted: Fitted, table: Table) -> Floats:
    """Votes of the four detectors (n, 4)."""
    plain, spaced = fitted.lenses.plain(table), fitted.lenses.spaced(table)
    if not plain.shape[1]:
        return np.zeros((table.count, 4))
    raw = (
        fitted.forest.score(plain), fitted.near.score(spaced), fitted.tails.score(plain),
        fitted.directions.score(spaced),
    )  # fmt: skip
    return np.column_stack([curve.vote(line) for curve, line in zip(fitted.curves, raw, strict=True)])


def _evidence(fitted: Fitted, table: Table, votes: Floats) -> Floats:
    """What labels are learned on: the votes, and the rarity of each column's value."""
    plain = fitted.lenses.plain(table)
    few = 0 < plain.shape[1] <= learning.MOST_FEATURES
    return np.column_stack([votes, fitted.tails.by_column(plain)]) if few else votes


def _weights(calibration: Calibration) -> Floats:
    return np.array([calibration.forest, calibration.neighbours, calibration.tails])


class TableDetector(Model[Table, TabularOptions, RowFindings]):
    """Finds strange rows in tables."""

    tasks: ClassVar[tuple[str, ...]] = ("tabular-anomalies",)

    def __init__(self, calibration: Calibration) -> None:
        """Keep the limit and the weights of the votes."""
        self.calibration = calibration

    @classmethod
    def open(cls, artifact: Artifact) -> Self:
        """Construct from a verified artefact. Raises IntegrityError when its calibration is malformed."""
        try:
            calibration = Calibration(**{key: float(value) for key, value in artifact.document(FILE).items()})
            if (
                calibration.limit <= 0
                or min(*_weights(calibration), calibration.directions) < 0
                or not np.isfinite(calibration.limit)
            ):
                raise ValueError("a parameter is out of range")
            if not np.isclose(_weights(calibration).sum(), 1.0) or not artifact.document(FILE):
                raise ValueError("the weights do not sum to one")
            return cls(calibration)
        except (AttributeError, TypeError, ValueError) as error:
            raise IntegrityError("Bảng hiệu chuẩn bị hỏng.", "The calibration table is malformed.") from error

    def save(self, folder: Path) -> dict[str, Any]:
        """Write `calibration.json`; the configuration names the method."""
        text = json.dumps(asdict(self.calibration), indent=1, sort_keys=True)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")
        return {"method": "forest-neighbours-tails-directions/1"}

    def prepare(self, items: Sequence[Table], options: TabularOptions) -> Any:
        """Hold each table against its own shape; one that is broken is carried along as its error."""
        if options.expected_share is not None and not 0 < options.expected_share <= 0.5:
            raise InvalidInputError.at("/options/expected_share", "Ngoài khoảng 0–0,5.", "Outside 0 to 0.5.")
        return [_usable(table) for table in items], options

    def compute(self, prepared: Any) -> Any:
        """Fit on each table and judge its rows."""
        tables, options = prepared
        return [
            table if isinstance(table, PlatformError) else fit(table, self.calibration).judge(table, options)
            for table in tables
        ]

    def finish(self, computed: Any) -> list[RowFindings | PlatformError]:
        """The findings in the order of the tables."""
        return list(computed)

    def samples(self) -> tuple[Sequence[Table], TabularOptions]:
        """Two tables of mixed columns with one strange row each."""
        rng = np.random.default_rng(3)
        columns = (Column("age", "number"), Column("amount", "number"), Column("kind", "category"))
        tables = []
        for _ in range(2):
            age, amount = rng.normal(40, 10, 200), rng.lognormal(3, 0.4, 200)
            age[17], amount[17], amount[5] = 140.0, 900.0, np.nan
            kind = rng.integers(0, 3, 200)
            kind[17] = 3
            tables.append(Table(columns, (age, amount, kind), ((), (), ("a", "b", "c", "d")), 200))
        return tables, TabularOptions()


def _usable(table: Table) -> Table | PlatformError:
    """Columns of one length without infinite values, or what is wrong."""
    fits = len(table.columns) == len(table.cells) == len(table.words)
    fits = fits and all(len(cells) == table.count for cells in table.cells)
    fits = fits and (table.labels is None or len(table.labels) == table.count)
    if not fits:
        return InvalidInputError("Các cột không dài bằng nhau.", "The columns are not of one length.")
    if any(np.isinf(cells).any() for cells in table.cells if cells.dtype.kind == "f"):
        return InvalidInputError("Bảng có giá trị không hữu hạn.", "The table holds values that are not finite.")
    return table
