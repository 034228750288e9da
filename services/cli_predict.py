"""`aichung nlp`, `aichung forecast`, `aichung anomalies`: predictions from the shell, over HTTP like any caller's."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from models.errors import InvalidInputError
from services.cli_connection import As, KeyText, Url, connect
from services.cli_home import Home
from services.cli_output import AsJson, show, show_json

language = typer.Typer(help="Tác vụ ngôn ngữ | Language tasks")
forecasting = typer.Typer(help="Dự báo | Forecasts")
detection = typer.Typer(help="Bất thường | Anomalies")

File = Annotated[Path, typer.Argument(help="CSV: cột đầu là thời gian | CSV, the first column is the time")]
Frequency = Annotated[str, typer.Option("--frequency", "-f", help="30min, H, D, W, M, Q, Y")]
Model = Annotated[str | None, typer.Option(help="Mô hình khác mặc định | Another model than the default")]
Row = dict[str, Any]


@language.command()
def predict(
    task: Annotated[str, typer.Argument(help="segment | topics | diacritics | classify")],
    texts: Annotated[list[str] | None, typer.Argument(help="Văn bản | Texts; none: one a line from stdin")] = None,
    model: Model = None,
    url: Url = "",
    key: KeyText = "",
    name: As = "ministry",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tách từ, chủ đề, thêm dấu | Segment, topics, diacritics."""
    given = texts or [line.rstrip("\n") for line in sys.stdin if line.strip()]
    with connect(url, key, name, home) as ai:
        answer = ai.text(task, given, model=model)
    if as_json:
        for body in answer.bodies:
            show_json(body)
        return
    for document in answer.documents:
        print(_line(document))
    for failed in answer.errors:
        typer.echo(f"✗ {failed['id']}: {failed['error']['detail']}", err=True)
    _sign(answer.models, answer.notice)
    if answer.errors:
        raise typer.Exit(1)


def _line(document: Row) -> str:
    """One document on one line: words with `_` inside, labels with scores, or the text."""
    if "tokens" in document:
        return " ".join("_".join(token["text"].split()) for token in document["tokens"])
    if "labels" in document:
        best = [f"{one.get('label_vi', one['label'])} {one['score']:.3f}" for one in document["labels"][:3]]
        return ("(không chắc | unsure) " if document.get("abstained") else "") + " · ".join(best)
    return str(document["text"])


@forecasting.command()
def forecast(
    file: File,
    horizon: Annotated[int, typer.Option("--horizon", "-n", min=1, help="Số kỳ | Periods ahead")] = 12,
    frequency: Frequency = "M",
    model: Model = None,
    url: Url = "",
    key: KeyText = "",
    name: As = "ministry",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Dự báo mọi cột số của tệp | Forecast every column of a file."""
    with connect(url, key, name, home) as ai:
        answer = ai.forecast(read_series(file, frequency), horizon, model=model)
    if as_json:
        for body in answer.bodies:
            show_json(body)
        return
    rows: list[Row] = []
    for output in answer.outputs:
        for content in output["content"]:
            bands = content["quantiles"]
            for step, period in enumerate(content["periods"]):
                row = {"name": output["name"], "period": period, "mean": content["mean_forecast"][step]}
                rows.append(row | {level: values[step] for level, values in bands.items()})
        _warn(output)
    show(rows, list(dict.fromkeys(column for row in rows for column in row)), as_json=False)
    _sign(answer.models, answer.notice)


@detection.command()
def anomalies(
    file: File,
    frequency: Frequency = "M",
    sensitivity: Annotated[int | None, typer.Option(min=0, max=99, help="0–99")] = None,
    model: Model = None,
    url: Url = "",
    key: KeyText = "",
    name: As = "ministry",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tìm bất thường trong mọi cột số | Find anomalies in every column of a file."""
    options: Row = {} if sensitivity is None else {"sensitivity": sensitivity}
    with connect(url, key, name, home) as ai:
        answer = ai.anomalies(read_series(file, frequency), model=model, **options)
    if as_json:
        for body in answer.bodies:
            show_json(body)
        return
    rows = [event | {"reason": event["reason"]["vi"]} for event in answer.events]
    show(rows, ("name", "start", "end", "kind", "severity", "actual", "expected", "reason"), as_json=False)
    for output in answer.outputs:
        _warn(output)
    _sign(answer.models, answer.notice)


def read_series(path: Path, frequency: str) -> list[Row]:
    """The API's inputs from a CSV file: a column of times, then one column for each series; empty cells are missing.

    A semicolon between columns means a decimal comma, as spreadsheets in Vietnamese write it. Raises InvalidInputError
    naming the line of what cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"Không đọc được {path}.", f"{path} cannot be read as UTF-8 text.") from error
    first = text.partition("\n")[0]
    semicolons = first.count(";") > first.count(",")
    rows = [row for row in csv.reader(text.splitlines(), delimiter=";" if semicolons else ",") if any(row)]
    if len(rows) < 2 or len(rows[0]) < 2 or any(len(row) != len(rows[0]) for row in rows):
        raise InvalidInputError(
            "Tệp cần một dòng tiêu đề, một cột thời gian và ít nhất một cột số, các dòng dài bằng nhau.",
            "The file needs a header, a column of times and at least one of numbers, all lines of equal length.",
        )
    times = [row[0].strip() for row in rows[1:]]
    columns = [
        [_number(row[place], line, semicolons) for line, row in enumerate(rows[1:], 2)]
        for place in range(1, len(rows[0]))
    ]
    return [
        {"name": name.strip(), "series": values, "frequency": frequency, "timestamps": times}
        for name, values in zip(rows[0][1:], columns, strict=True)
    ]


def _number(cell: str, line: int, comma: bool) -> float | None:
    text = cell.strip()
    if not text:
        return None
    try:
        return float(text.replace(".", "").replace(",", ".") if comma else text)
    except ValueError as error:
        raise InvalidInputError(
            f"Dòng {line} có ô không phải số.", f"Line {line} has a cell that is no number."
        ) from error


def _warn(output: Row) -> None:
    for warning in output["warnings"]:
        typer.echo(f"! {output['name']}: {warning['vi']}", err=True)
    if output["status"] == "failed":
        typer.echo(f"✗ {output['name']}: {output['error']['detail']}", err=True)


def _sign(models: set[str], notice: str) -> None:
    """Which model answered, and that it is a machine's proposal."""
    typer.echo(f"[{', '.join(sorted(models))}] {notice}", err=True)
