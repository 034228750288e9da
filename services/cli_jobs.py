"""`aichung jobs …`: hand work over, watch it, take results and reports; over HTTP like any caller's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from models.errors import InvalidInputError
from services.cli_connection import As, KeyText, Url, connect
from services.cli_files import split, tell_question
from services.cli_home import Home
from services.cli_output import AsJson, show, show_json
from services.client import Client

app = typer.Typer(help="Công việc nền | Jobs", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="Mã công việc | A job's id")]
COLUMNS = ("id", "type", "status", "done", "attempts", "created_at", "finished_at")
Row = dict[str, Any]


@app.command()
def submit(
    kind: Annotated[str, typer.Argument(help="anomaly.series | anomaly.tabular | forecast")],
    source: Annotated[str, typer.Argument(help="Tệp, mã tệp, hoặc dữ liệu .json | A file, a file's id, or .json data")],
    parameters: Annotated[list[str] | None, typer.Option("--set", "-s", help="tham số=giá trị | option=value")] = None,
    reading: Annotated[str | None, typer.Option(help="Mã cách đọc | A reading's id")] = None,
    accept_guess: Annotated[bool, typer.Option(help="Nhận cách đọc tự đoán | Take the guess as it is")] = False,
    webhook: Annotated[str | None, typer.Option(help="Báo tới URL | Tell this URL")] = None,
    wait: Annotated[bool, typer.Option(help="Chờ đến khi xong | Wait for the end")] = True,
    url: Url = "",
    key: KeyText = "",
    name: As = "province",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Giao việc: tải tệp, tính, chờ kết quả | Hand a job over: send the file, compute, wait."""
    given = {option: _value(text) for option, text in map(split, parameters or [])}
    with connect(url, key, name, home) as ai:
        work = _input(ai, source)
        if "file_id" in work:
            work |= {"reading": reading, "accept_guess": accept_guess}
        job = ai.submit(kind, webhook=webhook, **work, **given)  # type: ignore[arg-type]
        found = ai.wait(job["id"]) if wait else ai.job(job["id"])
    _tell(found, as_json)


@app.command("list")
def list_jobs(
    status: Annotated[str | None, typer.Option(help="Trạng thái | State")] = None,
    url: Url = "",
    key: KeyText = "",
    name: As = "province",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Danh sách công việc | List jobs."""
    with connect(url, key, name, home) as ai:
        rows = list(ai.pages(ai.jobs, status=status))
    show([_row(row) for row in rows] if not as_json else rows, COLUMNS, as_json)


@app.command("show")
def show_job(
    job_id: JobId, url: Url = "", key: KeyText = "", name: As = "province", home: Home = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Xem một công việc | Show a job."""
    with connect(url, key, name, home) as ai:
        found = ai.job(job_id)
    _tell(found, as_json)


@app.command()
def wait(
    job_id: JobId, url: Url = "", key: KeyText = "", name: As = "province", home: Home = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Chờ công việc xong, có thanh tiến độ | Wait for a job's end, with a bar."""
    with connect(url, key, name, home) as ai:
        found = ai.wait(job_id)
    _tell(found, as_json)


@app.command()
def events(
    job_id: JobId,
    after: Annotated[int, typer.Option(help="Sau sự kiện số | After this number")] = 0,
    url: Url = "",
    key: KeyText = "",
    name: As = "province",
    home: Home = None,
) -> None:
    """Theo dõi diễn biến | Follow a job's events."""
    with connect(url, key, name, home) as ai:
        for news in ai.events(job_id, after=after):
            show_json({"number": news.number, "kind": news.kind, **news.body})


@app.command()
def cancel(
    job_id: JobId, url: Url = "", key: KeyText = "", name: As = "province", home: Home = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Dừng công việc | Cancel a job."""
    with connect(url, key, name, home) as ai:
        found = ai.cancel(job_id)
    _tell(found, as_json)


@app.command()
def requeue(
    job_id: JobId,
    reading: Annotated[str | None, typer.Option(help="Mã cách đọc | A reading's id")] = None,
    accept_guess: Annotated[bool, typer.Option(help="Nhận cách đọc tự đoán | Take the guess")] = False,
    url: Url = "",
    key: KeyText = "",
    name: As = "province",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Cho chạy tiếp hoặc chạy lại | Go on with an answer, or run again."""
    with connect(url, key, name, home) as ai:
        found = ai.requeue(job_id, reading=reading, accept_guess=accept_guess or None)
    _tell(found, as_json)


@app.command()
def result(
    job_id: JobId,
    to: Annotated[Path, typer.Argument(help="Tệp .xlsx, .csv, .json, .parquet | Where to")],
    locale: Annotated[str | None, typer.Option(help="vi: CSV cho Excel tiếng Việt | vi, en")] = None,
    url: Url = "",
    key: KeyText = "",
    name: As = "province",
    home: Home = None,
) -> None:
    """Lấy kết quả | Take the result."""
    with connect(url, key, name, home) as ai:
        form = to.suffix.removeprefix(".").lower()
        typer.echo(str(ai.result(job_id, form, to=to, locale=locale)))  # type: ignore[call-overload]


@app.command()
def report(
    job_id: JobId,
    to: Annotated[Path, typer.Argument(help="Tệp .html | Where to")],
    audience: Annotated[str, typer.Option(help="leader | analyst | inspector")] = "leader",
    language: Annotated[str | None, typer.Option(help="vi | en")] = None,
    url: Url = "",
    key: KeyText = "",
    name: As = "province",
    home: Home = None,
) -> None:
    """Lấy báo cáo | Take the report."""
    with connect(url, key, name, home) as ai:
        page = ai.report(job_id, audience=audience, language=language)  # type: ignore[arg-type]
    to.write_text(page, encoding="utf-8")
    typer.echo(str(to))


@app.command()
def webhooks(
    allow: Annotated[list[str] | None, typer.Option(help="Địa chỉ nội bộ được phép (người vận hành) | Allow")] = None,
    tenant: Annotated[str | None, typer.Option(help="Mã đơn vị | An organisation's id")] = None,
    rotate: Annotated[bool, typer.Option(help="Thay khóa ký | Replace the secret")] = False,
    overlap: Annotated[int, typer.Option(min=0, help="Giây cả hai khóa cùng ký | Seconds that both sign")] = 86_400,
    url: Url = "",
    key: KeyText = "",
    name: As = "province",
    home: Home = None,
) -> None:
    """Khóa ký và thông báo; người vận hành đặt địa chỉ nội bộ | Secret and messages; the operator's allow-list."""
    with connect(url, key, name, home) as ai:
        if tenant is not None:
            show_json(ai.allow_webhooks(tenant, allow or []))
            return
        show_json(ai.rotate_webhook(overlap) if rotate else ai.webhook())
        rows = list(ai.deliveries(limit=50))
    show(rows, ("id", "event", "job_id", "state", "tries", "fault", "delivered_at"), as_json=False)


def _input(ai: Client, source: str) -> Row:
    """A job's input: an id as it is, inline data from JSON, any other file sent first."""
    if source.startswith("file_") and not Path(source).exists():
        return {"file_id": source}
    path = Path(source)
    if path.suffix.lower() == ".json":
        try:
            return {"data": json.loads(path.read_text(encoding="utf-8"))}
        except (OSError, ValueError) as error:
            raise InvalidInputError(f"Không đọc được {path}.", f"{path} cannot be read as JSON.") from error
    return {"file_id": ai.upload(path)["id"]}


def _value(text: str) -> Any:
    """A parameter's value: JSON where it is JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _row(job: Row) -> Row:
    progress = job["progress"]
    return job | {"done": f"{progress['done']}/{progress['total']} {progress['unit']}"}


def _tell(job: Row, as_json: bool) -> None:
    """A job for a person: its state, what it asks, why it failed, where its result is."""
    if as_json:
        show_json(job)
    else:
        show([_row(job)], COLUMNS, as_json=False)
        for question in job["questions"]:
            tell_question(question)
        if job["status"] == "needs_input":
            print(f"→ aichung files read {job['input']['file_id']} · aichung files answer RDG câu=trả_lời")
            print(f"→ aichung jobs requeue {job['id']} --reading RDG | --accept-guess")
        if job["status"] == "succeeded":
            print(f"→ aichung jobs result {job['id']} ket-qua.xlsx · aichung jobs report {job['id']} bao-cao.html")
    if job["error"] is not None:
        typer.echo(f"✗ {job['error']['detail']}", err=True)
        raise typer.Exit(1)
