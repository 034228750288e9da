"""Any ONNX graph as a model of named tensors (`onnx.tensor/1`).

    model.onnx      the graph, all its weights inside
    samples.json    optional: {input: nested list}, one realistic call; its first length is the number of rows
    config          {}

The graph's own declarations are the contract: names, types and lengths of its inputs and outputs. Warm-up uses the
samples that were registered with it, or plausible arrays of the declared shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from models.artifact import Artifact
from models.errors import IntegrityError, PlatformError
from models.onnx.graph import read_graph
from models.onnx.session import Session
from models.tensors import DATATYPES, Array, TensorModel, TensorOptions, Tensors, samples_for, usable, written

FILE: Final = "model.onnx"
SAMPLES: Final = "samples.json"
SAMPLE_ROWS: Final = (1, 2)


class OnnxGraph(TensorModel):
    """A graph that answers named tensors with named tensors."""

    def __init__(self, read: Callable[[], bytes], samples: Mapping[str, Any] | None = None) -> None:
        """`read` gives the graph's bytes, `samples` nested lists, one for each input.

        Raises IntegrityError for a graph that may not or cannot run, and for samples that do not fit it.
        """
        graph = read_graph(read())
        self._session = Session(graph)
        self._read = read
        self.inputs, self.outputs = self._session.inputs, self._session.outputs
        self.steady = not graph.loops
        self._given = None if samples is None else self._fitting(samples)

    @classmethod
    def open(cls, artifact: Artifact) -> Self:
        """Construct from a verified artefact. Raises IntegrityError when a part is missing or malformed."""
        samples = artifact.document(SAMPLES) if SAMPLES in artifact.files else None
        return cls(partial(artifact.read, FILE), samples)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the graph and its samples into `folder`."""
        (folder / FILE).write_bytes(self._read())
        if self._given is not None:
            (folder / SAMPLES).write_text(written(self._given), encoding="utf-8")
        return {}

    def samples(self) -> tuple[Sequence[Tensors], TensorOptions]:
        """The samples given, or one and two rows of plausible numbers."""
        if self._given is not None:
            return [self._given], TensorOptions()
        return [samples_for(self.inputs, rows) for rows in SAMPLE_ROWS], TensorOptions()

    def run(self, arrays: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array] | PlatformError:
        """The named outputs of the graph."""
        return self._session.run(arrays, outputs)

    def _fitting(self, samples: Mapping[str, Any]) -> Tensors:
        """The samples as arrays. Raises IntegrityError when they are not what the graph takes."""
        types = {spec.name: DATATYPES[spec.datatype] for spec in self.inputs}
        try:
            given = Tensors({name: np.array(value, types[name]) for name, value in samples.items()})
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise malformed("samples.json is no table of the graph's inputs") from error
        found = usable(given, self.inputs)
        if isinstance(found, PlatformError):
            raise malformed("samples.json does not fit the graph's inputs") from found
        return found


def malformed(why: str) -> IntegrityError:
    """The refusal of an artefact whose parts do not make a model."""
    return IntegrityError("Các phần của mô hình không khớp nhau.", f"The parts of the model do not agree: {why}.")
