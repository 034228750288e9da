"""Many series as one table: who moved together, which events are news, and how many alarms are given out.

Decisions:
- Series are *comparable* when they are of one group (or one parent, else one measure and unit) and of different places.
  An event's peers are comparable series with an event to the same side that begins within one step of it. A spike
  that many places share is the world's doing; a new level that most of them share is as likely a new way of counting.
- A table is settled by its events alone, never by its points, so it may be of any size: chunks are judged apart
  (`chunk_options`), a few words of each event gathered (`sightings_of`, `row_of`), settled, and each event given its
  verdict (`heard`).
- Benjamini and Hochberg's rule over all points holds the expected share of false events below one fifth. Data faults
  are statements of fact, not of chance: they are not tested against it, but count against the number of alarms.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import islice
from typing import Any, Literal

import numpy as np

from models.anomaly.alarms import BUDGET_SENSITIVITY, eligible
from models.anomaly.figures import LASTING
from models.anomaly.sheet import DATA_FAULTS
from models.errors import Note, PlatformError
from models.values import AnomalyOptions, Event, Findings, Series, Warned

Key = tuple[str, ...]
Likely = Literal["world", "data", "both"]
MOST_PEERS = 100
FEW_PEERS, PEER_SHARE = 3, 0.25
COMPARABLE = 5
"""With fewer comparable series, silence of the others says nothing."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the table must know of one event of one series.

    `series` is the series' place in the table, `key` what it is comparable by (empty: with none), `step` the ordinal
    of the event's first step on a common axis, `day` that step as `YYYY-MM-DD`.
    """

    series: int
    name: str
    place: str | None
    key: Key
    step: int
    day: str
    kind: str
    direction: str
    severity: int
    p_value: float
    likely: Likely


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an event is given out, its peers, the cause they make likely, and what to add to its reason."""

    kept: bool
    peers: tuple[str, ...]
    likely: Likely
    beside: Note | None


def chunk_options(options: AnomalyOptions) -> AnomalyOptions:
    """Options to judge a chunk of a table with: the budget's level, without spending it."""
    if options.alarm_budget is None:
        return options
    return replace(options, alarm_budget=None, sensitivity=BUDGET_SENSITIVITY)


def key_of(series: Series) -> Key:
    """What a series is comparable by; empty when it has no place or nothing is known of it."""
    if series.place is None:
        return ()
    by = series.group or series.parent or ""
    return (by, series.measure or "", series.unit or "", series.axis.frequency.code)


def comparables_of(table: Iterable[Series]) -> Counter[Key]:
    """How many series there are of each key."""
    return Counter(map(key_of, table))


def sightings_of(at: int, series: Series, findings: Findings) -> list[Sighting]:
    """What the table must know of the events of the series that stands at place `at`, in their order."""
    found = []
    for event in findings.events:
        instant = findings.axis.instants(event.start, 1)[0]
        found.append(
            Sighting(
                at, series.name, series.place, key_of(series), _ordinal(instant, findings), str(instant)[:10],
                event.kind, event.direction, event.severity, event.p_value, event.likely,
            )
        )  # fmt: skip
    return found


def row_of(sighting: Sighting) -> list[Any]:
    """A sighting as a row of JSON."""
    return [list(value) if isinstance(value, tuple) else value for value in astuple(sighting)]


def sighting_of(row: Sequence[Any]) -> Sighting:
    """A sighting from its row."""
    series, name, place, key, *rest = row
    return Sighting(series, name, place, tuple(key), *rest)


def _ordinal(instant: np.datetime64, findings: Findings) -> int:
    """The step's number on an axis that all series of one frequency share."""
    unit, every = findings.axis.frequency.unit, findings.axis.frequency.every
    months = {"Y": 12, "Q": 3, "M": 1}.get(unit)
    if months is not None:
        return int(instant.astype("datetime64[M]").astype(np.int64)) // (months * every)
    days = {"W": 7, "D": 1, "dekad": 10}.get(unit)
    if days is not None:
        return int(instant.astype("datetime64[D]").astype(np.int64)) // (days * every)
    return int(instant.astype("datetime64[s]").astype(np.int64)) // ((3600 if unit == "H" else 60) * every)


def settle(
    sightings: Sequence[Sighting], points: int, comparables: Mapping[Key, int], options: AnomalyOptions
) -> list[Verdict]:
    """A verdict for each sighting, in order; `points` is how many points of the whole table were judged.

    How many events the budget holds back is the number of verdicts that are not kept.
    """
    kept = range(len(sightings)) if options.alarm_budget is None else _within(sightings, points, options)
    chosen = set(kept)
    near = _together(sightings)
    found = []
    for at, one in enumerate(sightings):
        others = comparables.get(one.key, 1) - 1 if one.key else 0
        found.append(_verdict(one, at in chosen, near[at], others))
    return found


def _within(sightings: Sequence[Sighting], points: int, options: AnomalyOptions) -> list[int]:
    """Places of the sightings to keep: true to the false discovery rate, gravest first, as many as are asked for."""
    facts = [at for at, one in enumerate(sightings) if one.kind in DATA_FAULTS]
    chances = [at for at, one in enumerate(sightings) if one.kind not in DATA_FAULTS]
    allowed = facts + [chances[at] for at in eligible([sightings[at].p_value for at in chances], points)]
    allowed.sort(key=lambda at: (-sightings[at].severity, sightings[at].p_value, at))
    left: dict[tuple[str, str], int] = defaultdict(lambda: options.alarm_budget or 0)
    kept = []
    for at in allowed:
        purse = (_bucket(sightings[at].day, options), (sightings[at].place or "") * (options.budget_scope == "unit"))
        if left[purse] > 0:
            left[purse] -= 1
            kept.append(at)
    return kept


def _bucket(day: str, options: AnomalyOptions) -> str:
    if options.budget_per == "month":
        return day[:7]
    if options.budget_per == "week":
        return str(int(np.datetime64(day, "D").astype(np.int64) + 3) // 7)  # weeks begin on Monday
    return ""


def _together(sightings: Sequence[Sighting]) -> list[tuple[str, ...]]:
    """For each sighting the places (or names) of the comparable series that moved with it."""
    starts: dict[tuple[Key, str, int], set[int]] = defaultdict(set)
    names: dict[int, str] = {}
    for one in sightings:
        if one.key:
            starts[one.key, one.direction, one.step].add(one.series)
            names[one.series] = one.place or one.name
    found = []
    for one in sightings:
        near: set[int] = set()
        for step in (one.step - 1, one.step, one.step + 1) if one.key else ():
            near |= starts.get((one.key, one.direction, step), set())
        near.discard(one.series)
        found.append(tuple(names[at] for at in sorted(near)))
    return found


def _verdict(one: Sighting, kept: bool, peers: tuple[str, ...], others: int) -> Verdict:
    """What the comparable series say of an event's cause."""
    likely: Likely = one.likely
    if one.kind not in DATA_FAULTS and len(peers) >= FEW_PEERS and len(peers) >= PEER_SHARE * others:
        likely = "both" if one.kind in LASTING else "world"
    beside = None
    if peers:
        many = f"{len(peers)}/{others}"
        beside = Note(f" Cùng lúc, {many} nơi khác cũng vậy.", f" At the same time in {many} other places.")
    elif others >= COMPARABLE:
        beside = Note(f" Không nơi nào trong {others} nơi khác như vậy.", f" In none of the {others} other places.")
    return Verdict(kept, peers[:MOST_PEERS], likely, beside)


def heard(event: Event, verdict: Verdict) -> Event:
    """The event with what the table says of it."""
    reason = event.reason
    if verdict.beside is not None:
        reason = Note(reason.vi + verdict.beside.vi, reason.en + verdict.beside.en)
    return replace(event, peers=verdict.peers, likely=verdict.likely, reason=reason)


def with_verdicts(findings: Findings, verdicts: Sequence[Verdict]) -> Findings:
    """The findings with the events that are kept, and alarms only where those are; one verdict for each event."""
    kept = [heard(event, one) for event, one in zip(findings.events, verdicts, strict=True) if one.kept]
    held = len(findings.events) - len(kept)
    if not held:
        return replace(findings, events=tuple(kept))
    flags = np.zeros_like(findings.is_anomaly)
    for event in kept:
        flags[event.start : event.end + 1] = findings.is_anomaly[event.start : event.end + 1]
    vi, en = f"{held} sự kiện nằm ngoài hạn mức cảnh báo.", f"{held} events were held back by the alarm budget."
    warnings = (*findings.warnings, Warned("held_back_by_budget", vi, en))
    return replace(findings, events=tuple(kept), is_anomaly=flags, warnings=warnings, held_back=held)


def settle_table(
    series: Sequence[Series], answers: Sequence[Findings | PlatformError], options: AnomalyOptions
) -> list[Findings | PlatformError]:
    """A whole table that lies in memory, settled: peers, and the budget where one is asked for."""
    good = [(at, one) for at, one in enumerate(answers) if isinstance(one, Findings)]
    sightings = [each for at, one in good for each in sightings_of(at, series[at], one)]
    verdicts = iter(settle(sightings, sum(len(one.score) for _, one in good), comparables_of(series), options))
    answered = list(answers)
    for at, one in good:
        answered[at] = with_verdicts(one, list(islice(verdicts, len(one.events))))
    return answered
