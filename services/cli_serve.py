"""`aichung serve`: run the whole platform on this machine, in the foreground."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from services.cli_home import Home, settings_for
from services.launch import become

app = typer.Typer()


@app.command()
def serve(
    home: Home = None,
    port: Annotated[int | None, typer.Option("--port", help="Cổng HTTP (AICHUNG_HTTP_PORT) | The HTTP port")] = None,
) -> None:
    """Chạy nền tảng; Ctrl-C để dừng | Run the platform; Ctrl-C ends it."""
    settings = settings_for(home)
    become(settings if port is None else replace(settings, http_port=port))
