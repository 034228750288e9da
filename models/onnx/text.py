"""An ONNX graph that sorts texts into classes (`onnx.text-classify/1`).

    model.onnx        reads text itself (one input BYTES [n] or [n, 1]), or numbers of a vocabulary
    vocabulary.json   only for the latter, see `models.onnx.tokens`
    config            {"labels"?, "scores": "probabilities" | "logits", "output"?, "abstain_below", "samples": [text…],
                       "tokens"?}

Decision: the labels are the training data's own strings. Where the configuration names none, they are those that the
graph's classifier carries; as many as the output has columns, or two over a single column, the chance of the second.

Decision: what the graph calls probabilities is held to it: finite, between 0 and 1, summing to 1. Otherwise the text is
refused, because a score that only looks like a probability is worse than none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from models.artifact import Artifact
from models.contract import Model
from models.errors import InvalidInputError, PlatformError
from models.onnx.graph import read_graph
from models.onnx.session import Session
from models.onnx.tensor import FILE, malformed
from models.onnx.tokens import Tokens
from models.tensors import BYTES, DATATYPES, FREE, Array, TensorSpec
from models.values import Document, Labels, TextOptions

VOCABULARY: Final = "vocabulary.json"
SCORES: Final = ("probabilities", "logits")
FLOATS: Final = ("FP16", "FP32", "FP64")
WHOLE: Final = ("INT32", "INT64")
MAX_CHARACTERS: Final = 200_000
MAX_SAMPLES: Final = 16
TOLERANCE: Final = 1e-3
"""How far probabilities of 32-bit floats may miss a sum of 1."""

Floats = npt.NDArray[np.float64]


class OnnxClassifier(Model[Document, TextOptions, Labels]):
    """A graph as text classifier."""

    tasks: ClassVar[tuple[str, ...]] = ("classify",)

    def __init__(
        self, read: Callable[[], bytes], config: Mapping[str, Any], vocabulary: Sequence[str] | None = None
    ) -> None:
        """`read` gives the graph's bytes. Raises IntegrityError when the parts do not make a classifier."""
        graph = read_graph(read())
        self.steady = not graph.loops
        self._session = Session(graph)
        self._read, self._config, self._vocabulary = read, dict(config), vocabulary
        try:
            self.labels = [str(label) for label in config.get("labels", graph.labels)]
            self._scores = config["scores"]
            self._abstain_below = float(config["abstain_below"])
            self._texts = [str(text) for text in config["samples"][:MAX_SAMPLES]]
            self._tokens = None if vocabulary is None else Tokens(config["tokens"], vocabulary)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise malformed("the configuration lacks a part, or a part is of another kind") from error
        if self._scores not in SCORES or not self._texts or len(set(self.labels)) != len(self.labels) > 1:
            raise malformed("scores, samples or labels")
        self._input = self._text_input() if self._tokens is None else self._number_input(self._tokens)
        self._output = self._score_output(config.get("output"))
        if self._output.shape[1] not in (FREE, len(self.labels)) and (self._output.shape[1], len(self.labels)) != (
            1,
            2,
        ):
            raise malformed("there are not as many labels as columns")

    @classmethod
    def open(cls, artifact: Artifact) -> Self:
        """Construct from a verified artefact. Raises IntegrityError when a part is missing or malformed."""
        vocabulary = artifact.document(VOCABULARY) if VOCABULARY in artifact.files else None
        return cls(partial(artifact.read, FILE), artifact.config, vocabulary)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the graph and its vocabulary into `folder`; return the configuration for the manifest."""
        (folder / FILE).write_bytes(self._read())
        if self._vocabulary is not None:
            text = json.dumps(list(self._vocabulary), ensure_ascii=False, indent=0)
            (folder / VOCABULARY).write_text(text + "\n", encoding="utf-8")
        return self._config

    def samples(self) -> tuple[Sequence[Document], TextOptions]:
        """The configuration's sample texts."""
        return [Document(str(i), text) for i, text in enumerate(self._texts)], TextOptions()

    def prepare(self, items: Sequence[Document], options: TextOptions) -> list[Document]:
        """Take the texts. Raises InvalidInputError for an explanation: a graph gives none that is exact."""
        if options.explain:
            vi, en = "Mô hình này không có giải thích.", "This model has no explanation."
            raise InvalidInputError.at("/options/explain", vi, en, code="unsupported-option")
        return list(items)

    def compute(self, prepared: list[Document]) -> list[Floats | PlatformError]:
        """Probabilities (k,) of every text, or why there are none."""
        texts = [document.text for document in prepared]
        found: list[Floats | PlatformError] = [_too_long()] * len(texts)
        fits = [place for place, text in enumerate(texts) if len(text) <= MAX_CHARACTERS]
        for places, arrays in self._batches([texts[place] for place in fits]):
            scored = self._judge(arrays, len(places))
            for place, one in zip(places, scored, strict=True):
                found[fits[place]] = one
        return found

    def finish(self, computed: list[Floats | PlatformError]) -> list[Labels | PlatformError]:
        """All classes by falling probability; equal ones in the order of the labels."""
        return [one if isinstance(one, PlatformError) else self._labels(one) for one in computed]

    def _labels(self, chances: Floats) -> Labels:
        order = np.argsort(-chances, kind="stable").tolist()
        labels = [(self.labels[place], float(chances[place])) for place in order]
        return Labels(labels, labels[0][1] < self._abstain_below)

    def _batches(self, texts: Sequence[str]) -> list[tuple[list[int], dict[str, Array]]]:
        """Runs of the graph: the places of the texts in each, and its inputs."""
        if self._tokens is None:
            rows: list[Any] = list(texts)
            groups = [list(range(len(texts)))] if texts else []
        else:
            rows = [self._tokens.encode(text) for text in texts]
            groups = self._tokens.groups(rows, self._input.shape[1]) if texts else []
        if self._input.shape[0] == 1:
            groups = [[place] for group in groups for place in group]
        return [(group, self._arrays([rows[place] for place in group])) for group in groups]

    def _arrays(self, rows: list[Any]) -> dict[str, Array]:
        if self._tokens is not None:
            return self._tokens.arrays(rows, self._input.shape[1], DATATYPES[self._input.datatype])
        column = np.empty(len(rows), np.object_)
        column[:] = rows
        return {self._input.name: column if len(self._input.shape) == 1 else column[:, None]}

    def _judge(self, arrays: dict[str, Array], count: int) -> list[Floats | PlatformError]:
        """One run; when it fails, its texts one by one, so that one text does not take the others with it."""
        found = self._session.run(arrays, [self._output.name])
        if not isinstance(found, PlatformError):
            return self._chances(found[self._output.name], count)
        if count == 1:
            return [found]
        alone = [{name: array[i : i + 1] for name, array in arrays.items()} for i in range(count)]
        return [self._judge(one, 1)[0] for one in alone]

    def _chances(self, raw: Array, count: int) -> list[Floats | PlatformError]:
        """Rows of probabilities, each held to what that means."""
        table = raw.astype(np.float64).reshape(count, -1)
        if self._scores == "logits":
            if table.shape[1] == 1:
                table = np.hstack([np.zeros_like(table), table])
            odds = np.exp(table - table.max(axis=1, keepdims=True))
            table = odds / odds.sum(axis=1, keepdims=True)
        elif table.shape[1] == 1:
            table = np.hstack([1.0 - table, table])
        if table.shape[1] != len(self.labels):
            return [_no_probability()] * count
        good = np.isfinite(table).all(axis=1) & (table >= -TOLERANCE).all(axis=1)
        good &= np.abs(table.sum(axis=1) - 1.0) <= TOLERANCE
        return [np.clip(row, 0.0, 1.0) if fine else _no_probability() for row, fine in zip(table, good, strict=True)]

    # --- what the graph declares ----------------------------------------------------------------------------

    def _text_input(self) -> TensorSpec:
        """The one input that takes texts. Raises IntegrityError when there is no such, or another beside it."""
        spec = self._session.inputs[0]
        shape = spec.shape
        if len(self._session.inputs) != 1 or spec.datatype != BYTES or len(shape) not in (1, 2) or shape[0] not in ROWS:
            raise malformed("without a vocabulary the graph takes one input, BYTES [n] or [n, 1]")
        if len(shape) == 2 and shape[1] not in (FREE, 1):
            raise malformed("a graph that reads text takes one text a row")
        return spec

    def _number_input(self, tokens: Tokens) -> TensorSpec:
        """The input that takes numbers of words. Raises IntegrityError when the graph's inputs are others."""
        named = {name for name in (tokens.ids, tokens.mask, tokens.types) if name is not None}
        known = {spec.name: spec for spec in self._session.inputs}
        alike = {(spec.datatype, spec.shape[1:]) for spec in known.values()}
        if named != set(known) or len(alike) != 1:
            raise malformed("the graph's inputs are not those that the configuration names")
        spec = known[tokens.ids]
        if spec.datatype not in WHOLE or len(spec.shape) != 2 or spec.shape[0] not in ROWS:
            raise malformed("numbers of words are INT32 or INT64 [n, length]")
        return spec

    def _score_output(self, name: str | None) -> TensorSpec:
        """The output with one row of scores a text. Raises IntegrityError when there is none."""
        able = [
            s for s in self._session.outputs if s.datatype in FLOATS and len(s.shape) == 2 and name in (None, s.name)
        ]
        if not able:
            raise malformed("no output holds a row of scores for each text")
        return able[0]


ROWS: Final = (FREE, 1)
"""Numbers of texts that a run may take: any, or one by one."""


def _too_long() -> InvalidInputError:
    vi, en = f"Văn bản quá {MAX_CHARACTERS} ký tự.", f"The text is over {MAX_CHARACTERS} characters."
    return InvalidInputError.at("/text", vi, en, code="too-large")


def _no_probability() -> InvalidInputError:
    vi = "Mô hình trả về giá trị không phải xác suất cho văn bản này."
    return InvalidInputError.at("/text", vi, "The model gave no probabilities for this text.", code="model-refused")
