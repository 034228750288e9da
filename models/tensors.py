"""Named arrays: what a model that speaks in tensors takes and gives, whatever it was trained for.

Decision: the datatypes are those of the Open Inference Protocol, and an array is of the declared one or refused: a
model that was measured on 32-bit floats is not fed with whole numbers. `BYTES` is text in UTF-8 and stands here as
objects of `str`. A length of -1 is free: the caller chooses it.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from models.contract import Model
from models.errors import InvalidInputError, PlatformError

Array = npt.NDArray[Any]

BYTES: Final = "BYTES"
DATATYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8), "UINT16": np.dtype(np.uint16), "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8), "INT16": np.dtype(np.int16), "INT32": np.dtype(np.int32), "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16), "FP32": np.dtype(np.float32), "FP64": np.dtype(np.float64),
    BYTES: np.dtype(np.object_),
}  # fmt: skip
"""The protocol's words for the elements of an array, and how they are held."""

WORDS: Final[Mapping[np.dtype[Any], str]] = {held: word for word, held in DATATYPES.items()}
FREE: Final = -1
SAMPLE_LENGTH: Final = 4
SAMPLE_TEXT: Final = "Đề nghị sửa đoạn đường qua thôn 3"
SEED: Final = 7


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What an array must be: its name, the protocol's word for its elements, and its lengths (-1 is free)."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def takes(self, array: Array) -> bool:
        """Whether an array is of this type and shape."""
        return (
            array.dtype == DATATYPES[self.datatype]
            and len(array.shape) == len(self.shape)
            and all(length in (FREE, given) for length, given in zip(self.shape, array.shape, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Tensors:
    """The arrays of one call, or of its answer, by name."""

    arrays: Mapping[str, Array]

    @property
    def size(self) -> int:
        """How many elements all arrays hold together."""
        return sum(array.size for array in self.arrays.values())


@dataclass(frozen=True, slots=True)
class TensorOptions:
    """Which outputs are asked for; none means all."""

    outputs: tuple[str, ...] = ()


class TensorModel(Model[Tensors, TensorOptions, Tensors]):
    """A model of declared inputs and outputs; `inputs` and `outputs` are set when it is opened."""

    tasks: ClassVar[tuple[str, ...]] = ()
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @abstractmethod
    def run(self, arrays: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array] | PlatformError:
        """The named outputs for arrays that were held against `inputs`."""

    def prepare(
        self, items: Sequence[Tensors], options: TensorOptions
    ) -> tuple[list[Tensors | PlatformError], tuple[str, ...]]:
        """Hold every call against the declared inputs. Raises InvalidInputError for an output that there is not."""
        names = tuple(spec.name for spec in self.outputs)
        if not set(options.outputs) <= set(names):
            known = ", ".join(names)
            vi, en = f"Đầu ra không có trong mô hình; có: {known}.", f"No such output; the model has: {known}."
            raise InvalidInputError.at("/outputs", vi, en, code="unknown-output")
        return [usable(item, self.inputs) for item in items], options.outputs or names

    def compute(self, prepared: tuple[list[Tensors | PlatformError], tuple[str, ...]]) -> Any:
        """Run every call by itself: its lengths are its own, so calls do not join."""
        items, wanted = prepared
        return [item if isinstance(item, PlatformError) else self.run(item.arrays, wanted) for item in items]

    def finish(self, computed: Any) -> list[Tensors | PlatformError]:
        """The outputs of each call, or its error."""
        return [found if isinstance(found, PlatformError) else Tensors(found) for found in computed]


def usable(item: Tensors, specs: Sequence[TensorSpec]) -> Tensors | PlatformError:
    """The call with its arrays in the declared order, or what is wrong with it."""
    known = {spec.name: spec for spec in specs}
    for place, (name, array) in enumerate(item.arrays.items()):
        spec = known.get(name)
        if spec is None:
            named = ", ".join(known)
            vi, en = f"Không có đầu vào này; mô hình nhận: {named}.", f"No such input; the model takes: {named}."
            return InvalidInputError.at(f"/inputs/{place}/name", vi, en, code="unknown-input")
        if not spec.takes(array):
            form = f"{spec.datatype} {list(spec.shape)}"
            vi, en = f"Đầu vào {name} phải là {form} (-1: tùy ý).", f"Input {name} must be {form} (-1: free)."
            return InvalidInputError.at(f"/inputs/{place}", vi, en, code="wrong-tensor")
    missing = [name for name in known if name not in item.arrays]
    if missing:
        vi, en = f"Thiếu đầu vào: {', '.join(missing)}.", f"Missing inputs: {', '.join(missing)}."
        return InvalidInputError.at("/inputs", vi, en, code="missing-input")
    return Tensors({name: item.arrays[name] for name in known})


def samples_for(specs: Sequence[TensorSpec], rows: int) -> Tensors:
    """Plausible arrays of the declared shapes; the first length, where it is free, is `rows`, any other a few."""
    rng = np.random.default_rng(SEED)
    return Tensors({spec.name: _sample(spec, rows, rng) for spec in specs})


def written(item: Tensors) -> str:
    """A call as JSON text of nested lists."""
    lists = {name: array.tolist() for name, array in item.arrays.items()}
    return json.dumps(lists, ensure_ascii=False, sort_keys=True) + "\n"


def _sample(spec: TensorSpec, rows: int, rng: np.random.Generator) -> Array:
    shape = tuple(
        length if length != FREE else rows if place == 0 else SAMPLE_LENGTH for place, length in enumerate(spec.shape)
    )
    held = DATATYPES[spec.datatype]
    if spec.datatype == BYTES:
        return np.full(shape, SAMPLE_TEXT, np.object_)
    if held.kind == "f":
        return rng.normal(size=shape).astype(held)
    return np.ones(shape, held)
