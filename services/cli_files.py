"""`aichung files …`: send files, see how they are read, answer what is asked; over HTTP like any caller's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from models.errors import InvalidInputError
from services.cli_connection import As, KeyText, Url, connect
from services.cli_home import Home
from services.cli_output import AsJson, show, show_json

app = typer.Typer(help="Tệp và cách đọc | Files and readings", no_args_is_help=True)

FileId = Annotated[str, typer.Argument(help="Mã tệp | A file's id")]
ReadingId = Annotated[str, typer.Argument(help="Mã cách đọc | A reading's id")]
Row = dict[str, Any]


@app.command()
def upload(
    paths: Annotated[list[Path], typer.Argument(help="Các tệp | Files")],
    purpose: Annotated[str | None, typer.Option(help="Mục đích | A word for the purpose")] = None,
    url: Url = "",
    key: KeyText = "",
    name: As = "province",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tải tệp lên | Send files."""
    with connect(url, key, name, home) as ai:
        rows = [ai.upload(path, purpose=purpose) for path in paths]
    show(rows, ("id", "filename", "bytes", "sha256", "expires_at"), as_json)


@app.command("list")
def list_files(
    url: Url = "", key: KeyText = "", name: As = "province", home: Home = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Danh sách tệp | List files."""
    with connect(url, key, name, home) as ai:
        rows = list(ai.pages(ai.files))
    show(rows, ("id", "filename", "status", "bytes", "created_at", "expires_at"), as_json)


@app.command()
def download(
    file_id: FileId,
    to: Annotated[Path, typer.Argument(help="Ghi vào | Where to")],
    url: Url = "",
    key: KeyText = "",
    name: As = "province",
    home: Home = None,
) -> None:
    """Tải tệp về | Get a file back."""
    with connect(url, key, name, home) as ai:
        typer.echo(str(ai.download(file_id, to)))


@app.command()
def delete(
    file_id: FileId, url: Url = "", key: KeyText = "", name: As = "province", home: Home = None,
) -> None:  # fmt: skip
    """Xóa tệp | Delete a file."""
    with connect(url, key, name, home) as ai:
        ai.delete_file(file_id)


@app.command()
def read(
    file_id: FileId,
    as_pattern: Annotated[str | None, typer.Option("--name", help="Giữ làm mẫu đọc | Keep it as a pattern")] = None,
    pattern: Annotated[str | None, typer.Option(help="Mẫu đọc, hoặc none | A pattern's id, or none")] = None,
    url: Url = "",
    key: KeyText = "",
    name: As = "province",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Đọc hiểu tệp, nêu câu hỏi còn mở | Read a file, with its open questions."""
    with connect(url, key, name, home) as ai:
        found = ai.read(file_id, name=as_pattern, pattern=pattern)
    tell_reading(found, as_json)


@app.command()
def reading(
    reading_id: ReadingId, url: Url = "", key: KeyText = "", name: As = "province", home: Home = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Xem một cách đọc | Show a reading."""
    with connect(url, key, name, home) as ai:
        found = ai.reading(reading_id)
    tell_reading(found, as_json)


@app.command()
def answer(
    reading_id: ReadingId,
    answers: Annotated[list[str], typer.Argument(help="câu hỏi=trả lời | question=answer")],
    as_pattern: Annotated[str | None, typer.Option("--name", help="Giữ làm mẫu đọc | Keep it as a pattern")] = None,
    url: Url = "",
    key: KeyText = "",
    name: As = "province",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Trả lời câu hỏi của cách đọc | Answer a reading's questions."""
    given = dict(split(text) for text in answers)
    with connect(url, key, name, home) as ai:
        found = ai.correct(ai.reading(reading_id), answers=given, name=as_pattern)
    tell_reading(found, as_json)


def split(text: str) -> tuple[str, str]:
    """A pair written `name=value`. Raises InvalidInputError."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise InvalidInputError("Viết theo dạng tên=giá trị.", "Write name=value.")
    return name.strip(), value.strip()


def tell_reading(found: Row, as_json: bool) -> None:
    """A reading for a person: its tables, then what is asked."""
    if as_json:
        show_json(found)
        return
    rows = [
        {
            "sheet": table["sheet"], "range": table["range"], "layout": table["layout"],
            "first": table["period"]["first"], "last": table["period"]["last"], "rows": table["rows"]["data"],
            "series": sum(column["role"] == "value" for column in table["columns"]),
            "text": table["text_conversion"],
        }
        for table in found["tables"]
    ]  # fmt: skip
    show(rows, ("sheet", "range", "layout", "first", "last", "rows", "series", "text"), as_json=False)
    print(f"{found['id']}  độ tin | confidence {found['confidence']}")
    for caution in found["warnings"]:
        print(f"! {caution['vi']}")
    for question in found["questions"]:
        tell_question(question)


def tell_question(question: Row) -> None:
    """An open question with its possible answers; the guess is marked."""
    print(f"? [{question['id']}] {question['vi']}")
    for option in question.get("options", ()):
        mark = "*" if option["value"] == question.get("guess") else " "
        print(f"    {mark} {option['value']}: {option['vi']}")
