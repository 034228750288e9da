"""`aichung rows`: strange rows of a CSV table from the shell, over HTTP like any caller's."""

from __future__ import annotations

import csv
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from models.errors import InvalidInputError
from services.cli_connection import As, KeyText, Url, connect
from services.cli_home import Home
from services.cli_output import AsJson, show, show_json

app = typer.Typer()


@app.command()
def rows(
    file: Annotated[Path, typer.Argument(help="CSV có dòng tiêu đề | CSV with a header")],
    share: Annotated[float | None, typer.Option(min=0.0, max=0.5, help="Tỷ lệ dòng gắn cờ | Share to flag")] = None,
    reasons: Annotated[int, typer.Option(min=0, max=20, help="Số lý do mỗi dòng | Reasons a row")] = 3,
    model: Annotated[str | None, typer.Option(help="Mô hình khác mặc định | Another model")] = None,
    url: Url = "",
    key: KeyText = "",
    name: As = "ministry",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tìm dòng bất thường trong một bảng | Find strange rows in a table."""
    options: dict[str, Any] = {"reasons": reasons} | ({} if share is None else {"expected_share": share})
    with connect(url, key, name, home) as ai:
        answer = ai.strange_rows(read_table(file), model=model, **options)
    if as_json:
        show_json(answer.bodies[0])
        return
    found = [
        {"line": row + 2, "score": answer.scores[row],
         "reasons": " · ".join(reason["reason"]["vi"] for reason in answer.reasons[row])}
        for row in answer.flagged
    ]  # fmt: skip
    show(found, ("line", "score", "reasons"), as_json=False)
    for warning in answer.warnings:
        typer.echo(f"! {warning['vi']}", err=True)
    typer.echo(f"[{', '.join(sorted(answer.models))}] {answer.notice}", err=True)


def read_table(path: Path) -> list[dict[str, Any]]:
    """The rows of a CSV file with a header; a column whose cells are all numbers, or all dates, is read as such.

    A semicolon between columns means a decimal comma, as spreadsheets in Vietnamese write it. Raises InvalidInputError
    for what is no such file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"Không đọc được {path}.", f"{path} cannot be read as UTF-8 text.") from error
    first = text.partition("\n")[0]
    semicolons = first.count(";") > first.count(",")
    lines = [row for row in csv.reader(text.splitlines(), delimiter=";" if semicolons else ",") if any(row)]
    if len(lines) < 2 or any(len(row) != len(lines[0]) for row in lines) or len(set(lines[0])) != len(lines[0]):
        raise InvalidInputError(
            "Tệp cần một dòng tiêu đề với tên cột khác nhau, rồi các dòng dài bằng nhau.",
            "The file needs a header of distinct names and lines of equal length.",
        )
    columns = [_column([row[place].strip() for row in lines[1:]], semicolons) for place in range(len(lines[0]))]
    return [dict(zip(lines[0], row, strict=True)) for row in zip(*columns, strict=True)]


def _column(cells: list[str], comma: bool) -> list[Any]:
    """A column's cells as numbers or dates where all of them are, else as words; empty ones are missing."""
    numbers = [cell.replace(".", "").replace(",", ".") if comma else cell for cell in cells]
    with suppress(ValueError):
        return [float(cell) if cell else None for cell in numbers]
    with suppress(ValueError):
        return [date.fromisoformat(cell) if cell else None for cell in cells]
    return [cell or None for cell in cells]
