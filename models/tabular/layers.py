"""Dense layers over named numbers (`safetensors.layers/1`): a linear model or a small network without a graph.

    weights.safetensors    for each layer a matrix [out, in] and, where it has one, a bias [out]
    config                 {"layers": [{"weight", "bias"?, "activation"?}], "input"?: "x", "output"?: "y"}

For what an engineer trained in any framework and saved as bare tensors: logistic and linear regression, a perceptron.
The answer is `activation(x · weightᵀ + bias)`, layer after layer, in 32-bit floats.

Decision: the tensors named by the configuration are all tensors of the file, so no weight is approved that is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from models.artifact import Artifact, write_tensors
from models.errors import IntegrityError, PlatformError
from models.tensors import FREE, Array, TensorModel, TensorOptions, Tensors, TensorSpec, samples_for

FILE: Final = "weights.safetensors"
SAMPLE_ROWS: Final = (1, 4)
MAX_LAYERS: Final = 64

Singles = npt.NDArray[np.float32]


def _softmax(x: Singles) -> Singles:
    odds = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float32)


def _sigmoid(x: Singles) -> Singles:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)), np.float32)


ACTIVATIONS: Final[Mapping[str, Callable[[Singles], Singles]]] = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, np.float32(0)),
    "tanh": lambda x: np.tanh(x),
    "sigmoid": _sigmoid,
    "softmax": _softmax,
}


@dataclass(frozen=True, slots=True)
class Layer:
    """One step: a matrix (out, in), a bias (out,), and the word of what follows."""

    weight: Singles
    bias: Singles
    activation: str


class DenseLayers(TensorModel):
    """Layers from one table of numbers to another."""

    def __init__(self, config: Mapping[str, Any], tensors: Mapping[str, Array]) -> None:
        """Raises IntegrityError when the tensors are not the layers that the configuration names."""
        self._config, self._tensors = dict(config), dict(tensors)
        try:
            self._layers = [_layer(one, tensors) for one in config["layers"]]
            used = [str(name) for one in config["layers"] for name in (one["weight"], one.get("bias")) if name]
            names = str(config.get("input", "x")), str(config.get("output", "y"))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _malformed("a layer is missing, or of another shape or type") from error
        if not 0 < len(self._layers) <= MAX_LAYERS or sorted(used) != sorted(tensors):
            raise _malformed("the tensors of the file are not those of the layers")
        if any(one.weight.shape[0] != after.weight.shape[1] for one, after in pairwise(self._layers)):
            raise _malformed("a layer does not take what the one before it gives")
        self.inputs = (TensorSpec(names[0], "FP32", (FREE, self._layers[0].weight.shape[1])),)
        self.outputs = (TensorSpec(names[1], "FP32", (FREE, self._layers[-1].weight.shape[0])),)

    @classmethod
    def open(cls, artifact: Artifact) -> Self:
        """Construct from a verified artefact. Raises IntegrityError when a part is missing or malformed."""
        return cls(artifact.config, artifact.tensors(FILE))

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the tensors into `folder`; return the configuration for the manifest."""
        write_tensors(folder / FILE, self._tensors)
        return self._config

    def samples(self) -> tuple[Sequence[Tensors], TensorOptions]:
        """A few plausible rows."""
        return [samples_for(self.inputs, rows) for rows in SAMPLE_ROWS], TensorOptions()

    def run(self, arrays: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array] | PlatformError:
        """The output of the last layer."""
        rows: Singles = arrays[self.inputs[0].name]
        with np.errstate(over="ignore", invalid="ignore"):
            for layer in self._layers:
                rows = ACTIVATIONS[layer.activation](rows @ layer.weight.T + layer.bias)
        return dict.fromkeys(outputs, rows)


def _layer(config: Mapping[str, Any], tensors: Mapping[str, Array]) -> Layer:
    """One layer from its tensors. Raises KeyError, ValueError."""
    weight = tensors[config["weight"]]
    bias = tensors[config["bias"]] if config.get("bias") else np.zeros(len(weight), np.float32)
    activation = str(config.get("activation", "none"))
    if activation not in ACTIVATIONS or weight.ndim != 2 or not weight.size or bias.shape != weight.shape[:1]:
        raise ValueError("the shapes of a layer do not agree")
    if {weight.dtype.kind, bias.dtype.kind} != {"f"} or not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise ValueError("the weights of a layer are no finite numbers")
    return Layer(weight.astype(np.float32), bias.astype(np.float32), activation)


def _malformed(why: str) -> IntegrityError:
    return IntegrityError("Các tầng của mô hình không khớp nhau.", f"The layers of the model do not agree: {why}.")
