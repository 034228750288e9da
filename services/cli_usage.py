"""`aichung usage`: what was consumed, and the figures of governance, both from the log."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli_connection import As, KeyText, Url, connect
from services.cli_home import Home
from services.cli_output import AsJson, show, show_json

app = typer.Typer(help="Mức sử dụng | Usage")
USED = ("task", "model", "answered", "refused", "units", "bytes")
FIGURES = ("name", "vi", "value", "unit", "n", "status")


@app.command()
def usage(
    kpis: Annotated[bool, typer.Option("--kpis", help="Chỉ số quản trị | Governance figures")] = False,
    since: Annotated[str | None, typer.Option("--from", help="ISO 8601")] = None,
    until: Annotated[str | None, typer.Option("--to", help="ISO 8601")] = None,
    url: Url = "",
    key: KeyText = "",
    name: As = "inspector",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Mức sử dụng, tính từ nhật ký | Usage, computed from the log."""
    with connect(url, key, name, home) as ai:
        found = ai.kpis(since=since, until=until) if kpis else ai.usage(since=since, until=until)
    if as_json:
        show_json(found)
    else:
        show(found["data"], FIGURES if kpis else USED, as_json=False)
