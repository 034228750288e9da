"""`aichung train NAME`: from the data catalogue to a sealed model with its card, as one recorded run."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from pipelines.publish import CARDS, rewrite_card
from pipelines.train import train as run_journey
from registry.bundle import BUNDLED_FOLDER
from services.cli_home import Home, settings_for
from services.cli_output import AsJson, show, show_json

app = typer.Typer()


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="Tên mô hình, ví dụ vi-topic | The model's name, e.g. vi-topic")],
    home: Home = None,
    out: Annotated[Path, typer.Option(help="Thư mục kết quả | Where the model is put")] = BUNDLED_FOLDER,
    threads: Annotated[int, typer.Option(help="Số luồng | Threads")] = 1,
    quick: Annotated[bool, typer.Option(help="Chạy thử vài giây | A trial of seconds")] = False,
    own_use: Annotated[bool, typer.Option(help="Dùng riêng, không đóng gói | For own use, not bundled")] = False,
    card_only: Annotated[
        bool, typer.Option("--card-only", help="Chỉ làm lại thẻ từ model_cards | Only the card, from model_cards")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Huấn luyện, đo và đóng gói một mô hình | Train, measure and publish a model."""
    if card_only:
        _rewrite(name, out)
        return
    settings, started = settings_for(home), time.monotonic()

    def log(line: str) -> None:
        print(f"{time.monotonic() - started:7.1f} s  {line}", file=sys.stderr, flush=True)

    mirror = Path(settings.data_mirror) if settings.data_mirror else None
    made = run_journey(
        name, mirror=mirror, home=settings.home, out=out, threads=threads, quick=quick, own_use=own_use, log=log
    )
    if as_json:
        show_json(made)
        return
    rows = [
        {"metric": m.name, "value": m.value, "n": m.n, "slice": m.slice, "dataset": m.dataset, "baseline": m.baseline}
        for m in made.metrics
    ]
    show(rows, ("metric", "value", "n", "slice", "dataset", "baseline"), as_json=False)
    print(f"{made.name}@{made.version}  {made.artifact_digest}\n{made.folder}  (MLflow run {made.run_id})")


def _rewrite(name: str, out: Path) -> None:
    """A corrected card for a model that stays as it is; nothing is measured, so nothing else changes."""
    card = rewrite_card(name, out)
    card.show(CARDS)
    for remark in card.remarks:
        typer.echo(f"! {remark}", err=True)
    print(f"{card.name}  thẻ | card {card.digest}")
