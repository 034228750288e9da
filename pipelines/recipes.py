"""What a training recipe is, and which recipes the project has.

Decision: a recipe is one object in one file of `pipelines/training`, found by name through the table below and
imported only when its row is used, so that listing recipes or training one of them never imports the libraries
of another (torch above all). A recipe states its data by catalogue id; the pipeline, not the recipe, checks
licences, digests and overlap before any training starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol, cast

from models.contract import Model
from models.errors import NotFoundError
from pipelines.datasets import Datasets
from pipelines.leakage import Overlap

Parameter = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured figure.

    `name` carries its unit where it has one (`syllables_per_second`); `n` is the number of units measured (words,
    documents, series); `dataset` is a catalogue id, with `#part` for a part of it; `ci95` is a 95 % interval.
    `baseline` names the baseline that this row measures; None means the model itself.
    """

    name: str
    value: float
    n: int
    dataset: str
    slice: str = "all"
    ci95: tuple[float, float] | None = None
    baseline: str | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """What a recipe hands back: the model, what it was made with, and remarks for the card.

    `overlap` holds, for each evaluation id, the report of `pipelines.leakage.without_overlap`: a recipe that trains on
    texts removes there what the evaluation has seen, before it trains.
    """

    model: Model[Any, Any, Any]
    parameters: Mapping[str, Parameter]
    seed: int
    notes: Mapping[str, str] = field(default_factory=dict)
    overlap: Mapping[str, Overlap] = field(default_factory=dict)


class Recipe(Protocol):
    """How one model is made and measured.

    `training` are the catalogue ids that the weights are trained or chosen on; `evaluation` those used for reported
    figures only. `licence` is the SPDX id of the weights.
    """

    @property
    def name(self) -> str:
        """The model's name, also the key in RECIPES."""

    @property
    def version(self) -> str:
        """Three numbers; a new one for every change of data or method."""

    @property
    def kind(self) -> str:
        """A key of `models.catalog.KINDS`."""

    @property
    def licence(self) -> str:
        """SPDX id of the licence of the weights."""

    @property
    def training(self) -> tuple[str, ...]:
        """Catalogue ids that the weights are trained or chosen on."""

    @property
    def evaluation(self) -> tuple[str, ...]:
        """Catalogue ids used for reported figures only."""

    def train(self, data: Datasets, *, threads: int, quick: bool, log: Callable[[str], None]) -> Trained:
        """Train; `quick` is a tiny run of a few seconds for tests."""

    def evaluate(self, model: Model[Any, Any, Any], data: Datasets, *, quick: bool) -> list[Metric]:
        """Measure the model and at least one trivial baseline on the evaluation data, and the model's speed."""


RECIPES = {
    "vi-segment": "pipelines.training.segment:RECIPE",
    "vi-topic": "pipelines.training.topic:RECIPE",
    "vi-diacritics": "pipelines.training.diacritics:RECIPE",
    "forecast-core": "pipelines.training.forecast:RECIPE",
    "forecast-prophet": "pipelines.training.prophet:RECIPE",
    "anomaly-series": "pipelines.training.anomaly:RECIPE",
    "anomaly-tabular": "pipelines.training.tabular:RECIPE",
}


def recipe(name: str) -> Recipe:
    """The recipe of that name. Raises NotFoundError naming the recipes that exist."""
    if name not in RECIPES:
        known = ", ".join(RECIPES)
        raise NotFoundError(
            f"Không có công thức huấn luyện này; hiện có: {known}.", f"No such recipe; the recipes are: {known}."
        )
    module, _, word = RECIPES[name].partition(":")
    return cast(Recipe, getattr(import_module(module), word))
