"""From evidence to findings: alarms as asked for, events, and the caller's own units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.anomaly import alarms
from models.anomaly.baseline import Rows
from models.anomaly.events import Sheet, find_events, mark
from models.anomaly.evidence import TINY_SERIES, Evidence
from models.anomaly.intake import Task
from models.anomaly.quality import MOST_SILENT
from models.anomaly.rows import Bools, Floats
from models.errors import PlatformError
from models.values import AnomalyOptions, Event, Findings, Warned

LARGEST_NUMBER = 1e308
Said = tuple[Floats, Bools, Sequence[tuple[int, float]]]
"""p-values on the asked side, whether the deviation is upward, and lasting shifts of one series."""


def sheet_of(task: Task, rows: Rows, found: Evidence, row: int, said: Said, options: AnomalyOptions) -> Sheet:
    """One series with its alarms, still as modelled."""
    p, upward, moves = said
    values, seen, expected = rows.values[row], rows.seen[row], found.expected[row]
    flags = seen & (p < alarms.level(options, task.series.axis.frequency))
    flags &= alarms.strong(values, expected, options, task.unit)
    return Sheet(
        name=task.series.name, axis=task.series.axis, season=task.season, values=values, seen=seen, expected=expected,
        sigma=found.sigma[row], lower=found.lower[row], upper=found.upper[row], p=p, upward=upward,
        alarms=alarms.quiet(flags, options.suppress_window), positive=bool(rows.positive[row]),
        counts=bool(rows.counts[row]), shifts=moves,
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
    return replace(event, expected=figures[0], actual=figures[1])


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


def spend(answers: Sequence[Findings | PlatformError], options: AnomalyOptions) -> list[Findings | PlatformError]:
    """Keep the best `alarm_budget` events of the whole batch; drop the others and their alarms."""
    good = [(place, each) for place, each in enumerate(answers) if isinstance(each, Findings)]
    events = [(place, event) for place, each in good for event in each.events]
    points = sum(len(each.score) for _, each in good)
    keep = alarms.within_budget([event.p_value for _, event in events], points, options.alarm_budget or 0)
    chosen = {(events[at][0], events[at][1].id) for at in keep}
    answered = list(answers)
    for place, each in good:
        kept = tuple(event for event in each.events if (place, event.id) in chosen)
        flags = np.zeros_like(each.is_anomaly)
        for event in kept:
            flags[event.start : event.end + 1] = each.is_anomaly[event.start : event.end + 1]
        answered[place] = replace(each, events=kept, is_anomaly=flags, warnings=each.warnings + _held(each, kept))
    return answered


def _held(each: Findings, kept: Sequence[Event]) -> tuple[Warned, ...]:
    held = len(each.events) - len(kept)
    if not held:
        return ()
    vi = f"{held} sự kiện nằm ngoài hạn mức cảnh báo."
    return (Warned("held_back_by_budget", vi, f"{held} events were held back by the alarm budget."),)
