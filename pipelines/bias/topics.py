"""Tests that only a classifier of texts can take: abstention, confidence, areas on mentions, languages, real texts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.errors import Note
from models.scores.anomaly import Bools
from models.scores.groups import Tally, compare_estimates, compare_ratios, compare_to_nominal, compare_two
from models.scores.mentions import KINDS, areas, calibration_error, generalised_mean
from models.scores.swaps import asymmetries, flip_matrix, judge_flips, judge_shift
from models.values import Floats, Labels
from pipelines.bias.language import NEWCOMBE, RESAMPLED
from pipelines.bias.lists import ethnic_groups
from pipelines.bias.margins import rule_for
from pipelines.bias.subjects import Topics
from pipelines.bias.swapping import EXACT, STUDENT
from pipelines.bias.values import Axis, Matrix, Measure

DELONG = Note("DeLong 1988, trung bình các lớp; t Student", "mean over classes; Student's t")
WILSON = Note("Wilson", "Wilson's score interval")
PEOPLE = re.compile(r"(?<!\w)người dân(?! tộc)(?!\w)")
"""The words in real texts that a group's name can stand for without another change."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A classifier's answers to its cases as written."""

    subject: Topics
    said: Sequence[Labels]
    right: Bools
    sure: Floats
    tier: str


def answer(subject: Topics, tier: str) -> Answered:
    """Answer all cases once, with probabilities."""
    said = subject.answers([case.text for case in subject.cases])
    right = np.array([one.labels[0][0] == case.gold for one, case in zip(said, subject.cases, strict=True)])
    return Answered(subject, said, right, subject.sure(said), tier)


def mention_measures(answered: Answered, marks: Mapping[str, Bools]) -> tuple[Measure, ...]:
    """Abstention, confidence and the three areas for texts that mention a group."""
    abstained = np.array([one.abstained for one in answered.said])
    rule = rule_for("accuracy", answered.tier)
    silent = [
        compare_two(
            Tally(name, float(abstained[inside].sum()), int(inside.sum())),
            Tally("", float(abstained[~inside].sum()), int((~inside).sum())), rule, len(marks), "high",
        )
        for name, inside in marks.items()
    ]  # fmt: skip
    top = answered.sure.max(axis=1)
    excess = (top - answered.right)[:, None]
    trusting = []
    for name, inside in marks.items():
        sides = np.column_stack([inside, ~inside]).astype(np.float64)
        counts = [int(inside.sum()), int((~inside).sum())]
        trusting += compare_ratios(
            (name, ""), excess * sides, sides, counts, rule, "high", compared=len(marks)
        )[:1]  # fmt: skip
    return (
        Measure(
            "abstain_rate", Note("tỷ lệ từ chối trả lời", "share of abstentions"), "accuracy", rule, "high",
            tuple(silent), NEWCOMBE, confirmatory=False,
        ),
        Measure(
            "overconfidence", Note("tự tin quá mức: xác suất trừ độ đúng", "probability less accuracy"), "accuracy",
            rule, "high", tuple(trusting), RESAMPLED, "number", confirmatory=False,
        ),
        *_areas(answered, marks),
    )  # fmt: skip


def _areas(answered: Answered, marks: Mapping[str, Bools]) -> tuple[Measure, ...]:
    """Subgroup, BPSN and BNSP AUC, each the mean over the classes that enough texts define."""
    rule = rule_for("auc", answered.tier)
    gold = np.array([case.gold for case in answered.subject.cases])
    found: dict[str, list[tuple[str, int, float, float, float, int]]] = {kind: [] for kind in KINDS}
    for name, inside in marks.items():
        by_kind: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in KINDS}
        for at, label in enumerate(answered.subject.labels):
            for one in areas(gold == label, inside, answered.sure[:, at]):
                by_kind[one.kind].append((one.value, one.overall, one.error))
        for kind, rows in by_kind.items():
            value, whole, error = _averaged(rows)
            found[kind].append((name, int(inside.sum()), value, whole, error, len(rows)))
    titles = {
        "subgroup_auc": Note("AUC trong nhóm", "subgroup AUC"),
        "bpsn_auc": Note("AUC dương nền, âm nhóm (BPSN)", "BPSN AUC"),
        "bnsp_auc": Note("AUC âm nền, dương nhóm (BNSP)", "BNSP AUC"),
    }
    measures = []
    for kind, rows_of in found.items():
        compared = tuple(
            compare_estimates(name, n, (value, whole), error, n if classes else 0, rule, len(marks))
            for name, n, value, whole, error, classes in rows_of
        )
        power = generalised_mean([row[2] for row in rows_of if np.isfinite(row[2])])
        remark = Note(f"trung bình lũy thừa (p = -5): {power:.3f}", f"generalised mean (p = -5): {power:.3f}")
        measures.append(
            Measure(
                kind, titles[kind], "auc", rule, "low", compared, DELONG, "number",
                remark=remark if np.isfinite(power) else None,
            )
        )  # fmt: skip
    return tuple(measures)


def _averaged(rows: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    if not rows:
        return float("nan"), float("nan"), float("nan")
    table = np.array(rows)
    return float(table[:, 0].mean()), float(table[:, 1].mean()), float(np.sqrt((table[:, 2] ** 2).sum()) / len(rows))


def natural_swaps(answered: Answered) -> Axis:
    """Real texts that say *người dân*, with a group's name in its place; Kinh is the reference."""
    groups = [one.name for one in ethnic_groups()]
    texts = [case.text for case in answered.subject.cases if PEOPLE.search(case.text)]
    numbers, sure = [], []
    for name in groups:
        said = answered.subject.answers([PEOPLE.sub(f"người {name}", text) for text in texts])
        table = answered.subject.sure(said)
        sure.append(table)
        numbers.append(table.argmax(axis=1))
    matrix = flip_matrix(np.array(numbers, np.int64))
    first, rows = sure[0].argmax(axis=1), np.arange(len(texts))
    flips, shifts = rule_for("flips", answered.tier), rule_for("shift", answered.tier)
    compared = len(groups) - 1
    flipped = tuple(
        judge_flips(name, int(matrix[0, at]), len(texts), flips, compared) for at, name in enumerate(groups) if at
    )
    moved = tuple(
        judge_shift(name, sure[0][rows, first], sure[at][rows, first], shifts, compared)
        for at, name in enumerate(groups) if at
    )  # fmt: skip
    measures = (
        Measure("flip_rate", Note("tỷ lệ văn bản đổi kết quả so với mốc", "share of texts whose answer flips"), "flips",
                flips, "high", flipped, EXACT),
        Measure("mean_shift", Note("|Δp| trung bình", "mean |Δp|"), "shift", shifts, "high", moved, STUDENT, "number"),
    )  # fmt: skip
    table_of = Matrix(tuple(groups), tuple(map(tuple, matrix.tolist())), len(texts), asymmetries(matrix))
    title = Note("Hoán đổi trong văn bản thật: 54 dân tộc", "Swaps in real texts: 54 ethnic groups")
    remark = Note(
        f"{len(texts)} văn bản giữ lại có chữ «người dân», thay bằng «người» và tên dân tộc; mốc: {groups[0]}.",
        f"{len(texts)} held-back texts that say “người dân”, with a person of the group there; reference: {groups[0]}.",
    )
    labels = {name: Note(name, name) for name in groups}
    return Axis("ethnicity-natural", title, measures, labels, table_of, remark=remark)


def languages(subject: Topics, paragraphs: Mapping[str, Sequence[str]], labels: Mapping[str, Note], tier: str) -> Axis:
    """Texts in other languages: a classifier of Vietnamese should decline, not send them to a wrong desk."""
    rule = rule_for("accuracy", tier)
    tallies = []
    for name, texts in paragraphs.items():
        said = subject.answers(texts)
        tallies.append(Tally(name, float(sum(one.abstained for one in said)), len(said)))
    measure = Measure(
        "abstain_rate_foreign", Note("tỷ lệ từ chối, nên bằng 100 %", "share of abstentions, should be 100 %"),
        "accuracy", rule, "low", tuple(compare_to_nominal(tallies, 1.0, rule)), WILSON,
    )  # fmt: skip
    title = Note("Văn bản bằng tiếng dân tộc thiểu số và tiếng nước ngoài", "Texts in minority and foreign languages")
    return Axis("languages", title, (measure,), labels)


def calibration_facts(answered: Answered) -> dict[str, float]:
    """Overall figures for the report's head."""
    top = answered.sure.max(axis=1)
    return {
        "accuracy": float(answered.right.mean()),
        "expected_calibration_error": calibration_error(top, answered.right),
        "abstain_rate": float(np.mean([one.abstained for one in answered.said])),
    }
