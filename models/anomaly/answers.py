"""From evidence to findings: alarms as asked for, events, and the caller's own units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.anomaly import alarms
from models.anomaly.baseline import Rows
from models.anomaly.bends import Bend
from models.anomaly.events import find_events, mark
from models.anomaly.evidence import TINY_SERIES, Evidence
from models.anomaly.intake import Task
from models.anomaly.quality import MOST_SILENT
from models.anomaly.rows import Bools, Floats
from models.anomaly.seasons import Turn
from models.anomaly.sheet import Sheet
from models.values import AnomalyOptions, Event, Findings, Warned

LARGEST_NUMBER = 1e308


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found in a group of like series: evidence, scores, and by row its lasting changes."""

    rows: Rows
    evidence: Evidence
    scores: Floats
    silent: Bools
    began: Bools
    shifts: Sequence[Sequence[tuple[int, float]]]
    bends: Sequence[Sequence[Bend]]
    turns: Sequence[Turn | None]


def sheet_of(task: Task, judged: Judged, row: int, said: tuple[Floats, Bools], options: AnomalyOptions) -> Sheet:
    """One series with its alarms, still as modelled; `said` is the p-value on the asked side and the side."""
    rows, found = judged.rows, judged.evidence
    p, upward = said
    values, seen, expected = rows.values[row], rows.seen[row], found.expected[row]
    flags = seen & (p < alarms.level(options, task.series.axis.frequency))
    flags &= alarms.strong(values, expected, options, task.unit)
    first = int(np.argmax(judged.began[row])) if options.mode == "batch" and judged.began[row].any() else 0
    if 0 < first <= task.season:
        flags[:first] &= upward[:first]  # before its own beginning a series is not low
    return Sheet(
        name=task.series.name, axis=task.series.axis, season=task.season, measure=task.series.measure, values=values,
        offset=task.offset, seen=seen, expected=expected, sigma=found.sigma[row], lower=found.lower[row],
        upper=found.upper[row], p=p, upward=upward, alarms=alarms.quiet(flags, options.suppress_window),
        silent=judged.silent[row], began=judged.began[row], positive=bool(rows.positive[row]),
        counts=bool(rows.counts[row]), is_count=task.series.kind == "count" or bool(rows.counts[row]),
        shifts=judged.shifts[row], bends=judged.bends[row], turn=judged.turns[row],
    )  # fmt: skip


def answer(task: Task, sheet: Sheet, score: Floats, options: AnomalyOptions) -> Findings:
    """The findings of one series in the caller's units."""
    usable = usable_length(sheet)
    events = find_events(sheet, options.direction) if usable else []
    flags = mark(sheet.alarms, events, sheet.seen) if options.mode == "batch" else sheet.alarms.copy()
    bands = [_as_sent(line + task.offset, task.unit) for line in (sheet.expected, sheet.lower, sheet.upper)]
    points = [np.where(sheet.seen, score, 0.0), sheet.p, *bands]
    if options.mode == "last":
        points = [_only_last(line) for line in points]
        flags[:-1] = False
        events = [event for event in events if event.end == len(flags) - 1]
    return Findings(
        name=task.series.name, score=points[0], p_value=points[1], expected=points[2], lower=points[3], upper=points[4],
        is_anomaly=flags, events=tuple(_rescaled(event, task.unit) for event in events), axis=task.series.axis,
        warnings=task.warnings + warnings_of(sheet),
    )  # fmt: skip


def usable_length(sheet: Sheet) -> bool:
    """Whether anything at all can be said of the series."""
    return int(sheet.seen.sum()) >= TINY_SERIES


def _only_last(line: Floats) -> Floats:
    kept = np.full_like(line, np.nan)
    kept[-1:] = line[-1:]
    return kept


def _as_sent(line: Floats, unit: float) -> Floats:
    """Numbers in the caller's unit, kept finite."""
    largest = LARGEST_NUMBER / unit
    found: Floats = np.clip(line, -largest, largest) * unit
    return found


def _rescaled(event: Event, unit: float) -> Event:
    """Figures of an event in the caller's unit (flows stay flows: they are what the sentence speaks of)."""
    if unit == 1.0:
        return event
    figures = [
        None if each is None else float(_as_sent(np.array([each]), unit)[0]) for each in (event.expected, event.actual)
    ]
    modelled = event.as_modelled
    if modelled is not None:
        modelled = (
            None if modelled[0] is None else modelled[0] * unit,
            None if modelled[1] is None else modelled[1] * unit,
        )
    return replace(event, expected=figures[0], actual=figures[1], as_modelled=modelled)


def warnings_of(sheet: Sheet) -> tuple[Warned, ...]:
    """What the caller should know about how far the answer can be trusted."""
    found = []
    known = int(sheet.seen.sum())
    if known == 0:
        found.append(Warned("series_empty", "Chuỗi không có số liệu nào.", "The series holds no value."))
    elif known < TINY_SERIES:
        found.append(
            Warned(
                "series_too_short",
                f"Chuỗi chỉ có {known} giá trị, cần ít nhất {TINY_SERIES} để biết thế nào là bình thường.",
                f"Only {known} values; at least {TINY_SERIES} are needed to know what is usual.",
            )
        )
    elif np.ptp(sheet.values[sheet.seen]) == 0:
        found.append(Warned("series_constant", "Chuỗi không đổi.", "The series is constant."))
    elif sheet.season > 1 and known < 2 * sheet.season:
        found.append(
            Warned(
                "season_unknown",
                "Chuỗi ngắn hơn hai mùa nên chưa tính được mùa vụ.",
                "The series is shorter than two seasons, so its season is not known yet.",
            )
        )
    if known and known < (1 - MOST_SILENT) * len(sheet.seen):
        found.append(Warned("many_missing", "Chuỗi thiếu nhiều số liệu.", "Many values of the series are missing."))
    return tuple(found)
