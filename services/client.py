"""The Python client: every endpoint as a typed method.

    with Client("http://127.0.0.1:8000", key) as ai:
        print(ai.topics(["Giá xăng tăng từ 15 giờ."]).documents[0]["labels"][0])
        ai.forecast(frame, horizon=12).frame()
        file = ai.upload("Nien giam 2011.xls")
        job = ai.submit("anomaly.series", file_id=file["id"], alarm_budget=20)
        print(ai.wait(job["id"])["status"])

Decision: large inputs are cut into calls under the API's limits and put together again, so a caller hands over a
hundred thousand documents as one argument; a progress bar shows on a terminal. Errors are the platform's own types
(models.errors), in the caller's language.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final, Literal, Self
from urllib.parse import quote

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.client_files import FileMethods
from services.client_jobs import JobMethods
from services.client_models import ModelMethods
from services.client_tables import TableMethods
from services.frames import SeriesIn, Texts, documents_of, series_of
from services.results import AnalysisAnswer, AnomalyAnswer, ForecastAnswer, Listing, TextAnswer
from services.transport import READ_SECONDS, TRIES, Transport, object_of

DOCUMENTS_A_CALL: Final = 200
CHARACTERS_A_CALL: Final = 300_000
SERIES_A_CALL: Final = 500
POINTS_A_CALL: Final = 500_000
PROPHET_SERIES_A_CALL: Final = 20
WORKERS: Final = 4


class Client(FileMethods, JobMethods, ModelMethods, TableMethods):
    """A connection to the platform with one key. Safe for threads; close it, or use it in `with`.

    Every method raises the errors of models.errors: UnauthenticatedError, ForbiddenError, GateClosedError,
    NotFoundError, InvalidInputError (with faults), ConflictError, QuotaExceededError and UnavailableError (after
    patience ran out), DeadlineError.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        language: Literal["vi", "en"] = "vi",
        timeout_seconds: float = READ_SECONDS,
        tries: int = TRIES,
        progress: bool | None = None,
        workers: int = WORKERS,
    ) -> None:
        """`progress` None shows bars on a terminal only; `workers` parts of a large call are under way at once."""
        self._line = Transport(base_url, key, language=language, timeout_seconds=timeout_seconds, tries=tries)
        self._progress = sys.stderr.isatty() if progress is None else progress
        self._workers = workers

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    # --- language -------------------------------------------------------------------------------------------

    def segment(self, texts: Texts, *, model: str | None = None, offset_unit: str | None = None) -> TextAnswer:
        """Words and sentences with their places."""
        return self.text("segment", texts, model=model, offset_unit=offset_unit)

    def topics(self, texts: Texts, *, model: str | None = None, explain: bool | None = None) -> TextAnswer:
        """Topics, all classes with calibrated probabilities."""
        return self.text("topics", texts, model=model, explain=explain)

    def classify(self, texts: Texts, *, model: str, explain: bool | None = None) -> TextAnswer:
        """The classes of any approved text classifier."""
        return self.text("classify", texts, model=model, explain=explain)

    def diacritics(self, texts: Texts, *, model: str | None = None) -> TextAnswer:
        """Texts with their diacritics restored."""
        return self.text("diacritics", texts, model=model)

    def text(
        self,
        task: str,
        texts: Texts,
        *,
        model: str | None = None,
        explain: bool | None = None,
        offset_unit: str | None = None,
    ) -> TextAnswer:
        """Any language task that answers document by document."""
        options = _given(explain=explain, offset_unit=offset_unit)
        frame = _given(model=model, options=options or None)
        parts = list(_cut(documents_of(texts), DOCUMENTS_A_CALL, CHARACTERS_A_CALL, lambda one: len(one["text"])))
        path = f"/v1/nlp/{quote(task, safe='')}"
        return TextAnswer(self._each(path, [{"documents": part, **frame} for part in parts], task, parts))

    def analyze(self, texts: Texts, tasks: Sequence[str | Mapping[str, Any]]) -> AnalysisAnswer:
        """Several tasks in one pass over at most 1,000 documents."""
        asked = [{"task": task} if isinstance(task, str) else dict(task) for task in tasks]
        return AnalysisAnswer(self._line.predict("/v1/nlp/analyze", {"documents": documents_of(texts), "tasks": asked}))

    # --- time series ----------------------------------------------------------------------------------------

    def forecast(
        self,
        series: SeriesIn,
        horizon: int,
        *,
        frequency: str | None = None,
        start: str | None = None,
        model: str | None = None,
        quantiles: Sequence[float] | None = None,
        **options: Any,
    ) -> ForecastAnswer:
        """Forecasts with intervals; `options` are the API's (holidays, backtest, season_length, seed)."""
        inputs = series_of(series, frequency, start)
        asked = {"horizon": horizon, **_given(quantiles=None if quantiles is None else list(quantiles)), **options}
        most = PROPHET_SERIES_A_CALL if (model or "").startswith("forecast-prophet") else SERIES_A_CALL
        parts = list(_cut(inputs, most, POINTS_A_CALL, _points))
        bodies = [{"inputs": part, "options": asked, **_given(model=model)} for part in parts]
        return ForecastAnswer(self._each("/v1/timeseries/forecast", bodies, "forecast", parts))

    def anomalies(
        self,
        series: SeriesIn,
        *,
        frequency: str | None = None,
        start: str | None = None,
        model: str | None = None,
        **options: Any,
    ) -> AnomalyAnswer:
        """Anomalies with p-values and events; `options` are the API's (mode, sensitivity, direction, …)."""
        inputs = series_of(series, frequency, start)
        parts = list(_cut(inputs, SERIES_A_CALL, POINTS_A_CALL, _points))
        bodies = [{"inputs": part, **_given(model=model, options=options or None)} for part in parts]
        return AnomalyAnswer(self._each("/v1/timeseries/anomalies", bodies, "anomalies", parts), tuple(inputs))

    # --- keys and tenants -----------------------------------------------------------------------------------

    def me(self) -> dict[str, Any]:
        """Tenant, role, scopes and what is left of the limits."""
        return object_of(self._line.get("/v1/me"))

    def create_key(
        self,
        subject_name: str,
        role: str,
        *,
        kind: Literal["person", "system"] = "system",
        tenant: str | None = None,
        scopes: Sequence[str] | None = None,
        limits: Mapping[str, int] | None = None,
        expires_at: datetime | None = None,
    ) -> dict[str, Any]:
        """Issue a key; its text stands in `key`, this once."""
        optional = _given(tenant=tenant, scopes=list(scopes) if scopes else None, limits=limits, expires_at=expires_at)
        return self._line.create(
            "/v1/keys", {"subject": {"name": subject_name, "kind": kind}, "role": role, **optional}
        )

    def keys(self, *, after: str | None = None, limit: int | None = None) -> Listing:
        """Keys that the caller administers."""
        return self._listing("/v1/keys", after=after, limit=limit)

    def rotate_key(self, key_id: str, overlap_seconds: int = 3600) -> dict[str, Any]:
        """Issue a key's successor; both answer during the overlap."""
        return self._line.create(f"/v1/keys/{quote(key_id, safe='')}/rotate", {"overlap_seconds": overlap_seconds})

    def revoke_key(self, key_id: str) -> None:
        """End a key, everywhere within 2 s."""
        self._line.act("DELETE", f"/v1/keys/{quote(key_id, safe='')}")

    def create_tenant(
        self, code: str, vintage: str, name: str, *, level: str, kind: str = "state", parent: str | None = None
    ) -> dict[str, Any]:
        """Enter an organisation."""
        body = {"code": code, "vintage": vintage, "name": name, "kind": kind, "level": level}
        return self._line.create("/v1/tenants", {**body, **_given(parent=parent)})

    def tenants(self, *, after: str | None = None, limit: int | None = None) -> Listing:
        """Organisations that the caller sees."""
        return self._listing("/v1/tenants", after=after, limit=limit)

    # --- log and platform -----------------------------------------------------------------------------------

    def audit_records(self, *, after: str | None = None, limit: int | None = None, **filters: Any) -> Listing:
        """Ledger records, newest first; filters: event, request_id, chain, tenant, since, until, order."""
        filters["from"], filters["to"] = filters.pop("since", None), filters.pop("until", None)
        return self._listing("/v1/audit/records", after=after, limit=limit, **filters)

    def audit_proof(self, seq: str) -> dict[str, Any]:
        """The proof of one record, for `aichung audit verify --bundle`."""
        return object_of(self._line.get(f"/v1/audit/records/{quote(seq, safe='')}/proof"))

    def usage(self, *, since: str | None = None, until: str | None = None) -> dict[str, Any]:
        """What the organisation consumed, from the log."""
        return object_of(self._line.get("/v1/usage", {"from": since, "to": until}))

    def kpis(self, *, since: str | None = None, until: str | None = None) -> dict[str, Any]:
        """Governance figures, from the log."""
        return object_of(self._line.get("/v1/kpis", {"from": since, "to": until}))

    def version(self) -> dict[str, Any]:
        """The platform's version."""
        return object_of(self._line.get("/v1/version"))

    def health(self) -> dict[str, Any]:
        """Whether the platform can answer. Raises UnavailableError with the reasons when it cannot."""
        return object_of(self._line.get("/readyz"))

    # --- how ------------------------------------------------------------------------------------------------

    def pages(self, listing: Callable[..., Listing], **arguments: Any) -> Iterator[dict[str, Any]]:
        """All rows of a list over all its pages: `for key in ai.pages(ai.keys)`."""
        page = listing(**arguments)
        yield from page
        while page.has_more:
            page = listing(**{**arguments, "after": page.last_id})
            yield from page

    def _listing(self, path: str, **query: Any) -> Listing:
        return Listing.of(object_of(self._line.get(path, query)))

    def _each(self, path: str, bodies: Sequence[Any], what: str, parts: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
        """Send the parts, several at once, and give their answers in order; the first error ends it."""
        if len(bodies) == 1:
            return (self._line.predict(path, bodies[0]),)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with (
            Progress(*columns, console=Console(stderr=True), disable=not self._progress) as bars,
            ThreadPoolExecutor(self._workers) as pool,
        ):
            bar = bars.add_task(what, total=sum(map(len, parts)))
            answers = []
            sent = [pool.submit(self._line.predict, path, body) for body in bodies]
            try:
                for answer, part in zip(sent, parts, strict=True):
                    answers.append(answer.result())
                    bars.advance(bar, len(part))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)  # what was not sent yet stays unsent
                raise
        return tuple(answers)


def _cut(items: Sequence[Any], most: int, weight: int, weigh: Callable[[Any], int]) -> Iterator[list[Any]]:
    """Runs of at most `most` items and about `weight` in sum; at least one item each, one empty run for nothing."""
    part: list[Any] = []
    heavy = 0
    for item in items:
        own = weigh(item)
        if part and (len(part) >= most or heavy + own > weight):
            yield part
            part, heavy = [], 0
        part.append(item)
        heavy += own
    if part or not items:
        yield part


def _points(one: Mapping[str, Any]) -> int:
    return len(one["series"])


def _given(**values: Any) -> dict[str, Any]:
    """What was given; the API takes absent, not null, for "not said"."""
    return {name: value for name, value in values.items() if value is not None}
