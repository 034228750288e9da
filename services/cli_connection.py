"""How commands reach the platform over HTTP, like any caller: an address and a key.

Decision: on an evaluation installation the key need not be typed: `--as NAME` takes it from keys.json, which only
the installation's owner can read, and keeps it out of the shell's history.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from models.errors import UnauthenticatedError
from services.cli_home import settings_for
from services.client import Client
from services.evaluation import read_keys

Url = Annotated[str, typer.Option(envvar="AICHUNG_URL", help="Địa chỉ nền tảng | The platform's address")]
KeyText = Annotated[str, typer.Option("--key", envvar="AICHUNG_KEY", help="Khóa | Key (better: the variable)")]
As = Annotated[str, typer.Option("--as", help="Khóa đánh giá trong keys.json | An evaluation key of keys.json")]


def connect(url: str, key: str, name: str, home: Path | None) -> Client:
    """A client with the key given, else the evaluation key `name`. Raises UnauthenticatedError without either."""
    settings = settings_for(home)
    key = key or read_keys(settings.home).get(name, "")
    if not key:
        raise UnauthenticatedError(
            f"Cần khóa: đặt AICHUNG_KEY, hoặc chạy nơi có {settings.home / 'keys.json'} (--as {name}).",
            f"A key is needed: set AICHUNG_KEY, or run where {settings.home / 'keys.json'} lies (--as {name}).",
        )
    host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
    return Client(url or f"http://{host}:{settings.http_port}", key)
