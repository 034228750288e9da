"""The bundled models without the platform: what every peer computes with."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Any

from models.artifact import open_artifact
from models.catalog import open_model
from models.values import Document, TextOptions
from registry.bundle import BUNDLED_FOLDER

NAMES = {"segment": "vi-segment", "topics": "vi-topic", "diacritics": "vi-diacritics"}


PLAIN, NATIVE = "spin ", "hash "
BLOCK = bytes(65_536)


def spin(text: str) -> None:
    """Compute for as long as a text like "spin 1.0" says: milliseconds of this thread's CPU.

    "spin" holds the interpreter lock all the time, as Python code does; "hash" gives it away in pieces of about 50 µs,
    as numpy and onnxruntime do.
    """
    kind = text[:5]
    if kind in (PLAIN, NATIVE):
        until = time.thread_time() + float(text[5:]) / 1e3
        while time.thread_time() < until:
            sum(range(200)) if kind == PLAIN else sha256(BLOCK)


class Peer:
    """The newest bundled model of each language task."""

    def __init__(self) -> None:
        self._models: dict[str, Any] = {}
        for task, name in NAMES.items():
            folders = sorted((BUNDLED_FOLDER / name).glob("*/artifact"))
            if folders:
                self._models[task] = open_model(open_artifact(folders[-1]))
                self._models[task].warm()

    def answer(self, task: str, texts: list[str]) -> list[Any]:
        """Outputs of a task."""
        documents = [Document(str(i), text) for i, text in enumerate(texts)]
        return self._models[task].predict(documents, TextOptions())
