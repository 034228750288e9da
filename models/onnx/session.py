"""Running a graph: one thread, bounded time, memory given back after every call.

Decisions
- The runtime computes on the calling thread: the platform's own threads are the bound, and hundreds of graphs in one
  process must not bring a pool of threads each.
- All sessions of a process share one store of working memory of at most `WORKING_BYTES`, which shrinks after every run:
  what a large call needed is free again when it is over, and a graph that asks for more than there is fails alone
  instead of ending the process. Weights lie outside it, so a closed session gives back what it weighed.
- A graph may loop for as long as its data says. One watching thread for all sessions tells a run that is over its time
  to stop; the runtime looks at that flag before every operator. The call hears DeadlineError.
- Errors of the runtime on input that fits the declared shapes are the input's: an index out of range, lengths that do
  not agree. Its message names tensors, never their content, and is not passed on all the same.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import count
from typing import Any, Final

import numpy as np
import onnxruntime

from models.errors import DeadlineError, InvalidInputError, PlatformError
from models.onnx.graph import Graph, refused
from models.tensors import BYTES, FREE, Array, TensorSpec

RUN_SECONDS: Final = 30.0
SILENT: Final = 4
"""The runtime's log level at which only its own death is told; what fails is raised anyway."""

ELEMENTS: Final[Mapping[str, str]] = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8",
    "int16": "INT16", "int32": "INT32", "int64": "INT64", "float16": "FP16", "float": "FP32", "double": "FP64",
    "string": BYTES,
}  # fmt: skip
"""The runtime's words for the elements of a tensor, in the protocol's words."""

WORKING_BYTES: Final = 1 << 30
SAME_AS_REQUESTED: Final = 1
NO_MEMORY: Final = ("Available memory", "bad_alloc", "allocate memory")
"""How the runtime says that memory did not suffice."""

PROBABILITIES: Final = {"seq(map(string,tensor(float)))", "seq(map(int64,tensor(float)))"}
"""How a converted classifier writes probabilities by class; read as a table with one column a class."""


class Watch:
    """Stops runs that are over their time: one sleeping thread for all sessions of a process. Safe for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """The thread starts with the first run."""
        self._clock = clock
        self._heap: list[tuple[float, int, onnxruntime.RunOptions]] = []
        self._running: set[int] = set()
        self._numbers = count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def begin(self, options: onnxruntime.RunOptions, seconds: float) -> int:
        """Watch a run; the number under which it ends."""
        with self._changed:
            number = next(self._numbers)
            until = self._clock() + seconds
            sooner = not self._heap or until < self._heap[0][0]
            heapq.heappush(self._heap, (until, number, options))
            self._running.add(number)
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="onnx-watch", daemon=True)
                self._thread.start()
            elif sooner:
                self._changed.notify()
            return number

    def end(self, number: int) -> None:
        """The run is over."""
        with self._changed:
            self._running.discard(number)
            while self._heap and self._heap[0][1] not in self._running:
                heapq.heappop(self._heap)

    def _look(self) -> None:
        while True:
            with self._changed:
                if not self._heap:
                    self._changed.wait()
                    continue
                until, number, options = self._heap[0]
                left = until - self._clock()
                if number in self._running and left > 0:
                    self._changed.wait(left)
                    continue
                heapq.heappop(self._heap)
                if number in self._running:
                    options.terminate = True


WATCH: Final = Watch()


class Session:
    """A graph ready to run. Safe for threads."""

    def __init__(self, graph: Graph, *, seconds: float = RUN_SECONDS, watch: Watch = WATCH) -> None:
        """Build from an audited graph; a run may take `seconds`.

        Raises IntegrityError when the runtime cannot build it, or when it has no input or output that is a tensor.
        """
        _bound_memory()
        try:
            self._session = onnxruntime.InferenceSession(graph.data, _options(), providers=["CPUExecutionProvider"])
        except Exception as error:
            raise refused("Không dựng được đồ thị ONNX.", "The ONNX graph cannot be built.") from error
        self._classes = {label: place for place, label in enumerate(graph.labels)}
        self._seconds = seconds
        self._watch = watch
        self.inputs = tuple(_spec(argument) for argument in self._session.get_inputs())
        self.outputs = tuple(
            _spec(argument) for argument in self._session.get_outputs() if _element(argument) or _by_class(argument)
        )  # others (maps, sequences) have no form on the wire and are left out
        if not self.inputs or not self.outputs:
            vi, en = "Đồ thị ONNX không có đầu vào hoặc đầu ra.", "The ONNX graph has no input or no output."
            raise refused(vi, en)

    def run(self, arrays: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array] | PlatformError:
        """The named outputs, or why there are none: InvalidInputError, DeadlineError."""
        limits = onnxruntime.RunOptions()
        limits.log_severity_level = SILENT
        limits.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        number = self._watch.begin(limits, self._seconds)
        try:
            found = self._session.run(list(outputs), dict(arrays), limits)
        except Exception as error:
            return _failure(error, limits.terminate)
        finally:
            self._watch.end(number)
        return {name: _array(value, self._classes) for name, value in zip(outputs, found, strict=True)}


@cache
def _bound_memory() -> None:
    """Give the process's sessions their common store of working memory, once."""
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    limits = {"max_mem": WORKING_BYTES, "arena_extend_strategy": SAME_AS_REQUESTED, "initial_chunk_size_bytes": 1 << 16}
    onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg(limits))


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    options.enable_mem_pattern = False  # plans of memory are kept for every shape that was ever sent
    options.use_deterministic_compute = True
    options.log_severity_level = SILENT
    return options


def _element(argument: onnxruntime.NodeArg) -> str | None:
    """The protocol's word for the elements of a tensor, None for what is no tensor."""
    kind = str(argument.type)
    return ELEMENTS.get(kind.removeprefix("tensor(").removesuffix(")")) if kind.startswith("tensor(") else None


def _by_class(argument: onnxruntime.NodeArg) -> bool:
    return argument.type in PROBABILITIES


def _spec(argument: onnxruntime.NodeArg) -> TensorSpec:
    """What the graph declares. Raises IntegrityError for an input that is no tensor."""
    if _by_class(argument):
        return TensorSpec(argument.name, "FP32", (FREE, FREE))
    word = _element(argument)
    if word is None:
        vi, en = "Đồ thị ONNX có đầu vào không phải tensor.", "The ONNX graph has an input that is no tensor."
        raise refused(vi, en)
    shape = tuple(length if isinstance(length, int) and length >= 0 else FREE for length in argument.shape)
    return TensorSpec(argument.name, word, shape)


def _array(value: Any, classes: Mapping[str, int]) -> Array:
    """An output as an array; probabilities by class as a table, its columns in the order of the classes."""
    if isinstance(value, list):
        rows = [[row[name] for name in sorted(row, key=lambda one: classes.get(str(one), 0))] for row in value]
        return np.array(rows, np.float32).reshape(len(rows), -1)
    array = np.asarray(value)
    return array.astype(np.object_) if array.dtype.kind in "US" else array


def _failure(error: Exception, stopped: bool) -> PlatformError:
    """What a run that failed means to the caller."""
    if stopped:
        vi, en = "Mô hình tính quá thời hạn trên dữ liệu này.", "The model took too long on this input."
        return _chained(DeadlineError(vi, en), error)
    if isinstance(error, MemoryError) or any(word in str(error) for word in NO_MEMORY):
        vi, en = "Mô hình cần quá nhiều bộ nhớ cho dữ liệu này.", "The model needs too much memory for this input."
        return _chained(InvalidInputError.at("/inputs", vi, en, code="too-large"), error)
    vi, en = "Mô hình không tính được trên dữ liệu này.", "The model cannot compute on this input."
    return _chained(InvalidInputError.at("/inputs", vi, en, code="model-refused"), error)


def _chained(told: PlatformError, cause: Exception) -> PlatformError:
    told.__cause__ = cause
    return told
