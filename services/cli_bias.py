"""`aichung bias NAME`: test a bundled model for bias, put the report beside its card and name it there."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from pipelines.bias.assessment import assess, newest
from pipelines.bias.page import render_page
from pipelines.publish import CARDS, rewrite_card
from registry.bundle import BUNDLED_FOLDER
from services.cli_home import Home, settings_for
from services.cli_output import AsJson, show, show_json

app = typer.Typer()
COLUMNS = ("axis", "metric", "verdict", "failed", "groups")


@app.command()
def bias(
    name: Annotated[str, typer.Argument(help="Tên mô hình | The model's name, e.g. vi-topic")],
    home: Home = None,
    out: Annotated[Path, typer.Option(help="Thư mục các mô hình | Folder of the models")] = BUNDLED_FOLDER,
    tier: Annotated[str, typer.Option(help="T1…T3, mặc định theo thẻ | by default the card's")] = "",
    templates: Annotated[
        Path | None, typer.Option(help="Tập câu mẫu riêng của người rà soát | A reviewer's own templates")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Thư mục có artifact/ của mô hình riêng | Folder with a model of your own")
    ] = None,
    cases: Annotated[
        Path | None, typer.Option(help="Văn bản có nhãn, JSONL | Labelled texts, JSONL: text, label, source")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Ghi thêm trang HTML | Write the page as well")] = None,
    quick: Annotated[bool, typer.Option(help="Chạy thử vài giây | A trial of seconds")] = False,
    as_json: AsJson = False,
) -> None:
    """Lập báo cáo thiên lệch | Make the bias report."""
    settings, started = settings_for(home), time.monotonic()

    def log(line: str) -> None:
        print(f"{time.monotonic() - started:7.1f} s  {line}", file=sys.stderr, flush=True)

    mirror = Path(settings.data_mirror) if settings.data_mirror else None
    place = folder or newest(name, out)
    made = assess(place, mirror, log, tier=tier or None, hidden=templates, cases=cases, quick=quick)
    card = None if folder else rewrite_card(name, out)
    if card is not None and out.resolve() == BUNDLED_FOLDER:
        card.show(CARDS)
    if page is not None:
        page.write_text(render_page(made.report), encoding="utf-8")
    if as_json:
        show_json(made.report)
        return
    rows = [
        {
            "axis": axis["id"], "metric": measure["metric"], "verdict": measure["verdict"],
            "groups": len(measure["rows"]),
            "failed": ", ".join(str(row[0]) for row in measure["rows"] if row[9] == "FAIL"),
        }
        for axis in made.report["axes"]
        for measure in axis["measures"]
        if measure["confirmatory"]
    ]  # fmt: skip
    show(rows, COLUMNS, as_json=False)
    print(f"{name}: {made.report['verdict']}  {made.digest}")
    if card is not None:
        print(f"thẻ | card {card.digest}")
