"""What a bias report is made of, before it becomes JSON, a page or pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from models.errors import Note
from models.scores.funnel import Funnel
from models.scores.groups import Comparison, Harm, Heterogeneity, Rule, Verdict, overall

Scale = Literal["share", "ratio", "number"]
Picture = Literal["forest", "funnel", "none"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure over the groups of an axis.

    `confirmatory` figures give verdicts that count; the others are shown with their p-values adjusted for false
    discoveries and never fail a model. `method` says in a few words how the bounds were found.
    """

    metric: str
    title: Note
    quantity: str
    rule: Rule
    harm: Harm
    comparisons: tuple[Comparison, ...]
    method: Note
    scale: Scale = "share"
    confirmatory: bool = True
    heterogeneity: Heterogeneity | None = None
    funnel: Funnel | None = None
    remark: Note | None = None

    @property
    def verdict(self) -> Verdict:
        """Of all groups together."""
        return overall([one.verdict for one in self.comparisons])


@dataclass(frozen=True, slots=True)
class Matrix:
    """Templates of `n` on which the answers for two groups differ; symmetric."""

    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    n: int
    asymmetries: int


@dataclass(frozen=True, slots=True)
class Axis:
    """Groups of one kind and what was measured of them; `labels` are the groups' names in both languages.

    `places` says that the groups are provinces of that division, by code, and belong on the map.
    """

    id: str
    title: Note
    measures: tuple[Measure, ...]
    labels: Mapping[str, Note] = field(default_factory=dict)
    matrix: Matrix | None = None
    places: Literal["34", "63"] | None = None
    remark: Note | None = None

    @property
    def verdict(self) -> Verdict:
        """Of the figures that count."""
        return overall([one.verdict for one in self.measures if one.confirmatory])

    @property
    def confirmatory(self) -> bool:
        """Whether any figure of the axis counts."""
        return any(one.confirmatory for one in self.measures)


@dataclass(frozen=True, slots=True)
class Harming:
    """Who is hurt by which error, and which figure sees it: the first table of the report."""

    who: Note
    error: Note
    consequence: Note
    metric: str


@dataclass(frozen=True, slots=True)
class Untested:
    """A group or axis that could not be tested, and why."""

    group: Note
    reason: Note


@dataclass(frozen=True, slots=True)
class Findings:
    """What a family's tests hand back; `datasets` are ids with the part that was used, `lists` names of word lists."""

    family: str
    axes: Sequence[Axis]
    harms: Sequence[Harming]
    untested: Sequence[Untested]
    datasets: Sequence[str]
    lists: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    brought: Sequence[Mapping[str, str]] = ()
    """Data that the caller brought, as rows of the report's data sets."""
