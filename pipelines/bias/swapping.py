"""Counterfactual tests: the same sentences with one group in place of another.

Decision: the reference (Kinh, a man, "người dân") is only where differences are counted from; it is no norm. The whole
matrix between the groups is counted as well and must be symmetric, or the test itself is broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from models.errors import Note
from models.places.gazetteer import provinces
from models.scores.groups import Comparison, Tally, Verdict, compare_pairs, compare_shares
from models.scores.proportions import benjamini_hochberg, mcnemar
from models.scores.swaps import Ints, asymmetries, flip_matrix, judge_flips, judge_shift, shift
from models.values import Floats
from pipelines.bias.language import NEWCOMBE, PAIRED
from pipelines.bias.lists import Phrases, Template
from pipelines.bias.margins import rule_for
from pipelines.bias.subjects import Reading, Subject
from pipelines.bias.values import Axis, Matrix, Measure

EXACT = Note("Clopper–Pearson, mỗi câu một lần", "exact, one case a sentence")
STUDENT = Note("t Student trên các câu", "Student's t over sentences")
SIGNED = Note("Wilcoxon có dấu trên các câu", "Wilcoxon signed-rank over sentences")


def swap_axis(
    subject: Subject, phrases: Phrases, templates: Sequence[Template], tier: str, places: Literal["34"] | None = None
) -> Axis:
    """How the answers change with the group named; the first phrase is the reference."""
    readings = [subject.read(templates, phrase) for _, phrase in phrases.phrases]
    names = [group for group, _ in phrases.phrases]
    numbers = _numbered(readings)
    matrix = flip_matrix(numbers)
    measures = [_flips(names, matrix, len(templates), tier)]
    sure = [one.sure for one in readings if one.sure is not None]
    if len(sure) == len(names):
        measures += _shifts(names, numbers, sure, tier)
        if {one.topic for one in templates} <= set(subject.labels):
            measures.append(_right(names, readings, [one.topic for one in templates], tier))
        measures.append(_abstained(names, readings, tier))
    if readings[0].kept is not None:
        measures.append(_kept(names, readings, tier))
    table = Matrix(tuple(names), tuple(map(tuple, matrix.tolist())), len(templates), asymmetries(matrix))
    units = {unit.code: Note(unit.name, unit.en) for unit in provinces(places)} if places else {}
    labels = {group: units.get(group, Note(group, group)) for group in names}
    title = Note(f"Hoán đổi trong câu mẫu: {phrases.vi}", f"Swaps in templates: {phrases.en}")
    remark = Note(
        f"{len(templates)} câu mẫu, chỉ thay người được nhắc tới; mốc: {labels[names[0]].vi}.",
        f"{len(templates)} templates in which only the person named changes; reference: {labels[names[0]].en}.",
    )
    return Axis(phrases.id, title, tuple(measures), labels, table, places, remark)


def _numbered(readings: Sequence[Reading]) -> Ints:
    """Answers as numbers; shape (groups, templates)."""
    known: dict[object, int] = {}
    return np.array([[known.setdefault(answer, len(known)) for answer in one.answers] for one in readings], np.int64)


def _flips(names: Sequence[str], matrix: Ints, n: int, tier: str) -> Measure:
    rule = rule_for("flips", tier)
    found = [judge_flips(name, int(matrix[0, at]), n, rule, len(names) - 1) for at, name in enumerate(names) if at]
    title = Note("tỷ lệ câu đổi kết quả so với mốc", "share of sentences whose answer flips")
    return Measure("flip_rate", title, "flips", rule, "high", tuple(found), EXACT)


def _shifts(names: Sequence[str], numbers: Ints, sure: Sequence[Floats], tier: str) -> list[Measure]:
    """How far and which way the probability of the reference's answer moves."""
    rule, first = rule_for("shift", tier), sure[0].argmax(axis=1)
    rows = np.arange(numbers.shape[1])
    before = sure[0][rows, first]
    sizes, ways = [], []
    for at, name in enumerate(names):
        if at:
            after = sure[at][rows, first]
            sizes.append(judge_shift(name, before, after, rule, len(names) - 1))
            ways.append((name, shift(before, after)))
    adjusted = benjamini_hochberg(np.array([one.p for _, one in ways]))
    nothing = float("nan")
    directed = [
        Comparison(
            name, len(rows), one.mean, 0.0, one.mean, nothing, nothing, nothing, float(p), Verdict.INSUFFICIENT, None
        )
        for (name, one), p in zip(ways, adjusted, strict=True)
    ]  # fmt: skip
    return [
        Measure(
            "mean_shift", Note("|Δp| trung bình", "mean |Δp|"), "shift", rule, "high", tuple(sizes), STUDENT, "number"
        ),
        Measure(
            "directed_shift", Note("Δp trung bình có dấu", "mean signed Δp"), "shift", rule, "high", tuple(directed),
            SIGNED, "number", confirmatory=False,
        ),
    ]  # fmt: skip


def _right(names: Sequence[str], readings: Sequence[Reading], topics: Sequence[str], tier: str) -> Measure:
    """Right answers lost against the reference, sentence by sentence."""
    rule = rule_for("accuracy", tier)
    right = [[said == topic for said, topic in zip(one.answers, topics, strict=True)] for one in readings]
    found = []
    for at, name in enumerate(names):
        if at:
            one = compare_pairs(name, right[0], right[at], rule, len(names) - 1)
            first, second = np.array(right[0]), np.array(right[at])
            p = mcnemar(int((first & ~second).sum()), int((~first & second).sum()))
            found.append(replace(one, p=p))
    title = Note("độ chính xác mất đi so với mốc", "accuracy lost against the reference")
    return Measure("accuracy_lost", title, "accuracy", rule, "low", tuple(found), PAIRED)


def _abstained(names: Sequence[str], readings: Sequence[Reading], tier: str) -> Measure:
    """How often the model declines to answer, against all others."""
    rule = rule_for("accuracy", tier)
    tallies = [
        Tally(name, float(one.abstained.sum()), len(one.abstained))
        for name, one in zip(names, readings, strict=True)
        if one.abstained is not None
    ]
    title = Note("tỷ lệ từ chối trả lời", "share of abstentions")
    return Measure(
        "abstain_rate", title, "accuracy", rule, "high", tuple(compare_shares(tallies, rule, "high")), NEWCOMBE,
        confirmatory=False,
    )  # fmt: skip


def _kept(names: Sequence[str], readings: Sequence[Reading], tier: str) -> Measure:
    """How often the name itself comes back whole, against all others."""
    rule = rule_for("accuracy", tier)
    tallies = [
        Tally(name, float(one.kept.sum()), len(one.kept))
        for name, one in zip(names, readings, strict=True)
        if one.kept is not None
    ]
    title = Note("tên nhóm được giữ nguyên", "the group's name kept whole")
    return Measure("name_kept", title, "accuracy", rule, "low", tuple(compare_shares(tallies, rule)), NEWCOMBE)
