"""`aichung data`: what the data catalogue names, and whether the mirror holds exactly that."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from pipelines.datasets import Datasets
from services.cli_output import AsJson, show
from services.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Danh mục dữ liệu | The data catalogue")


def _datasets() -> Datasets:
    mirror = Settings.read().data_mirror
    return Datasets(Path(mirror) if mirror else None)


@app.command("list")
def list_sources(as_json: AsJson = False) -> None:
    """Nguồn, giấy phép, phiên bản của mọi bộ dữ liệu | Origin, licence and commit of every data set."""
    data = _datasets()
    sources = [data.source(dataset) for dataset in data.ids()]
    rows = [
        {"id": s.id, "repository": s.repository, "commit": s.commit[:12], "licence": s.licence, "bundle": s.may_bundle}
        for s in sources
    ]
    show(rows, ("id", "licence", "bundle", "commit", "repository"), as_json)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """So mã băm của bản sao với danh mục | Hold the mirror's digests against the catalogue."""
    found = _datasets().verify()
    rows = [{"id": entry.source.id, "state": entry.state} for entry in found]
    show(rows, ("id", "state"), as_json)
    if any(entry.state != "verified" for entry in found):
        sys.exit(1)
