"""Rolling origins in a series' own past: how the forecast would have fared, against the seasonal naive one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.forecast.draw import Drawn
from models.forecast.history import History, prepare
from models.forecast.members import SHORTEST
from models.scores.forecast import coverage, mase, smape
from models.values import Accuracy, Floats

MAX_ORIGINS = 20
DRAWS = 2_000
NEGLIGIBLE = 1e-6
"""A seasonal naive error below this share of ours is none: no skill can be stated."""

MOST_TOLD = 10.0
FEWEST_ORIGINS = 3
"""Below this a verdict would rest on one or two forecasts."""

Verdict = Literal["better", "level", "worse", "unknown"]

SENTENCES: dict[Verdict, str] = {
    "better": "Dự báo tốt hơn cách lấy lại số cùng kỳ trước qua {origins} lần thử{by}.",
    "level": "Dự báo ngang với cách lấy lại số cùng kỳ trước qua {origins} lần thử; chênh lệch chưa rõ ràng.",
    "worse": "Dự báo kém hơn cách lấy lại số cùng kỳ trước qua {origins} lần thử{by}.",
    "unknown": "Chưa đủ số liệu quá khứ để đánh giá độ chính xác của dự báo.",
}


@dataclass(frozen=True, slots=True)
class Cuts:
    """A series cut at past origins, oldest first: each history with the values that followed (cut, horizon)."""

    histories: list[History]
    actual: list[Floats]
    season: int


def cut(history: History, horizon: int, origins: int) -> Cuts:
    """Cut a history at up to `origins` points, as far apart as its length allows, at most one horizon."""
    values = history.raw * history.scale
    shortest = max(SHORTEST, min(2 * history.period + 1, len(values) // 2))
    room = len(values) - horizon - shortest
    count = min(origins, MAX_ORIGINS, room + 1)
    if count < 1:
        return Cuts([], [], history.period)
    step = max(1, min(horizon, room // max(1, count - 1)))
    ends = [len(values) - horizon - k * step for k in reversed(range(count))]
    parts = [prepare(values[:end], history.period, 0, history.floor, None, []) for end in ends]
    return Cuts(parts, [values[end : end + horizon] for end in ends], history.period)


def judge(cuts: Cuts, drawn: Sequence[Drawn]) -> Accuracy:
    """Mean accuracy over the cuts and the verdict against the seasonal naive forecast.

    "better" and "worse" only where the bootstrap interval of the error ratio over origins excludes 1.
    """
    if not drawn:
        return Accuracy(None, None, None, None, 0, "unknown", SENTENCES["unknown"])
    pairs = list(zip(cuts.actual, drawn, strict=True))
    ours = np.array([np.abs(actual - one.mean).mean() for actual, one in pairs])
    naive = np.array([np.abs(actual - one.members[0]).mean() for actual, one in pairs])
    scaled = [
        mase(part.raw * part.scale, actual, one.mean, cuts.season)
        for part, (actual, one) in zip(cuts.histories, pairs, strict=True)
    ]
    known = [value for value in scaled if value is not None]
    total, own = float(naive.sum()), float(ours.sum())
    skill = 1 - own / total if total > NEGLIGIBLE * own else None
    verdict = _verdict(ours, naive)
    return Accuracy(
        mase=float(np.mean(known)) if known else None,
        smape=float(np.mean([smape(actual, one.mean) for actual, one in pairs])),
        coverage=float(np.mean([coverage(actual, one.quantiles[0], one.quantiles[1]) for actual, one in pairs])),
        skill_vs_seasonal_naive=skill,
        origins=len(pairs),
        verdict=verdict,
        text_vi=SENTENCES[verdict].format(by=_by(skill), origins=len(pairs)),
    )


def _by(skill: float | None) -> str:
    """By how much the error is lower or higher; nothing where a percentage would say nothing."""
    if skill is None or abs(skill) > MOST_TOLD:
        return ""
    percent = f"{abs(100 * skill):.1f}".replace(".", ",")
    return f": sai số {'thấp' if skill > 0 else 'cao'} hơn {percent} %"


def _verdict(ours: Floats, naive: Floats) -> Verdict:
    if len(ours) < FEWEST_ORIGINS:
        return "unknown"
    picks = np.random.default_rng(0).integers(0, len(ours), (DRAWS, len(ours)))
    difference = (ours - naive)[picks].mean(1)
    low, high = np.quantile(difference, [0.025, 0.975])
    return "better" if high < 0 else "worse" if low > 0 else "level"
