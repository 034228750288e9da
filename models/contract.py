"""What a model is.

Decision: a model is three steps, *prepare* (parse, tokenise, encode), *compute* (the arithmetic, which releases
the GIL) and *finish* (decode to values). Threads can overlap the steps of different requests, a batch can be
cut and joined between them, and each can be measured alone. A model is opened from a sealed artefact and never
changes afterwards, so one instance serves all threads.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from models.artifact import Artifact
from models.errors import PlatformError

Item = TypeVar("Item")
Options = TypeVar("Options")
Output = TypeVar("Output")


@dataclass(frozen=True, slots=True)
class Measurement:
    """What warm-up measured on this machine: seconds for one item, and items a second in a batch."""

    single_seconds: float
    items_per_second: float


class Model(ABC, Generic[Item, Options, Output]):
    """A model that answers one or more tasks.

    `tasks` are the wire names of what it answers (`segment`, `topics`, `forecast`, …). `steady`: its time depends on
    the size of what it is given and on nothing else; one whose data decides how long it runs is not.
    """

    tasks: ClassVar[tuple[str, ...]]
    steady: bool = True

    @classmethod
    @abstractmethod
    def open(cls, artifact: Artifact) -> Self:
        """Construct from a verified artefact. Raises IntegrityError when a part is missing or malformed."""

    @abstractmethod
    def save(self, folder: Path) -> dict[str, Any]:
        """Write the weight files into `folder`; return the JSON configuration for the manifest."""

    @abstractmethod
    def prepare(self, items: Sequence[Item], options: Options) -> Any:
        """Encode a batch. An item that cannot be used is carried along as its PlatformError."""

    @abstractmethod
    def compute(self, prepared: Any) -> Any:
        """Do the arithmetic."""

    @abstractmethod
    def finish(self, computed: Any) -> list[Output | PlatformError]:
        """Decode: one output for each item, in order; a failed item stands as its error."""

    @abstractmethod
    def samples(self) -> tuple[Sequence[Item], Options]:
        """A small realistic batch for warm-up and for the contract tests."""

    def predict(self, items: Sequence[Item], options: Options) -> list[Output | PlatformError]:
        """The three steps in a row. Same input, same output; never changes its arguments."""
        return self.finish(self.compute(self.prepare(items, options)))

    def warm(self, rounds: int = 3) -> Measurement:
        """Run the samples until caches are hot; return what was measured in the last round."""
        items, options = self.samples()
        single = batch = 0.0
        for _ in range(rounds):
            started = time.perf_counter()
            self.predict(items[:1], options)
            middle = time.perf_counter()
            self.predict(items, options)
            single, batch = middle - started, time.perf_counter() - middle
        return Measurement(single, len(items) / max(batch, 1e-9))
