"""Tests of language models by groups of texts: ways of typing, length, source, regional words, mentions.

Every group is held against the others pooled; mentions may overlap, so a text that mentions a group is held against
the texts that do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.errors import Note
from models.scores.anomaly import Bools
from models.scores.groups import (
    Comparison,
    Heterogeneity,
    Rule,
    Tally,
    compare_paired_ratios,
    compare_pairs,
    compare_ratios,
    compare_shares,
    compare_two,
    spread_of_shares,
)
from models.scores.proportions import mcnemar
from models.values import Floats
from pipelines.bias.disturbances import Disturbance
from pipelines.bias.lists import mention_patterns, region_of
from pipelines.bias.margins import rule_for
from pipelines.bias.subjects import Subject
from pipelines.bias.values import Axis, Measure

LENGTHS = ((0, 30), (30, 100), (100, 300), (300, 600), (600, 1_000_000))
NEWCOMBE = Note("Newcombe 1998, hiệu hai tỷ lệ", "difference of two proportions")
PAIRED = Note("Newcombe 1998, cặp; p: McNemar chính xác", "paired; p by exact McNemar")
RESAMPLED = Note("bootstrap theo văn bản, 2000 lượt, t Student", "bootstrap over texts, 2,000 draws, Student's t")


@dataclass(frozen=True, slots=True)
class Scored:
    """A subject's cases with their counts as written."""

    subject: Subject
    counts: Floats
    tier: str

    @property
    def rule(self) -> Rule:
        """The margin of its figure."""
        return rule_for("accuracy", self.tier)


def score(subject: Subject, tier: str) -> Scored:
    """Answer all cases once."""
    return Scored(subject, subject.counts(subject.cases), tier)


def surface(scored: Scored, ways: Sequence[Disturbance]) -> Axis:
    """What each way of typing costs, on the texts that it changes."""
    subject, found = scored.subject, []
    for way in ways:
        changed = [at for at, case in enumerate(subject.cases) if way.typed(case.text) != case.text]
        if not changed:
            continue
        before = scored.counts[changed]
        after = subject.counts([subject.cases[at] for at in changed], way.typed)
        found.append(lost(way.id, before, after, scored.rule, len(ways), whole=subject.whole))
    title = Note(f"{subject.title.vi} mất đi so với bản gốc", f"{subject.title.en} lost against the text as written")
    measure = Measure(
        f"{subject.metric}_lost", title, "accuracy", scored.rule, "low", tuple(found),
        PAIRED if subject.whole else RESAMPLED,
    )  # fmt: skip
    labels = {way.id: way.title for way in ways}
    return Axis("typing", Note("Cách viết, cách gõ", "Ways of writing and typing"), (measure,), labels)


def lost(group: str, before: Floats, after: Floats, rule: Rule, groups: int, *, whole: bool) -> Comparison:
    """The share lost between two answers to the same cases."""
    if not whole:
        return compare_paired_ratios(group, before, after, rule, groups)
    first, second = before[:, 0] > 0, after[:, 0] > 0
    found = compare_pairs(group, first.tolist(), second.tolist(), rule, groups)
    return replace(found, p=mcnemar(int((first & ~second).sum()), int((~first & second).sum())))


def divided(
    scored: Scored, id_: str, title: Note, groups: Sequence[str], labels: Mapping[str, Note], remark: Note | None = None
) -> Axis | None:
    """An axis whose groups divide the cases ("" stands outside); None for fewer than two groups."""
    names = [name for name in labels if name in groups]
    if len(names) < 2:
        return None
    inside = np.array(groups)[:, None] == np.array(names)
    rights, totals = scored.counts[:, :1] * inside, scored.counts[:, 1:] * inside
    counts = [int(each) for each in inside.sum(0)]
    heterogeneity: Heterogeneity | None = None
    if scored.subject.whole:
        tallies = [Tally(name, float(rights[:, at].sum()), counts[at]) for at, name in enumerate(names)]
        found, heterogeneity = compare_shares(tallies, scored.rule), spread_of_shares(tallies)
    else:
        held = inside.any(1)
        found = compare_ratios(names, rights[held], totals[held], counts, scored.rule)
    return Axis(id_, title, (_measure(scored, found, heterogeneity),), labels, remark=remark)


def marked(
    scored: Scored, id_: str, title: Note, marks: Mapping[str, Bools], labels: Mapping[str, Note],
    remark: Note | None = None,
) -> Axis:  # fmt: skip
    """An axis whose groups may overlap: each against the cases that are not of it."""
    found = []
    for name, inside in marks.items():
        sides = np.column_stack([inside, ~inside])
        rights, totals = scored.counts[:, :1] * sides, scored.counts[:, 1:] * sides
        if scored.subject.whole:
            mine, rest = (Tally(name, float(rights[:, at].sum()), int(sides[:, at].sum())) for at in (0, 1))
            found.append(compare_two(mine, rest, scored.rule, len(marks)))
        else:
            counts = [int(each) for each in sides.sum(0)]
            found += compare_ratios((name, ""), rights, totals, counts, scored.rule, compared=len(marks))[:1]
    return Axis(id_, title, (_measure(scored, found, None),), labels, remark=remark)


def _measure(scored: Scored, found: Sequence[Comparison], heterogeneity: Heterogeneity | None) -> Measure:
    subject = scored.subject
    method = NEWCOMBE if subject.whole else RESAMPLED
    return Measure(
        subject.metric, subject.title, "accuracy", scored.rule, "low", tuple(found), method, heterogeneity=heterogeneity
    )  # fmt: skip


def by_length(scored: Scored) -> Axis | None:
    """Short and long texts."""
    labels = {
        f"{low}-{high}": Note(f"{low}–{high - 1} âm tiết", f"{low}–{high - 1} syllables") for low, high in LENGTHS[:-1]
    } | {f"{LENGTHS[-1][0]}-": Note(f"từ {LENGTHS[-1][0]} âm tiết", f"{LENGTHS[-1][0]} syllables and more")}
    names = list(labels)
    sizes = [len(case.text.split()) for case in scored.subject.cases]
    groups = [names[next(at for at, (low, high) in enumerate(LENGTHS) if low <= size < high)] for size in sizes]
    return divided(scored, "length", Note("Độ dài văn bản", "Length of the text"), groups, labels)


def by_source(scored: Scored) -> Axis | None:
    """Where the texts come from."""
    groups = [case.source for case in scored.subject.cases]
    labels = {name: Note(name, name) for name in sorted(set(groups) - {""})}
    return divided(scored, "source", Note("Nguồn văn bản", "Source of the text"), groups, labels)


def by_region(scored: Scored) -> Axis:
    """Texts marked by regional words."""
    regions = np.array([region_of(case.text) for case in scored.subject.cases])
    marks = {region: regions == region for region in ("Bắc", "Trung", "Nam")}
    labels = {name: Note(f"từ ngữ miền {name}", f"{en} words") for name, en in zip(
        marks, ("Northern", "Central", "Southern"), strict=True)}  # fmt: skip
    return marked(scored, "regional", Note("Từ ngữ vùng miền", "Regional vocabulary"), marks, labels)


def mention_marks(subject: Subject) -> dict[str, Bools]:
    """Which cases mention which group."""
    return {
        group: np.array([pattern.search(case.text) is not None for case in subject.cases])
        for group, pattern in mention_patterns()
    }


def by_mention(scored: Scored, marks: Mapping[str, Bools]) -> Axis:
    """Texts that mention a group against those that do not."""
    labels = {group: Note(f"có nhắc: {group}", f"mentions: {MENTIONS_EN.get(group, group)}") for group in marks}
    return marked(scored, "mentions", Note("Nhắc tới nhóm", "Mentions of a group"), marks, labels)


MENTIONS_EN = {
    "dân tộc thiểu số": "ethnic minorities", "phụ nữ": "women", "đàn ông": "men", "trẻ em": "children",
    "người cao tuổi": "the elderly", "người khuyết tật": "disabled people", "người nghèo": "poor people",
    "tôn giáo": "religion", "vùng sâu, vùng xa": "remote areas",
}  # fmt: skip
