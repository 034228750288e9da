"""What is known of a job once its series were walked: totals, dates, the few events that matter, a fingerprint.

Decisions
- One walk. Writers pass the series through `watch` while they write, so nothing is read twice and only the strangest
  events are kept, with their series for the picture. Everything else is a count.
- Order of what matters: still open or within the last twelve periods first, then severity, then how improbable.
- Events of one indicator in several places at the same time, all up, all down or all the same fault, are one matter:
  told once, by the strongest, with the names of the others.
- The fingerprint covers the job, its source, model and card, and every event with its cells; it does not depend on
  format, language or reader, so anyone can make the report again and compare.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from pipelines.results.rows import error_of, events_of, finite, span_of
from pipelines.results.values import JobResult, SeriesResult
from registry.canonical import canonical

KEPT: Final = 64
RECENT: Final = 12
TRACES_MOST: Final = 200_000
FAULTS_KEPT: Final = 50


@dataclass(frozen=True, slots=True)
class Trace:
    """What is kept of every event: where, of what family, from which period to which."""

    place: str | None
    family: str
    start: str
    end: str

    def meets(self, other: Trace) -> bool:
        """Whether the other is the same matter in another place: same family, at the same time."""
        same = self.family == other.family and None not in (self.place, other.place) and self.place != other.place
        return same and self.start <= other.end and other.start <= self.end


@dataclass(frozen=True, slots=True)
class Found:
    """One event with its series; `first` and `last` are its points."""

    series: SeriesResult
    event: Mapping[str, Any]
    first: int
    last: int

    @property
    def cells(self) -> list[str]:
        """The cells that it stands in, in order."""
        return [cell for cell in self.series.cells[self.first : self.last + 1] if cell]

    @property
    def trace(self) -> Trace:
        """What makes events of several places one matter."""
        periods, event = self.series.periods, self.event
        kind = str(event.get("kind"))
        family = kind if event.get("likely") == "data" else str(event.get("direction") or kind)
        place = None if kind in ("row", "forecast") else self.series.place
        return Trace(place, family, periods[self.first], periods[self.last])

    @property
    def weight(self) -> tuple[bool, int, float]:
        """Larger is more pressing."""
        recent = bool(self.event.get("open")) or len(self.series.periods) - self.last <= RECENT
        chance = self.event.get("p_value")
        strange = self.event.get("strangeness", 1.0 if chance is None else 1.0 - float(chance))
        return recent, int(self.event.get("severity") or 0), float(strange)


@dataclass
class Overview:
    """Totals of one walk over a job's series."""

    result: JobResult
    kept: int = KEPT
    series: int = 0
    values: int = 0
    failed: int = 0
    events: int = 0
    data_from: str | None = None
    data_through: str | None = None
    by_likely: Counter[str] = field(default_factory=Counter)
    by_kind: Counter[str] = field(default_factory=Counter)
    worst: dict[str, int] = field(default_factory=dict)
    places: set[str] = field(default_factory=set)
    traces: dict[str, list[Trace]] = field(default_factory=dict)
    faults: list[tuple[str, str, str]] = field(default_factory=list)
    _heap: list[tuple[tuple[bool, int, float], int, Found]] = field(default_factory=list)
    _digest: Any = field(default_factory=sha256)

    def watch(self, series: Iterable[SeriesResult]) -> Iterator[SeriesResult]:
        """Pass the series through and keep what the overview needs."""
        for one in series:
            self._note(one)
            yield one

    def _note(self, series: SeriesResult) -> None:
        self.series += 1
        self.values += len(series.periods)
        wrong = error_of(series)
        if wrong is not None:
            self.failed += 1
            if len(self.faults) < FAULTS_KEPT:
                self.faults.append((series.name, next((cell for cell in series.cells if cell), ""), wrong))
        if series.place is not None:
            self.places.add(series.place)
        if self.result.type != "anomaly.tabular":
            self._date(series)
        found = list(found_in(self.result.type, series))
        for one in found:
            self._keep(one)
        self._sign(series, found)

    def _date(self, series: SeriesResult) -> None:
        known = [name for name, value in zip(series.periods, series.values, strict=True) if value is not None]
        if known:
            self.data_from = min(self.data_from or known[0], known[0])
            self.data_through = max(self.data_through or known[-1], known[-1])

    def _keep(self, found: Found) -> None:
        self.events += 1
        event, place = found.event, found.series.place
        self.by_likely[str(event.get("likely"))] += 1
        self.by_kind[str(event.get("kind"))] += 1
        if place is not None:
            self.worst[place] = max(self.worst.get(place, 0), int(event.get("severity") or 0))
        if found.trace.place is not None and self.events <= TRACES_MOST:
            self.traces.setdefault(found.series.name, []).append(found.trace)
        heapq.heappush(self._heap, (found.weight, -self.events, found))
        if len(self._heap) > self.kept:
            heapq.heappop(self._heap)

    def _sign(self, series: SeriesResult, found: list[Found]) -> None:
        facts = [
            [one.event.get("id"), one.event.get("kind"), finite(one.event.get("actual")), one.cells] for one in found
        ]
        self._digest.update(canonical([series.name, series.place, len(series.periods), facts]))

    @property
    def fingerprint(self) -> str:
        """`sha256:…` of the job's identity and all its events, once the walk is over."""
        result = self.result
        head = {
            "job": result.job_id, "type": result.type, "source": (result.source or {}).get("sha256"),
            "model": [result.model.get(part) for part in ("name", "version", "card")], "held_back": result.held_back,
            "events": self._digest.hexdigest(),
        }  # fmt: skip
        return "sha256:" + sha256(canonical(head)).hexdigest()

    @property
    def code(self) -> str:
        """A short name of this report for letters and telephone: the job and the start of the fingerprint."""
        job = "".join(mark for mark in self.result.job_id if mark.isalnum())[-8:].upper()
        return f"AIC-{job}-{self.fingerprint[7:13].upper()}"

    def ranked(self) -> list[Found]:
        """The kept events, the most pressing first."""
        return [found for _, _, found in sorted(self._heap, reverse=True, key=lambda entry: entry[:2])]

    def matters(self, count: int) -> list[Found]:
        """The most pressing events, one of each matter and at most two of a series."""
        chosen: list[Found] = []
        for found in self.ranked():
            name, trace = found.series.name, found.trace
            told = any(one.series.name == name and one.trace.meets(trace) for one in chosen)
            often = sum(one.series is found.series for one in chosen) >= 2 and found.event.get("kind") != "row"
            if not told and not often:
                chosen.append(found)
            if len(chosen) == count:
                break
        return chosen

    def others(self, found: Found) -> list[str]:
        """Codes of the other places that the same matter touches."""
        trace = found.trace
        alike = (one.place for one in self.traces.get(found.series.name, ()) if one.meets(trace))
        return list(dict.fromkeys(place for place in alike if place is not None))


def found_in(type_: str, series: SeriesResult) -> Iterator[Found]:
    """What is worth telling of one series: events, strange rows, or its forecast."""
    if type_ == "anomaly.tabular":
        yield from _rows(series)
    elif type_ == "forecast":
        yield from _ahead(series)
    for event in events_of(series):
        first, last = span_of(series, event)
        if first <= last:
            yield Found(series, event, first, last)


def _rows(series: SeriesResult) -> Iterator[Found]:
    """Strange rows as events, so that tables and series are told in one way."""
    score = series.output.get("score") or ()
    flags = series.output.get("is_anomaly") or ()
    reasons = series.output.get("reasons") or ()
    strange = [at for at, flag in enumerate(flags) if flag]
    for at in strange:
        event = {
            "id": f"{series.name}:{series.periods[at]}", "kind": "row",
            "severity": min(5, 1 + int(5 * (score[at] or 0))), "actual": score[at], "expected": None,
            "p_value": None, "likely": "both",
            "strangeness": score[at] or 0.0, "reasons": reasons[at] if at < len(reasons) else (),
        }  # fmt: skip
        yield Found(series, event, at, at)


def _ahead(series: SeriesResult) -> Iterator[Found]:
    """A forecast as a matter: the larger the change against the same stretch of the past, the more pressing."""
    for content in series.output.get("content") or ():
        mean = [value for value in content["mean_forecast"] if value is not None]
        past = [value for value in series.values[-RECENT:] if value is not None]
        if not mean or not past:
            return
        ahead, before = sum(mean) / len(mean), sum(past) / len(past)
        change = abs(ahead - before) / max(abs(before), 1e-9)
        event = {
            "id": f"{series.name}:{content['periods'][0]}", "kind": "forecast", "severity": 1, "actual": ahead,
            "expected": before, "p_value": None, "likely": "forecast", "strangeness": change, "open": True,
        }  # fmt: skip
        yield Found(series, event, len(series.periods) - 1, len(series.periods) - 1)
