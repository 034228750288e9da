"""Jobs over series (`anomaly.series`, `forecast`): series from a file or inline, chunks of about a second, one outcome.

Decisions
- What is said of a series is what the synchronous endpoint says (`SeriesDialect`, handed in by the doors), so a job and
  a call never disagree.
- A chunk is cut by the time that the model measured of itself on this machine: a second is short enough to be cancelled
  and repeated, long enough that committing it does not count.
- A job is one table: each chunk leaves a few words of every event, the end settles them together
  (`models.anomaly.table`). So the alarm budget and an event's peers look over the whole job, never over a chunk; where
  no series has a place and no budget is asked for, that changes nothing.
- Of a file's series the indicator is the group: the same figure of other places is what an event is compared with.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from models.anomaly.table import (
    Key,
    Sighting,
    Verdict,
    chunk_options,
    comparables_of,
    row_of,
    settle,
    sighting_of,
    sightings_of,
)
from models.calendar import Axis, Frequency
from models.contract import Model
from models.errors import NotFoundError, PlatformError
from models.tables.phrases import plain, tidy
from models.tables.reading import TableSeries
from models.values import AnomalyOptions, Findings, Kind, Series, Warned
from pipelines.jobs.finishing import Outcome
from pipelines.jobs.intake import open_file, series_of_file
from pipelines.jobs.outcome import record_of, series_of
from pipelines.jobs.parcels import packed, unpack
from pipelines.jobs.work import Bench, Facts, as_facts, of_item, source_gone
from pipelines.results.values import SeriesResult

CHUNK_SECONDS: Final = 1.0
CHUNK_POINTS: Final = 200_000
CHUNK_SERIES: Final = 2_000
SERIES_UNITS: Final = 60
"""What any series costs beside its points."""
CASE_UNITS: Final = frozenset({"ca", "ca mac", "ca benh"})
PERSON_UNITS: Final = frozenset({"", "nguoi", "truong hop"})
CASES: Final = re.compile(r"\b(?:ca|nguoi|truong hop|so) (?:mac|benh|nhiem|ngo doc)\b")
"""Persons are many things (travellers, pupils); they are cases where the indicator says so."""
CORRECTED_SHARE: Final = 0.1
"""A negative number of cases takes back earlier ones: so large a share may do so (a month of a year), not more."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A series as it was sent: `index` maps each of `count` values to its step, None when they are the same.

    `frequency` is the sender's own word; `cells` name the source of each value.
    """

    series: Series
    frequency: str
    count: int
    index: npt.NDArray[np.int64] | None = None
    warnings: tuple[Warned, ...] = ()
    cells: tuple[str | None, ...] | None = None
    title: str = ""
    """The name to show where it is not the series' own, which is unique and the same at every run."""


class SeriesDialect(Protocol):
    """How the synchronous endpoint takes and answers series."""

    def take(self, data: bytes) -> Sequence[Sent]:
        """Inline data as series. Raises InvalidInputError."""

    def options(self, parameters: Mapping[str, Any]) -> Any:
        """The job's parameters as the model's options. Raises InvalidInputError."""

    def effort(self, options: Any) -> float:
        """How much longer than plainly the options let a series take."""

    def answer(self, sent: Sent, found: Any) -> Any:
        """The endpoint's output for one series, to be encoded."""


class SeriesWork:
    """A type of job over series."""

    unit = "series"

    def __init__(self, task: str, dialect: SeriesDialect) -> None:
        """`task` is the task whose model does it, `dialect` the synchronous endpoint's."""
        self.task = task
        self._dialect = dialect

    def plan(self, bench: Bench, facts: Facts) -> dict[str, Any]:
        """See Work."""
        options = self._dialect.options(facts["parameters"])
        model = bench.model(facts["model"])
        reading = None
        try:
            if facts.get("data") is None:
                opened = open_file(bench.objects, facts)
                reading = opened.document
                if opened.questions:
                    return {
                        "questions": list(opened.questions), "reading": reading, "fingerprint": opened.fingerprint,
                    }  # fmt: skip
                items = _from_tables(series_of_file(opened))
            else:
                data = facts["data"]
                sent = bench.objects.check(data["object"], data["sha256"]).read_bytes()
                items = iter(self._dialect.take(sent))
        except NotFoundError as error:
            raise source_gone(error) from error
        pace = _pace(bench, str(facts["model"]["artifact"]), model) * self._dialect.effort(options)
        chunks = [
            {"items": len(group), **as_facts(bench.objects.keep(packed(_line(one) for one in group)))}
            for group in _groups(items, pace)
        ]
        return {"chunks": chunks, "unit": self.unit, "reading": reading}

    def chunk(self, bench: Bench, facts: Facts) -> dict[str, Any]:
        """See Work."""
        options = self._dialect.options(facts["parameters"])
        given = facts["input"]
        with bench.objects.check(given["object"], given["sha256"]).open("rb") as file:
            items = [_item(line) for line in unpack(file)]
        asked = chunk_options(options) if isinstance(options, AnomalyOptions) else options
        found = bench.model(facts["model"]).predict([item.series for item in items], asked)
        sightings: list[Any] = []
        failed = points = 0
        lines = []
        for at, (item, answer) in enumerate(zip(items, found, strict=True)):
            wrong = of_item(answer) if isinstance(answer, PlatformError) else None
            failed += wrong is not None
            if isinstance(answer, Findings):
                points += len(answer.score)
                sightings += map(row_of, sightings_of(at, item.series, answer))
            lines.append(record_of(_result(item, self._dialect.answer(item, answer), wrong)))
        stored = bench.objects.keep(packed(lines))
        keys = [[list(key), count] for key, count in comparables_of(item.series for item in items).items()]
        summary = {
            "succeeded": len(items) - failed, "failed": failed, "points": points, "sightings": sightings,
            "comparables": keys, "units": sum(len(item.series.values) for item in items),
        }  # fmt: skip
        return {"output": as_facts(stored), "summary": summary}

    def finish(self, bench: Bench, facts: Facts) -> dict[str, Any]:
        """See Work."""
        summaries = [chunk["summary"] for chunk in facts["chunks"]]
        outputs = [chunk["output"] for chunk in facts["chunks"]]
        counts = {word: sum(one[word] for one in summaries) for word in ("succeeded", "failed")}
        options = self._dialect.options(facts["parameters"])
        verdicts = _settled(summaries, options) if isinstance(options, AnomalyOptions) else []
        outcome = Outcome(bench.objects, facts["header"])
        if all(one.kept and one.beside is None for one in verdicts):
            return outcome.joined(outputs, counts)
        held = sum(not one.kept for one in verdicts)
        return outcome.written(_heard(bench, outputs, verdicts), counts, held_back=held)


def _pace(bench: Bench, digest: str, model: Model[Any, Any, Any]) -> float:
    """Seconds for one unit of a series, as the model measures itself on this machine."""
    name = f"pace {digest}"
    if name not in bench.kept:
        items, _ = model.samples()
        measured = model.warm(2)
        units = sum(len(item.values) + SERIES_UNITS for item in items)
        bench.keep(name, len(items) / measured.items_per_second / max(units, 1))
    return float(bench.kept[name])


def _groups(items: Iterator[Sent], pace: float) -> Iterator[list[Sent]]:
    """Series in chunks of about a second."""
    group: list[Sent] = []
    seconds, points = 0.0, 0
    for item in items:
        size = len(item.series.values)
        cost = (size + SERIES_UNITS) * pace
        full = seconds + cost > CHUNK_SECONDS or points + size > CHUNK_POINTS or len(group) >= CHUNK_SERIES
        if group and full:
            yield group
            group, seconds, points = [], 0.0, 0
        group.append(item)
        seconds, points = seconds + cost, points + size
    if group:
        yield group


def _from_tables(series: Iterable[TableSeries]) -> Iterator[Sent]:
    """The series of a file; made unique by what they are (place, unit, measure), so that events keep their ids."""
    taken: dict[str, int] = {}
    for one in series:
        known = " · ".join(part for part in (one.name, one.place, one.unit, one.measure) if part)
        taken[known] = taken.get(known, 0) + 1
        name = known if taken[known] == 1 else f"{known} · {taken[known]}"
        group = one.name or None
        own = replace(
            one.series, name=name, place=one.place, unit=one.unit, group=group, kind=one.series.kind or _kind(one)
        )
        yield Sent(own, own.axis.frequency.code, len(own.values), None, (), tuple(one.cells), one.name)


def _kind(one: TableSeries) -> Kind | None:
    """`count` for cases of an illness, which alone may become an outbreak; None leaves it to the figures."""
    unit, values = tidy(plain(one.unit or "")), one.series.values
    cases = unit in CASE_UNITS or (unit in PERSON_UNITS and CASES.search(plain(one.name)))
    seen = values[np.isfinite(values)]
    whole = bool((seen < 0).sum() <= CORRECTED_SHARE * len(seen) and (seen == np.floor(seen)).all())
    return "count" if cases and whole and one.measure in (None, "flow", "ytd") else None


# --- a series in a chunk ------------------------------------------------------------------------------------


def _line(sent: Sent) -> list[Any]:
    """A series as a chunk's record."""
    series, axis = sent.series, sent.series.axis
    return [
        series.name, np.ascontiguousarray(series.values, np.float64).tobytes(),
        axis.frequency.code, axis.start, axis.day,
        series.kind, series.measure, series.unit, series.place, series.parent, series.group, sent.frequency, sent.count,
        None if sent.index is None else sent.index.astype(np.int64).tobytes(),
        [[one.code, one.vi, one.en] for one in sent.warnings], sent.cells, sent.title,
    ]  # fmt: skip


def _item(line: Sequence[Any]) -> Sent:
    """A series from a chunk's record."""
    (name, values, code, start, day, kind, measure, unit, place, parent, group, frequency, count, index, warnings,
     cells, title) = line  # fmt: skip
    series = Series(
        name, np.frombuffer(values, np.float64).copy(), Axis(Frequency.parse(code), start, day), kind, measure, unit,
        place, parent, group,
    )  # fmt: skip
    at = None if index is None else np.frombuffer(index, np.int64).copy()
    told = tuple(Warned(*one) for one in warnings)
    return Sent(series, frequency, count, at, told, None if cells is None else tuple(cells), title)


def _result(sent: Sent, output: Any, error: Mapping[str, Any] | None) -> SeriesResult:
    """One series with what was sent and what the model says of it."""
    series = sent.series
    periods: Any = series.axis.periods(0, len(series.values))
    values: list[float | None] = [value if np.isfinite(value) else None for value in series.values.tolist()]
    if sent.index is not None:
        places = sent.index.tolist()
        periods, values = [periods[at] for at in places], [values[at] for at in places]
    cells = sent.cells if sent.cells is not None else (None,) * len(values)
    return SeriesResult(
        sent.title or series.name,
        series.place,
        series.unit,
        series.measure,
        tuple(periods),
        tuple(values),
        cells,
        output,
        error,
    )


# --- the chunks as one table --------------------------------------------------------------------------------


def _settled(summaries: Sequence[Mapping[str, Any]], options: AnomalyOptions) -> list[Verdict]:
    """A verdict for every event of the job, chunk by chunk, in order."""
    sightings: list[Sighting] = []
    comparables: Counter[Key] = Counter()
    before = points = 0
    for one in summaries:
        sightings += [replace(seen, series=seen.series + before) for seen in map(sighting_of, one["sightings"])]
        comparables.update({tuple(key): count for key, count in one["comparables"]})
        before += one["succeeded"] + one["failed"]
        points += one["points"]
    return settle(sightings, points, comparables, options)


def _heard(bench: Bench, outputs: Sequence[Facts], verdicts: Sequence[Verdict]) -> Iterator[list[Any]]:
    """The records of all chunks with what the table says of their events."""
    rest = iter(verdicts)
    for output in outputs:
        with bench.objects.check(output["object"], output["sha256"]).open("rb") as file:
            for record in unpack(file):
                one = series_of(record)
                events = one.output.get("events") or []
                own = list(islice(rest, len(events)))
                kept = [_event(event, verdict) for event, verdict in zip(events, own, strict=True) if verdict.kept]
                held = len(events) - len(kept)
                if held:
                    one = _pruned(one, kept, held)
                elif events:
                    one = replace(one, output={**one.output, "events": kept})
                yield record_of(one)


def _event(event: Mapping[str, Any], verdict: Verdict) -> Mapping[str, Any]:
    """An event as it is told, with its peers and the cause that they make likely."""
    reason, beside = event["reason"], verdict.beside
    if beside is not None:
        reason = {"vi": reason["vi"] + beside.vi, "en": reason["en"] + beside.en}
    return {**event, "peers": list(verdict.peers), "likely": verdict.likely, "reason": reason}


def _pruned(one: SeriesResult, chosen: Sequence[Mapping[str, Any]], held: int) -> SeriesResult:
    """A series with the events that the budget keeps; the others' alarms are taken back."""
    points = dict(one.output["points"])
    stay = [False] * len(one.periods)
    for event in chosen:
        ends = (event["start_period"], event["end_period"])
        spans = [place for place, period in enumerate(one.periods) if period in ends]
        if spans:
            stay[spans[0] : spans[-1] + 1] = [True] * (spans[-1] + 1 - spans[0])
    points["is_anomaly"] = [flag and kept for flag, kept in zip(points["is_anomaly"], stay, strict=True)]
    warning = {
        "code": "held_back_by_budget",
        "vi": f"{held} sự kiện nằm ngoài hạn mức cảnh báo.",
        "en": f"{held} events were held back by the alarm budget.",
    }
    output = {**one.output, "points": points, "events": list(chosen)}
    return replace(one, output={**output, "warnings": [*one.output.get("warnings", ()), warning]})
