"""What engineers bring: scikit-learn models, trained in a second and converted to ONNX."""

from __future__ import annotations

from functools import cache

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.ensemble import IsolationForest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from tests.models.onnx.graphs import NEGATIVE, POSITIVE

ROWS = np.random.default_rng(1).normal(size=(400, 3)).astype(np.float32)


@cache
def complaints(zipmap: bool) -> bytes:
    """A text classifier that reads text itself."""
    pipeline = Pipeline([("words", TfidfVectorizer(token_pattern="[^ ,]+")), ("model", LogisticRegression(C=10))])
    pipeline.fit(POSITIVE + NEGATIVE, ["khen"] * 3 + ["chê"] * 3)
    options = {LogisticRegression: {"zipmap": zipmap}}
    given = [("text", StringTensorType([None, 1]))]
    return to_onnx(pipeline, initial_types=given, options=options, target_opset=18).SerializeToString()


@cache
def outliers() -> bytes:
    """A detector of strange rows over one matrix."""
    forest = IsolationForest(n_estimators=20, random_state=0).fit(ROWS)
    types = [("rows", FloatTensorType([None, 3]))]
    opset = {"": 18, "ai.onnx.ml": 3}
    return to_onnx(forest, initial_types=types, target_opset=opset).SerializeToString()
