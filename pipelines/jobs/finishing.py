"""The end of a job: its outcome written as one object, and the JSON that is handed out, with its digest.

Decision: the JSON is written here once, not at each request, so the digest in the job's status is the digest of the
bytes that a caller receives; the other formats are made of the outcome when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import BufferedWriter, RawIOBase
from typing import Any, BinaryIO, Final, cast

from pipelines.jobs.outcome import HEADER, open_outcome
from pipelines.jobs.parcels import pack, packed
from pipelines.jobs.work import Facts
from pipelines.results.values import SeriesResult
from pipelines.results.writing import write_result
from registry.objects import Objects, Stored, Writing

BUFFER_BYTES: Final = 1 << 20


class Outcome:
    """Writes what a job leaves. `header` holds every field of JobResult but series, counts and held_back."""

    def __init__(self, objects: Objects, header: Facts) -> None:
        """Nothing is written yet."""
        self._objects = objects
        self._header = header

    def joined(self, outputs: Sequence[Facts], counts: Mapping[str, int]) -> dict[str, Any]:
        """The chunks' outputs as they are, one after the other."""
        return self._end(self._chunks(outputs), counts, 0)

    def written(self, lines: Iterable[Any], counts: Mapping[str, int], held_back: int = 0) -> dict[str, Any]:
        """Records that the end of the job made."""
        return self._end(packed(lines), counts, held_back)

    def _chunks(self, outputs: Sequence[Facts]) -> Iterator[bytes]:
        for output in outputs:
            self._objects.check(output["object"], output["sha256"])
            yield from self._objects.parts(output["object"])

    def _end(self, parts: Iterable[bytes], counts: Mapping[str, int], held_back: int) -> dict[str, Any]:
        header = dict.fromkeys(HEADER) | {**self._header, "counts": dict(counts), "held_back": held_back}
        kept = self._keep(pack(header), parts)
        try:
            told, rows = self._tell(kept)
        except BaseException:
            self._objects.delete(kept.name)
            raise
        result = {
            "object": kept.name, "json": told.name, "sha256": told.sha256, "bytes": kept.bytes + told.bytes,
            "rows": rows,
        }  # fmt: skip
        return {"result": result, "counts": dict(counts), "held_back": held_back}

    def _keep(self, header: bytes, parts: Iterable[bytes]) -> Stored:
        with self._objects.begin() as writing:
            writing.write(header)
            for part in parts:
                writing.write(part)
            return writing.commit()

    def _tell(self, kept: Stored) -> tuple[Stored, int]:
        """The JSON of what was kept, and how many rows its table has."""
        result = open_outcome(self._objects.path(kept.name))
        counted = _Counted(result.series)
        with self._objects.begin() as writing:
            to = BufferedWriter(_Sink(writing), BUFFER_BYTES)
            write_result(replace(result, series=counted), "json", cast(BinaryIO, to))
            to.flush()
            to.detach()
            return writing.commit(), counted.rows


class _Counted(Iterable[SeriesResult]):
    """Series on their way, and how many rows of a table they are."""

    def __init__(self, series: Iterable[SeriesResult]) -> None:
        self._series = series
        self.rows = 0

    def __iter__(self) -> Iterator[SeriesResult]:
        for one in self._series:
            self.rows += len(one.periods) + sum(len(said["mean_forecast"]) for said in one.output.get("content") or ())
            yield one


class _Sink(RawIOBase):
    """An object under way as a raw stream."""

    def __init__(self, writing: Writing) -> None:
        super().__init__()
        self._writing = writing

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, part: Any) -> int:
        """Append all of it."""
        self._writing.write(bytes(part))
        return len(part)
