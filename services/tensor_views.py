"""How every kind of model looks in tensors, so that the Open Inference Protocol reaches all that is released.

Decision: a model of named tensors is shown as its graph declares itself. The platform's own kinds are shown by the few
tensors that say the same as their own dialect: texts are `text` BYTES [n], series are rows of `series` FP64 [n, t], a
table is one input for each column. Their limits and guards are those of the other dialects.

Decision: the protocol has no place for the error of one item, so the first item that fails refuses the call.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from models.calendar import Axis
from models.errors import InvalidInputError, PlatformError
from models.tensors import BYTES, FREE, Array, TensorModel, TensorOptions, Tensors, TensorSpec, usable
from models.values import (
    AnomalyOptions,
    Column,
    ColumnType,
    Document,
    Findings,
    Forecast,
    ForecastOptions,
    Labels,
    Restoration,
    RowFindings,
    Segmentation,
    Series,
    Table,
    TabularOptions,
    TextOptions,
)
from services.secrecy import is_marked
from services.series import LARGEST, MAX_POINTS, MAX_SERIES, refuse_over, weigh
from services.texts import WireDocument, prepare

MAX_HORIZON: Final = 1_000
MAX_CELLS: Final = 2_000_000
MAX_PROPHET: Final = (("forecast-prophet", 20),)

Given = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked: its own values; `units` of computing, `charged` against the quota."""

    items: Sequence[Any]
    options: Any
    units: int
    charged: int
    most: tuple[tuple[str, int], ...] = ()


class View(ABC):
    """One kind of model in tensors. `parameters` are those of a call that it takes."""

    platform: ClassVar[str] = "aichung"
    parameters: ClassVar[tuple[str, ...]] = ()
    inputs: ClassVar[tuple[TensorSpec, ...]] = ()
    outputs: ClassVar[tuple[TensorSpec, ...]] = ()

    def declared(self, model: Any) -> tuple[Sequence[TensorSpec], Sequence[TensorSpec]]:
        """The inputs and outputs that a model shows."""
        return self.inputs, self.outputs

    def ask(self, tensors: Tensors, given: Given, wanted: tuple[str, ...]) -> Question:
        """The question that a call puts. Raises InvalidInputError."""
        known = {spec.name for spec in self.outputs}
        if not set(wanted) <= known:
            names = ", ".join(sorted(known))
            vi, en = f"Đầu ra không có; có: {names}.", f"No such output; there are: {names}."
            raise InvalidInputError.at("/outputs", vi, en, code="unknown-output")
        found = usable(tensors, self.inputs) if self.inputs else tensors
        if isinstance(found, PlatformError):
            raise found
        return self.question(found, given)

    @abstractmethod
    def question(self, tensors: Tensors, given: Given) -> Question:
        """The question, once the tensors are those that are declared."""

    @abstractmethod
    def answer(self, outputs: Sequence[Any]) -> Mapping[str, Array]:
        """The tensors of what the model said."""


class Graphs(View):
    """Models of named tensors: shown as they declare themselves."""

    platform = "onnx_onnxv1"

    def declared(self, model: TensorModel) -> tuple[Sequence[TensorSpec], Sequence[TensorSpec]]:
        """The graph's own."""
        return model.inputs, model.outputs

    def ask(self, tensors: Tensors, given: Given, wanted: tuple[str, ...]) -> Question:
        """The tensors as they are: the model holds them against its declarations."""
        return Question([tensors], TensorOptions(wanted), tensors.size, max(1, tensors.size))

    def question(self, tensors: Tensors, given: Given) -> Question:
        """See `ask`."""
        return self.ask(tensors, given, ())

    def answer(self, outputs: Sequence[Tensors]) -> Mapping[str, Array]:
        """The tensors as they are."""
        return outputs[0].arrays


class Layers(Graphs):
    """Models of bare layers."""

    platform = "safetensors"


class Texts(View):
    """Language models: one text in, whatever is said of it out."""

    inputs = (TensorSpec("text", BYTES, (FREE,)),)

    def question(self, tensors: Tensors, given: Given) -> Question:
        """The texts within the limits of the language dialect."""
        texts = tensors.arrays["text"].tolist()
        prepared = prepare([WireDocument(str(place), text) for place, text in enumerate(texts)])
        for error in prepared.refused.values():
            raise error
        items = [Document(one.id, one.text) for one in prepared.accepted]
        return Question(items, TextOptions(), prepared.characters, len(items))


class Classifiers(Texts):
    """`labels` BYTES [n, classes] by falling `scores` FP64 [n, classes], and `abstained` BOOL [n]."""

    outputs = (
        TensorSpec("labels", BYTES, (FREE, FREE)), TensorSpec("scores", "FP64", (FREE, FREE)),
        TensorSpec("abstained", "BOOL", (FREE,)),
    )  # fmt: skip

    def answer(self, outputs: Sequence[Labels]) -> Mapping[str, Array]:
        """All classes of every text."""
        rows, width = len(outputs), len(outputs[0].labels) if outputs else 0
        labels = np.array([[label for label, _ in one.labels] for one in outputs], np.object_).reshape(rows, width)
        scores = np.array([[score for _, score in one.labels] for one in outputs], np.float64).reshape(rows, width)
        return {"labels": labels, "scores": scores, "abstained": np.array([one.abstained for one in outputs], np.bool_)}


class Restorers(Texts):
    """`restored` BYTES [n]."""

    outputs = (TensorSpec("restored", BYTES, (FREE,)),)

    def answer(self, outputs: Sequence[Restoration]) -> Mapping[str, Array]:
        """The texts with their marks."""
        return {"restored": _texts([one.text for one in outputs])}


class Segmenters(Texts):
    """`segments` BYTES [n]: JSON `{"tokens": [[start, end]…], "sentences": [[start, end]…]}`."""

    outputs = (TensorSpec("segments", BYTES, (FREE,)),)

    def answer(self, outputs: Sequence[Segmentation]) -> Mapping[str, Array]:
        """Words and sentences of every text."""
        return {"segments": _texts([json.dumps({"tokens": o.tokens, "sentences": o.sentences}) for o in outputs])}


class Lines(View):
    """Models of series of one frequency and one beginning; NaN is missing."""

    parameters: ClassVar[tuple[str, ...]] = ("frequency", "start_timestamp")
    inputs = (TensorSpec("series", "FP64", (FREE, FREE)),)

    def series(self, tensors: Tensors, given: Given) -> list[Series]:
        """The rows as series. Raises InvalidInputError over a limit or without a calendar."""
        rows = tensors.arrays["series"]
        if len(rows) > MAX_SERIES or rows.size > MAX_POINTS:
            vi = f"Tối đa {MAX_SERIES} chuỗi và {MAX_POINTS} điểm mỗi lần gọi."
            en = f"At most {MAX_SERIES} series and {MAX_POINTS} points a call."
            raise InvalidInputError.at("/inputs/0", vi, en, code="too-large")
        if (np.abs(rows) > LARGEST).any():
            vi, en = f"Số quá lớn; cho phép đến {LARGEST:g}.", f"The number is too large; allowed up to {LARGEST:g}."
            raise InvalidInputError.at("/inputs/0", vi, en, code="number-out-of-range")
        axis = Axis.parse(_word(given, "frequency"), _word(given, "start_timestamp"), "/parameters")
        return [Series(str(place), row, axis) for place, row in enumerate(rows)]


class Forecasters(Lines):
    """`mean` FP64 [n, horizon] and `quantiles` FP64 [n, 3, horizon] at 0.1, 0.5 and 0.9."""

    parameters = (*Lines.parameters, "horizon")
    outputs = (TensorSpec("mean", "FP64", (FREE, FREE)), TensorSpec("quantiles", "FP64", (FREE, 3, FREE)))

    def question(self, tensors: Tensors, given: Given) -> Question:
        """The series and how far to look."""
        horizon = given.get("horizon")
        if type(horizon) is not int or not 1 <= horizon <= MAX_HORIZON:
            vi, en = f"Cần số nguyên 1–{MAX_HORIZON}.", f"A whole number of 1 to {MAX_HORIZON} is required."
            raise InvalidInputError.at("/parameters/horizon", vi, en, code="bad-horizon")
        items, options = self.series(tensors, given), ForecastOptions(horizon)
        refuse_over(len(items) * horizon * (len(options.quantiles) + 1), "/parameters/horizon")
        return Question(items, options, sum(map(weigh, items)), tensors.size, MAX_PROPHET)

    def answer(self, outputs: Sequence[Forecast]) -> Mapping[str, Array]:
        """What is expected, and how sure that is."""
        return {
            "mean": np.array([one.mean for one in outputs], np.float64),
            "quantiles": np.array([[one.quantiles[q] for q in sorted(one.quantiles)] for one in outputs], np.float64),
        }


class Watchers(Lines):
    """`score`, `p_value`, `expected`, `lower`, `upper` FP64 [n, t] and `is_anomaly` BOOL [n, t]."""

    figures: ClassVar[tuple[str, ...]] = ("score", "p_value", "expected", "lower", "upper")
    outputs = (
        *(TensorSpec(name, "FP64", (FREE, FREE)) for name in ("score", "p_value", "expected", "lower", "upper")),
        TensorSpec("is_anomaly", "BOOL", (FREE, FREE)),
    )

    def question(self, tensors: Tensors, given: Given) -> Question:
        """The series, judged point by point."""
        items = self.series(tensors, given)
        return Question(items, AnomalyOptions(), sum(map(weigh, items)), tensors.size)

    def answer(self, outputs: Sequence[Findings]) -> Mapping[str, Array]:
        """What is said of every point."""
        found = {name: np.array([getattr(one, name) for one in outputs], np.float64) for name in self.figures}
        return {**found, "is_anomaly": np.array([one.is_anomaly for one in outputs], np.bool_)}


class Tables(View):
    """Detectors of strange rows: one input for each column, [n] or [n, 1]; `score` FP64 [n], `is_anomaly` BOOL [n]."""

    outputs = (TensorSpec("score", "FP64", (FREE,)), TensorSpec("is_anomaly", "BOOL", (FREE,)))

    def declared(self, model: Any) -> tuple[Sequence[TensorSpec], Sequence[TensorSpec]]:
        """The model's own columns, where it has any; the platform's detector takes any columns."""
        words = {"category": BYTES, "boolean": "BOOL"}
        columns: Sequence[Column] = getattr(model, "columns", ())
        return [TensorSpec(one.name, words.get(one.type, "FP64"), (FREE,)) for one in columns], self.outputs

    def question(self, tensors: Tensors, given: Given) -> Question:
        """The columns as a table."""
        if tensors.size > MAX_CELLS:
            vi, en = f"Tối đa {MAX_CELLS} ô mỗi lần gọi.", f"At most {MAX_CELLS} cells a call."
            raise InvalidInputError.at("/inputs", vi, en, code="too-large")
        shapes = {array.shape[:1] for array in tensors.arrays.values()}
        flat = all(array.ndim == 1 or array.shape[1:] == (1,) for array in tensors.arrays.values())
        if len(shapes) != 1 or not flat:
            vi, en = "Mỗi đầu vào là một cột [n] hoặc [n, 1].", "Every input is a column, [n] or [n, 1]."
            raise InvalidInputError.at("/inputs", vi, en, code="wrong-tensor")
        read = [_column(name, array.ravel(), place) for place, (name, array) in enumerate(tensors.arrays.items())]
        columns, cells, words = zip(*read, strict=True)
        table = Table(columns, cells, words, len(cells[0]))
        return Question([table], TabularOptions(reasons=0), tensors.size, tensors.size)

    def answer(self, outputs: Sequence[RowFindings]) -> Mapping[str, Array]:
        """What is said of every row."""
        return {"score": outputs[0].score, "is_anomaly": outputs[0].is_anomaly}


VIEWS: Final[Mapping[str, View]] = {
    "onnx.tensor/": Graphs(), "safetensors.layers/": Layers(), "text.segment/": Segmenters(),
    "text.diacritics/": Restorers(), "text.classify/": Classifiers(), "onnx.text-classify/": Classifiers(),
    "tabular.anomaly/": Tables(), "onnx.tabular/": Tables(), "forecast.": Forecasters(), "anomaly.series/": Watchers(),
}  # fmt: skip


def view_of(kind: str) -> View:
    """The view of a kind. Raises InvalidInputError for one that has none."""
    for prefix, view in VIEWS.items():
        if kind.startswith(prefix):
            return view
    vi, en = "Mô hình này không gọi được qua giao thức này.", "This model cannot be called by this protocol."
    raise InvalidInputError.at("", vi, en, code="no-tensor-view")


def refuse_marked(tensors: Tensors) -> None:
    """Refuse a text with a secrecy mark, whatever tensor it stands in. Raises InvalidInputError."""
    for place, array in enumerate(tensors.arrays.values()):
        if array.dtype.kind == "O" and any(map(is_marked, array.ravel().tolist())):
            vi = "Văn bản mang dấu mật; hệ thống này không được xử lý tài liệu mật."
            en = "The document bears a secrecy mark; this system may not process it."
            raise InvalidInputError.at(f"/inputs/{place}", vi, en, code="secrecy-mark")


def _column(name: str, cells: Array, place: int) -> tuple[Column, Array, tuple[str, ...]]:
    """A column of a table from one input."""
    if cells.dtype.kind == "O":
        words, codes = np.unique(cells.astype(np.str_), return_inverse=True)
        return Column(name, "category"), codes.astype(np.int64), tuple(words.tolist())
    kind: ColumnType = "boolean" if cells.dtype.kind == "b" else "number"
    values = cells.astype(np.float64)
    if (np.abs(values) > LARGEST).any():
        vi, en = f"Số quá lớn; cho phép đến {LARGEST:g}.", f"The number is too large; allowed up to {LARGEST:g}."
        raise InvalidInputError.at(f"/inputs/{place}", vi, en, code="number-out-of-range")
    return Column(name, kind), values, ()


def _texts(texts: Sequence[str]) -> Array:
    found = np.empty(len(texts), np.object_)
    found[:] = texts
    return found


def _word(given: Given, name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 40:
        raise InvalidInputError.at(
            f"/parameters/{name}", "Cần một chuỗi.", "A text is required.", code="missing-parameter"
        )
    return value
