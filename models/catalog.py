"""Which class opens an artefact of which kind.

Decision: an artefact names a versioned *kind* (`text.segment/1`), never a module. This table maps it to the class,
and the class's module is imported when its row is first used: the file is the unit of laziness, so the platform
starts without prophet or scipy. Old kinds stay as long as an artefact of that kind may be opened.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from models.artifact import Artifact
from models.contract import Model
from models.errors import IntegrityError

KINDS = {
    "text.segment/1": "models.text.segment:Segmenter",
    "text.classify/1": "models.text.classify:Classifier",
    "text.diacritics/1": "models.text.diacritics:Restorer",
    "forecast.core/1": "models.forecast.combine:Combination",
    "forecast.additive/1": "models.forecast.additive:Additive",
    "anomaly.series/1": "models.anomaly.series:SeriesDetector",
    "tabular.anomaly/1": "models.tabular.detector:TableDetector",
    "onnx.tensor/1": "models.onnx.tensor:OnnxGraph",
    "onnx.text-classify/1": "models.onnx.text:OnnxClassifier",
    "onnx.tabular/1": "models.onnx.table:OnnxTableDetector",
    "safetensors.layers/1": "models.tabular.layers:DenseLayers",
}


def model_class(kind: str) -> type[Model[Any, Any, Any]]:
    """The class of a kind. Raises IntegrityError for a kind that this version does not know."""
    try:
        module, _, name = KINDS[kind].partition(":")
    except KeyError as error:
        raise IntegrityError(f"Không hỗ trợ loại mô hình {kind}.", f"Unknown model kind {kind}.") from error
    found: type[Model[Any, Any, Any]] = getattr(import_module(module), name)
    return found


def open_model(artifact: Artifact) -> Model[Any, Any, Any]:
    """Open a verified artefact as the model it is."""
    return model_class(artifact.kind).open(artifact)
