"""The client's methods for jobs and webhooks; `services.client.Client` has them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, overload
from urllib.parse import quote

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.errors import DeadlineError, InvalidInputError, UnavailableError
from services.client_files import save
from services.results import Listing
from services.transport import Transport, object_of

ENDS: Final = ("succeeded", "failed", "cancelled")
PAUSE_SECONDS: Final = 1.0
LOST: Final = 20

JobType = Literal["anomaly.series", "anomaly.tabular", "forecast"]
ResultFormat = Literal["csv", "json", "parquet", "xlsx"]
Audience = Literal["leader", "analyst", "inspector"]


@dataclass(frozen=True, slots=True)
class JobNews:
    """One event of a job: its number, its kind (`status`, `progress`), its body."""

    number: int
    kind: str
    body: Mapping[str, Any]


class JobMethods:
    """Jobs and webhooks."""

    _line: Transport
    _progress: bool

    def submit(
        self,
        type: JobType,
        *,
        file_id: str | None = None,
        reading: str | None = None,
        accept_guess: bool = False,
        data: Mapping[str, Any] | None = None,
        model: str | None = None,
        webhook: str | None = None,
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """Hand a job over: a file (with its reading, or `accept_guess`) or inline data; it is durable on return.

        `parameters` are the options of the synchronous endpoint.
        """
        given: dict[str, Any] = {"file_id": file_id, "reading": reading, "data": data}
        work = {name: value for name, value in given.items() if value is not None}
        body: dict[str, Any] = {"type": type, "input": work, "parameters": parameters}
        if accept_guess:
            work["accept_guess"] = True
        if model is not None:
            body["model"] = model
        if webhook is not None:
            body["webhook"] = {"url": webhook}
        return self._line.create("/v1/jobs", body, idempotency_key)

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as it stands."""
        return object_of(self._line.get(_job(job_id)))

    def jobs(
        self, *, status: str | None = None, type: str | None = None,
        after: str | None = None, limit: int | None = None,
    ) -> Listing:  # fmt: skip
        """Jobs that the caller sees, newest first."""
        query = {"status": status, "type": type, "after": after, "limit": limit}
        return Listing.of(object_of(self._line.get("/v1/jobs", query)))

    def cancel(self, job_id: str) -> dict[str, Any]:
        """End a job now."""
        return self._line.act("POST", f"{_job(job_id)}/cancel")

    def requeue(self, job_id: str, *, reading: str | None = None, accept_guess: bool | None = None) -> dict[str, Any]:
        """Answer a waiting job's questions with a reading or an accepted guess; run a failed one again."""
        given = {"reading": reading, "accept_guess": accept_guess}
        body = {name: value for name, value in given.items() if value is not None}
        return self._line.act("POST", f"{_job(job_id)}/requeue", body)

    def delete_job(self, job_id: str) -> None:
        """Delete an ended job and its result."""
        self._line.act("DELETE", _job(job_id))

    def events(self, job_id: str, *, after: int = 0) -> Iterator[JobNews]:
        """A job's events as they come, until it ends; a broken line is taken up again where it broke.

        Raises UnavailableError when the platform stays away.
        """
        seen, lost = after, 0
        while True:
            try:
                for news in self._stream(job_id, seen):
                    seen, lost = news.number, 0
                    yield news
                    if news.kind == "status" and news.body.get("status") in ENDS:
                        return
                lost = 0
            except UnavailableError:
                lost += 1
                if lost >= LOST:
                    raise
            if self.job(job_id)["status"] in ENDS and not self._more(job_id, seen):
                return
            time.sleep(PAUSE_SECONDS if lost else 0.05)

    def wait(self, job_id: str, *, timeout_seconds: float | None = None) -> dict[str, Any]:
        """Wait until a job has ended or asks something, with a progress bar; the job as it stands then.

        Raises DeadlineError when it takes longer than `timeout_seconds`.
        """
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), disable=not self._progress) as bars:
            bar = bars.add_task("đang chờ | queued", total=None)
            while True:
                found = self.job(job_id)
                progress = found["progress"]
                bars.update(
                    bar, description=found["status"], completed=progress["done"], total=progress["total"] or None
                )
                if found["status"] in ENDS or found["status"] == "needs_input":
                    return found
                if until is not None and time.monotonic() > until:
                    raise DeadlineError("Công việc chưa xong trong thời hạn.", "The job did not end in time.")
                time.sleep(0.2 if found["status"] == "running" else 0.5)

    @overload
    def result(self, job_id: str, form: Literal["json"] = "json") -> dict[str, Any]: ...
    @overload
    def result(
        self, job_id: str, form: ResultFormat, *, to: str | Path, locale: Literal["vi", "en"] | None = None
    ) -> Path: ...
    @overload
    def result(
        self, job_id: str, form: Literal["csv", "parquet", "xlsx"], *, locale: Literal["vi", "en"] | None = None
    ) -> bytes: ...
    def result(
        self,
        job_id: str,
        form: ResultFormat = "json",
        *,
        to: str | Path | None = None,
        locale: Literal["vi", "en"] | None = None,
    ) -> dict[str, Any] | bytes | Path:
        """A job's result: the JSON object, another format's bytes, or a file written to `to`."""
        path, query = f"{_job(job_id)}/result", {"format": form, "locale": locale}
        if to is not None:
            return save(self._line, path, query, Path(to), self._progress)
        response = self._line.get(path, query, accept="*/*")
        return object_of(response) if form == "json" else response.content

    def report(self, job_id: str, *, audience: Audience = "leader", language: Literal["vi", "en"] | None = None) -> str:
        """A job's report for a reader, as an HTML page."""
        query = {"audience": audience, "language": language}
        return self._line.get(f"{_job(job_id)}/report", query, accept="text/html").text

    # --- webhooks -------------------------------------------------------------------------------------------

    def webhook(self) -> dict[str, Any]:
        """The secret that signs the organisation's webhooks, and the inner addresses it is allowed."""
        return object_of(self._line.get("/v1/webhooks"))

    def rotate_webhook(self, overlap_seconds: int = 86_400) -> dict[str, Any]:
        """Replace the signing secret; the one before signs too until the overlap ends."""
        return self._line.act("POST", "/v1/webhooks/rotate", {"overlap_seconds": overlap_seconds})

    def deliveries(self, *, state: str | None = None, after: str | None = None, limit: int | None = None) -> Listing:
        """Webhook messages, newest first."""
        query = {"state": state, "after": after, "limit": limit}
        return Listing.of(object_of(self._line.get("/v1/webhooks/deliveries", query)))

    def retry_delivery(self, delivery_id: str) -> dict[str, Any]:
        """Send a dead message again."""
        return self._line.act("POST", f"/v1/webhooks/deliveries/{quote(delivery_id, safe='')}/retry")

    def allow_webhooks(self, tenant: str, allowed: list[str]) -> dict[str, Any]:
        """Set the inner addresses that an organisation's webhooks may go to (the operator's)."""
        return self._line.act("PUT", f"/v1/tenants/{quote(tenant, safe='')}/webhooks", {"allowed": allowed})

    # --- how ------------------------------------------------------------------------------------------------

    def _stream(self, job_id: str, seen: int) -> Iterator[JobNews]:
        headers = {"Last-Event-ID": str(seen), "Accept": "text/event-stream"}
        with self._line.open(f"{_job(job_id)}/events", headers=headers) as response:
            block: dict[str, str] = {}
            for line in response.iter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    block[name] = value
                    continue
                if "id" in block:
                    yield _news(block)
                block = {}

    def _more(self, job_id: str, seen: int) -> bool:
        """Whether an ended job has events that were not seen."""
        return next(self._stream(job_id, seen), None) is not None


def _news(block: Mapping[str, str]) -> JobNews:
    """Raises InvalidInputError when the stream is not the platform's."""
    try:
        return JobNews(int(block["id"]), block.get("event", "message"), json.loads(block.get("data", "{}")))
    except ValueError as error:
        raise InvalidInputError("Luồng sự kiện không đọc được.", "The event stream cannot be read.") from error


def _job(job_id: str) -> str:
    return f"/v1/jobs/{quote(job_id, safe='')}"
