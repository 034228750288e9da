"""The figures of an event: what was usual and what was reported, how unlikely, how severe, and whose doing it is."""

from __future__ import annotations

from typing import Literal

import numpy as np

from models.anomaly.sheet import DATA_FAULTS, Sheet, Stretch, levels

CERTAIN = 1e-15
LASTING = frozenset({"level_shift", "trend_change", "season_change"})


def figures(sheet: Sheet, each: Stretch, peak: int) -> tuple[float | None, float | None]:
    """Usual and reported: at the peak, as levels around a shift, where old and new trend lead, or over a silence."""
    if each.kind == "season_change":
        return None, None
    if each.kind == "trend_change" and each.slopes is not None:
        before, _ = levels(sheet, each.start)
        turn = before + each.slopes[0] * max(12, sheet.season) / 2
        return turn + each.slopes[0] * sheet.season, turn + each.slopes[1] * sheet.season
    if each.kind == "level_shift" or (each.kind == "unit_change" and each.end == each.start and not sheet.alarms[peak]):
        return levels(sheet, each.start)
    if each.kind == "missing_report":
        return _silence(sheet, each)
    return _known(sheet.expected[peak]), float(sheet.values[peak])


def _silence(sheet: Sheet, each: Stretch) -> tuple[float | None, float | None]:
    usual = sheet.expected[each.start : each.end + 1]
    heard = sheet.seen[each.start : each.end + 1]
    typical = usual[np.isfinite(usual)]
    before, _ = levels(sheet, each.start)
    reported = sheet.values[each.start : each.end + 1][heard]
    return float(np.median(typical)) if len(typical) else before, float(reported.mean()) if len(reported) else None


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def p_value(sheet: Sheet, each: Stretch, peak: int) -> float:
    """The smallest p-value of the stretch; of a silence without figures, how unusual so long a gap is in the series."""
    if each.p is not None:
        return each.p
    if each.kind == "missing_report" and not sheet.seen[each.start : each.end + 1].any():
        length = each.end - each.start + 1
        others = int((~sheet.seen[int(np.argmax(sheet.seen)) :]).sum()) - length
        return max(CERTAIN, float(((max(others, 0) + 0.5) / (len(sheet.seen) + 1)) ** length))
    if each.kind in ("level_shift", "unit_change"):
        near = dict(sheet.shifts).get(each.start)
        shift = CERTAIN if near is None else max(CERTAIN, float(np.exp(-0.5 * min(abs(near), 8.0) ** 2)))
        return float(sheet.p[peak]) if near is None else min(float(sheet.p[peak]), shift)
    return float(sheet.p[peak])


def severity(sheet: Sheet, each: Stretch, peak: int, p: float) -> int:
    """1 to 5: one step each for being rare, very rare, far out, and lasting."""
    size = abs(sheet.values[peak] - sheet.expected[peak]) / sheet.sigma[peak] if sheet.seen[peak] else 0.0
    length = each.end - each.start + 1
    points = (p < 1e-3, p < 1e-6, bool(size > 8), length >= 3 or each.kind in LASTING)
    return 1 + sum(points)


def likely(sheet: Sheet, each: Stretch) -> Literal["world", "data", "both"]:
    """Whether the world or the data is the likely cause, as far as one series can tell; a lone jump may be either."""
    if each.kind in DATA_FAULTS:
        return "data"
    if each.kind == "outbreak":
        return "world"
    return "world" if each.end - each.start >= 1 and each.kind == "spike" else "both"
