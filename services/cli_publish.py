"""`aichung card check` and `aichung publish`: the verdict on a laptop, and the same model sent to the platform.

Decision: `--dry-run` runs the platform's own steps here (`pipelines.registration`), behind the same fence: what is
refused there is refused here, with the same words, before anybody waits for an upload. `--out F` keeps the sealed
artefact, byte for byte the one that the platform will make, so that `aichung bias NAME --folder F --cases C` can test
it and `aichung publish … --bias F/bias.json` file the report with it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from models.errors import ConflictError, InvalidInputError
from pipelines.datasets import load_catalogue
from pipelines.registration.examining import Asked, check, examine
from pipelines.registration.sandbox import Sandbox
from pipelines.registration.written import read_card
from services.cli_connection import As, KeyText, Url, connect
from services.cli_home import Home
from services.cli_output import AsJson, show_json

card_app = typer.Typer(no_args_is_help=True, help="Thẻ mô hình | Model cards")
publish_app = typer.Typer()

CardFile = Annotated[Path, typer.Option("--card", help="Phần do người viết, YAML hoặc JSON | The human part")]


@card_app.callback()
def cards() -> None:
    """Thẻ mô hình | Model cards."""


@card_app.command("check")
def check_card(
    file: Annotated[Path, typer.Argument(help="Thẻ, YAML hoặc JSON | The card, YAML or JSON")], as_json: AsJson = False
) -> None:
    """Kiểm tra phần do người viết, như nền tảng kiểm tra | Check the human part as the platform does."""
    _tell(check(read_card(_content(file))), as_json)


@publish_app.command()
def publish(
    name: Annotated[str, typer.Argument(help="Tên mô hình | The model's name")],
    card: CardFile,
    artifact: Annotated[Path | None, typer.Argument(help="Tệp hoặc gói mô hình | A model file or archive")] = None,
    model_uri: Annotated[str | None, typer.Option(help="models:/… hoặc runs:/… trong MLflow | In MLflow")] = None,
    version: Annotated[str | None, typer.Option(help="Phiên bản | Version, e.g. 1.0.0")] = None,
    bias: Annotated[Path | None, typer.Option(help="bias.json của chính mô hình này | Of these very bytes")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Với --dry-run: giữ lại artifact/, card.json | Keep what was made")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Chỉ kiểm tra tại máy này | Only check here")] = False,
    url: Url = "",
    key: KeyText = "",
    as_: As = "engineer",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Đăng ký một mô hình thành bản nháp | Register a model as a draft."""
    if dry_run:
        if artifact is None:
            vi, en = "--dry-run cần tệp mô hình.", "--dry-run needs the model's file."
            raise InvalidInputError(vi, en)
        _tell(dry(name, artifact, card, version, bias=bias, out=out), as_json)
        return
    with connect(url, key, as_, home) as ai:
        draft = ai.register(name, artifact, card=card, model_uri=model_uri, version=version, bias=bias)
    if as_json:
        show_json(draft)
        return
    print(f"{draft['name']}@{draft['version']}: {draft['stage']} · {draft['tier']} · {draft['kind']}")
    _tell(draft["report"], as_json=False)


def dry(
    name: str, artifact: Path, card: Path, version: str | None = None, *, bias: Path | None = None,
    out: Path | None = None,
) -> Mapping[str, Any]:  # fmt: skip
    """The platform's report on a model, made here; `out` keeps the artefact, whose bias report can then be made.

    Raises InvalidInputError for what the platform would refuse, ConflictError for a folder that exists.
    """
    if out is not None and out.exists():
        raise ConflictError(f"{out} đã tồn tại.", f"{out} exists already.")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "card").write_bytes(_content(card))
        if bias is not None:
            (folder / "bias").write_bytes(_content(bias))
        try:
            shutil.copyfile(artifact, folder / "upload")
        except OSError as error:
            raise InvalidInputError(f"Không đọc được {artifact}.", f"{artifact} cannot be read.") from error
        at = datetime.now(UTC).isoformat()
        asked = Asked(name, "aichung publish --dry-run", at, "—", version, sources=load_catalogue())
        tested = None if bias is None else "bias"
        report = examine(Sandbox(), folder, "upload", artifact.name, "card", asked, tested).report
        for made in ("upload", "card", "bias") if out is not None else ():
            (folder / made).unlink(missing_ok=True)
        if out is not None:
            shutil.copytree(folder, out)
        return report


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"Không đọc được {file}.", f"{file} cannot be read.") from error


def _tell(report: Mapping[str, Any], as_json: bool) -> None:
    """Print a report."""
    if as_json:
        show_json(dict(report))
        return
    filled, trial = report["filled"], report.get("trial")
    print(f"Mức kiểm soát | Tier: {report['tier']}")
    if trial:
        print(f"Chạy thử | Trial: p50 {trial['p50_ms']} ms, p99 {trial['p99_ms']} ms, {trial['items_per_second']}/s")
        automatic, done = filled["auto"] + filled["inherited"], filled["required"] - filled["missing"]
        print(f"Mục bắt buộc | Required: {done}/{filled['required']}; tự điền | automatic: {automatic}")
    for finding in report["findings"]:
        print(f"{'✗' if finding['blocking'] else '·'} {finding['field']}: {finding['vi']} | {finding['en']}")
    if report["ready"]:
        ready = "Sẵn sàng gửi thẩm định | Ready to be submitted" if trial else "Phần do người viết đạt | It passes"
        print(f"✓ {ready}")
