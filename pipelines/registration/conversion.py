"""Scikit-learn models (.skops) as ONNX, on our side, behind the fence.

Decisions
- A .skops file is read in three steps. *Parse*: its schema is JSON. *Audit*: no part of it may be a function, a method
  or a call, and every type must be one that skops itself vouches for; the stores of trees, which skops leaves to the
  reader because wild indices in them crash a process, are let in because this process is there to be crashed, and their
  indices are looked at before they are followed. *Construct*: only then.
- A conversion is believed when the graph gives what the model gave, on numbers or Vietnamese texts drawn for it; where
  they differ the model is refused. The usual cause is told: scikit-learn's default word pattern, which the converter
  replaces by one that knows no Vietnamese letters.
- One model gives the same bytes wherever it is converted, so that a bias report made on a laptop is about the artefact
  that the platform makes.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime
import skops.io
from onnx import helper
from skl2onnx import convert_sklearn
from skl2onnx.common._registration import get_converter, register_converter
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from skops.io.exceptions import UntrustedTypesFoundException

from models.errors import InvalidInputError
from pipelines.registration.formats import SCHEMA, refused

OPSET: Final = {"": 18, "ai.onnx.ml": 3}
LOCALE: Final = "C.UTF-8"
GRAPH: Final = "model"
"""The name of every converted graph: the converter would draw a new one each time."""

CALLING: Final = frozenset(
    {"FunctionNode", "MethodNode", "PartialNode", "OperatorFuncNode", "ConstructorFromReduceNode"}
)
"""Parts of a .skops schema that call something."""

TREES: Final = frozenset(
    {"sklearn.tree._tree.Tree", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"}
)
ROWS: Final = 64
TOLERANCE: Final = 1e-3
TEXTS: Final = (
    "Đề nghị sửa đoạn đường qua thôn 3, xã Trảng Bom", "UBND tỉnh trả lời đơn khiếu nại về đất đai",
    "Giá xăng dầu tăng từ 15 giờ hôm nay", "sot xuat huyet tang nhanh tai cac xa vung ven", "Xin cảm ơn!", "A1",
    "Hồ sơ nộp ngày 02/9, chưa có kết quả", "KHÔNG ĐỒNG Ý với mức đền bù", "học sinh nghỉ học vì mưa lũ ở miền Trung",
)  # fmt: skip
"""Sentences on which a converted text model is held against its original."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A graph made here: its bytes, its kind, what its configuration can say, and how it was made."""

    graph: bytes
    kind: str
    config: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


# --- scikit-learn -------------------------------------------------------------------------------------------


def from_skops(data: bytes) -> Converted:
    """A scikit-learn model as a graph. Raises InvalidInputError with what keeps it from being one."""
    _audit(data)
    try:
        unknown = skops.io.get_untrusted_types(data=data)
        foreign = sorted(set(unknown) - TREES)
        if foreign:
            raise _untrusted()
        model = skops.io.loads(data, trusted=sorted(set(unknown) & TREES))
    except UntrustedTypesFoundException as error:
        raise _untrusted() from error
    except InvalidInputError:
        raise
    except Exception as error:  # whatever a malformed schema makes of a constructor
        raise refused("skops-damaged", "Tệp .skops bị hỏng.", "The .skops file is damaged.") from error
    for tree in _trees(model, set()):
        _look_at(tree)
    return _converted(model)


def _audit(data: bytes) -> None:
    """Refuse a schema with a part that calls something. Raises InvalidInputError."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            schema = json.loads(archive.read(SCHEMA))
            if any(name.endswith((".pkl", ".pickle", ".joblib", ".py")) for name in archive.namelist()):
                raise _untrusted()
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise refused("skops-damaged", "Tệp .skops bị hỏng.", "The .skops file is damaged.") from error
    for loader in _loaders(schema):
        if loader in CALLING:
            raise _untrusted()


def _loaders(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if "__loader__" in part:
            yield str(part["__loader__"])
        for inner in part.values():
            yield from _loaders(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _loaders(inner)


def _trees(part: Any, seen: set[int]) -> Iterator[Any]:
    """Every store of a tree inside a model."""
    if id(part) in seen:
        return
    seen.add(id(part))
    if f"{type(part).__module__}.{type(part).__qualname__}" in TREES:
        yield part
    elif isinstance(part, np.ndarray):
        if part.dtype == object:
            for inner in part.ravel():
                yield from _trees(inner, seen)
    elif isinstance(part, list | tuple):
        for inner in part:
            yield from _trees(inner, seen)
    elif isinstance(part, dict):
        yield from _trees(list(part.values()), seen)
    elif type(part).__module__.startswith("sklearn."):
        yield from _trees(list(getattr(part, "__dict__", {}).values()), seen)


def _look_at(tree: Any) -> None:
    """Refuse a tree whose branches lead out of it or back. Raises InvalidInputError."""
    if hasattr(tree, "children_left"):
        left, right, feature = tree.children_left, tree.children_right, tree.feature
        branches = left != -1
        most = tree.n_features
    else:
        nodes = tree.nodes
        left, right, feature = (nodes[word].astype(np.int64) for word in ("left", "right", "feature_idx"))
        branches = nodes["is_leaf"] == 0
        most = 1 << 20
    own = np.arange(len(left))[branches]
    for child in (left[branches], right[branches]):
        if not ((child > own) & (child < len(left))).all():
            raise _untrusted()
    if not ((feature[branches] >= 0) & (feature[branches] < most)).all():
        raise _untrusted()


def _converted(model: Any) -> Converted:
    reads_text = _reads_text(model)
    width: Any = None if reads_text else getattr(model, "n_features_in_", None)
    if width is None and not reads_text:
        raise _not_convertible("mô hình chưa được huấn luyện", "the model has not been fitted")
    form = StringTensorType([None, 1]) if reads_text else FloatTensorType([None, int(width)])
    classifies = hasattr(model, "classes_") and hasattr(model, "predict_proba")
    options = {"zipmap": False} if classifies else None
    try:
        graph = convert_sklearn(
            model, name=GRAPH, initial_types=[("input", form)], options=options, target_opset=OPSET
        )  # fmt: skip
    except Exception as error:  # the converter's own errors are of every class
        word = type(model).__name__
        raise _not_convertible(f"bộ chuyển đổi không làm được {word}", f"the converter cannot do {word}") from error
    for node in graph.graph.node:
        if node.op_type == "StringNormalizer":  # its own default is a locale that few machines have
            kept = [attribute for attribute in node.attribute if attribute.name != "locale"]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("locale", LOCALE)])
    imports = sorted(graph.opset_import, key=lambda one: str(one.domain))  # they come out of a set
    del graph.opset_import[:]
    graph.opset_import.extend(imports)
    data = graph.SerializeToString(deterministic=True)
    largest = _hold_against(model, data, width, classifies)
    notes = {"from": "skops", "estimator": _shown(model), "opset": OPSET[""], "largest_difference": largest}
    return Converted(data, *_described(model, reads_text, classifies), notes)


TRUTH: Final = (bool, np.bool_, np.integer)


class _Plain:
    """The converter's container, which turns numpy's and Python's truth values into the numbers that ONNX holds."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, *words: Any, **attributes: Any) -> Any:
        """As the container's own."""
        plain = {
            name: [int(one) if isinstance(one, TRUTH) else one for one in value] if isinstance(value, list) else value
            for name, value in attributes.items()
        }
        return self._container.add_node(*words, **plain)


def _mended(convert: Callable[..., Any]) -> Callable[..., Any]:
    """A converter that writes to a plain container."""

    def run(scope: Any, operator: Any, container: Any) -> Any:
        return convert(scope, operator, _Plain(container))

    return run


for _name in ("SklearnHistGradientBoostingClassifier", "SklearnHistGradientBoostingRegressor"):
    _own = get_converter(_name)
    register_converter(_name, _mended(_own), overwrite=True, options=_own.get_allowed_options())


def _described(model: Any, reads_text: bool, classifies: bool) -> tuple[str, dict[str, Any]]:
    """The kind of a converted model, and what its configuration can say by itself."""
    if reads_text and classifies:
        labels = [str(label) for label in model.classes_]
        return "onnx.text-classify/1", {
            "labels": labels, "scores": "probabilities", "abstain_below": 0.0, "output": "probabilities",
            "samples": list(TEXTS),
        }  # fmt: skip
    if hasattr(model, "decision_function") and hasattr(model, "offset_") and not hasattr(model, "classes_"):
        names = [str(one) for one in getattr(model, "feature_names_in_", [])]
        names = names or [f"x{i + 1}" for i in range(int(model.n_features_in_))]
        columns = [{"name": name, "type": "number"} for name in names]
        return "onnx.tabular/1", {"columns": columns, "stranger": "low", "limit": 0.0, "output": "scores"}
    return "onnx.tensor/1", {}


def _reads_text(model: Any) -> bool:
    first = model.steps[0][1] if hasattr(model, "steps") and model.steps else model
    return hasattr(first, "vocabulary_") and hasattr(first, "token_pattern")


def _shown(model: Any) -> list[str]:
    steps = [step for _, step in model.steps] if hasattr(model, "steps") else [model]
    return [type(step).__name__ for step in steps]


def _hold_against(model: Any, data: bytes, width: int | None, classifies: bool) -> float:
    """The largest difference between the graph and the model. Raises InvalidInputError where they differ."""
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 4
    quiet.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(data, quiet, providers=["CPUExecutionProvider"])
        if width is None:
            rows: Any = np.array(TEXTS, object).reshape(-1, 1)
            original: Any = list(TEXTS)
        else:
            rows = original = np.random.default_rng(7).normal(scale=2.0, size=(ROWS, width)).astype(np.float32)
        found = session.run(None, {"input": rows})
        expected = _answers(model, original, classifies)
    except Exception as error:  # a graph that cannot run on what the model takes
        raise _not_convertible("đồ thị chuyển đổi không chạy được", "the converted graph does not run") from error
    given = [np.asarray(one).reshape(len(expected), -1) for one in found if np.asarray(one).dtype.kind == "f"]
    alike = [one for one in given if one.shape == expected.shape]
    largest = min((float(np.abs(one - expected).max()) for one in alike), default=float("inf"))
    if not largest <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise refused(
            "conversion-differs",
            "Đồ thị ONNX chuyển đổi cho kết quả khác mô hình gốc; với văn bản hãy đặt "
            "token_pattern=r'[^\\s]+' và không dùng sublinear_tf.",
            "The converted ONNX graph answers differently from the model; for texts set "
            "token_pattern=r'[^\\s]+' and no sublinear_tf.",
        )
    return largest


def _answers(model: Any, rows: Any, classifies: bool) -> npt.NDArray[np.float64]:
    """What the model itself says, a row for each input."""
    if classifies:
        found = model.predict_proba(rows)
    elif hasattr(model, "offset_") and hasattr(model, "decision_function"):
        found = model.decision_function(rows)
    elif hasattr(model, "predict"):
        found = model.predict(rows)
    else:
        found = model.transform(rows)
    return np.asarray(found, np.float64).reshape(len(rows), -1)


def _untrusted() -> InvalidInputError:
    return refused(
        "untrusted-type",
        "Tệp .skops chứa hàm, lời gọi hoặc kiểu ngoài danh sách tin cậy; chỉ nhận mô hình scikit-learn thuần.",
        "The .skops file holds a function, a call or a type that is not trusted; plain scikit-learn models are taken.",
    )


def _not_convertible(vi: str, en: str) -> InvalidInputError:
    return refused("conversion-failed", f"Không chuyển được sang ONNX: {vi}.", f"It cannot be converted to ONNX: {en}.")
