"""`aichung models`: the registry over HTTP."""

from __future__ import annotations

import sys
from typing import Annotated, cast, get_args

import typer

from models.errors import InvalidInputError
from services.cli_connection import As, KeyText, Url, connect
from services.cli_home import Home
from services.cli_output import AsJson, show, show_json
from services.client_models import CardFormat, Stage

app = typer.Typer(no_args_is_help=True, help="Mô hình | Models")
COLUMNS = ("name", "version", "tasks", "default_for", "tier", "state", "approval", "valid_until")
FORMATS = get_args(CardFormat)
STAGES = get_args(Stage)
Name = Annotated[str, typer.Argument(help="Tên mô hình | Name, e.g. vi-topic")]
Version = Annotated[str, typer.Argument(help="Phiên bản | Version, e.g. 1.0.0")]


@app.command("list")
def list_(url: Url = "", key: KeyText = "", name: As = "ministry", home: Home = None, as_json: AsJson = False) -> None:
    """Liệt kê mô hình, phiên bản, phê duyệt | List models, versions, approvals."""
    with connect(url, key, name, home) as ai:
        versions = [version for model in ai.pages(ai.models) for version in model["versions"]]
    for version in versions:
        approval = version["approval"] or {}
        version["valid_until"] = approval.get("valid_until")
        if not as_json:
            version["approval"] = approval.get("kind")
    show(versions, COLUMNS, as_json)


@app.command()
def card(
    model: Name,
    version: Version,
    form: Annotated[str, typer.Option("--format", help=" | ".join(FORMATS))] = "markdown",
    url: Url = "",
    key: KeyText = "",
    name: As = "ministry",
    home: Home = None,
) -> None:
    """Thẻ mô hình | A model's card."""
    if form not in FORMATS:
        raise InvalidInputError(f"--format: {', '.join(FORMATS)}.", f"--format: {', '.join(FORMATS)}.")
    with connect(url, key, name, home) as ai:
        found = ai.card(model, version, cast(CardFormat, form))
    if isinstance(found, bytes):
        sys.stdout.buffer.write(found)
    elif isinstance(found, str):
        print(found)
    else:
        show_json(found)


@app.command()
def suspend(
    model: Name,
    version: Version,
    reason: Annotated[str, typer.Option(help="Lý do | Why")],
    url: Url = "",
    key: KeyText = "",
    name: As = "operator",
    home: Home = None,
) -> None:
    """Dừng một mô hình, hiệu lực trong 2 giây | Stop a model, effective within 2 s."""
    with connect(url, key, name, home) as ai:
        stopped = ai.suspend(model, version, reason)
    print(f"{stopped['name']}@{stopped['version']}: {stopped['state']}")


@app.command()
def resume(
    model: Name,
    version: Version,
    reason: Annotated[str, typer.Option(help="Nguyên nhân đã khắc phục | What was mended")],
    url: Url = "",
    key: KeyText = "",
    name: As = "operator",
    home: Home = None,
) -> None:
    """Cho chạy lại, cần hai người | Start again; it takes two persons."""
    with connect(url, key, name, home) as ai:
        print(ai.resume(model, version, reason)["status"])


@app.command()
def submit(
    model: Name, version: Version, url: Url = "", key: KeyText = "", name: As = "engineer", home: Home = None
) -> None:
    """Gửi bản nháp đi thẩm định | Submit a draft for review."""
    with connect(url, key, name, home) as ai:
        show_json(ai.submit_version(model, version))


@app.command()
def reviews(
    model: Name, version: Version, url: Url = "", key: KeyText = "", name: As = "engineer", home: Home = None
) -> None:
    """Ai đang giữ, đã nói gì, còn thiếu gì | Who has it, what was said, what is missing."""
    with connect(url, key, name, home) as ai:
        show_json(ai.reviews(model, version))


@app.command()
def release(
    model: Name,
    version: Version,
    stage: Annotated[str, typer.Option(help=" | ".join(STAGES))] = "serving",
    percent: Annotated[int | None, typer.Option(help="Tỷ lệ | Share of calls")] = None,
    url: Url = "",
    key: KeyText = "",
    name: As = "operator",
    home: Home = None,
) -> None:
    """Phát hành bản đã duyệt | Release an approved version."""
    if stage not in STAGES:
        raise InvalidInputError(f"--stage: {', '.join(STAGES)}.", f"--stage: {', '.join(STAGES)}.")
    with connect(url, key, name, home) as ai:
        show_json(ai.release(model, version, cast(Stage, stage), percent))


@app.command()
def registrations(
    url: Url = "", key: KeyText = "", name: As = "engineer", home: Home = None, as_json: AsJson = False
) -> None:
    """Các lượt đăng ký và lý do từ chối | Attempts to register, and what refused them."""
    with connect(url, key, name, home) as ai:
        show(list(ai.pages(ai.registrations)), ("id", "name", "version", "state", "reason", "created_at"), as_json)
