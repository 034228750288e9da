"""`aichung audit`: verify the ledger offline, read it, take one record's proof.

Decision: `verify` needs no running platform and no key but the public one, and only reads: an inspector can run it
on a copy. Its exit code says whether something bad was found.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from models.errors import InvalidInputError
from registry import standalone
from registry.proofs import check
from registry.signatures import PublicKey
from registry.verify import verify_ledger
from services.cli_connection import As, KeyText, Url, connect
from services.cli_home import Home, settings_for
from services.cli_output import AsJson, show, show_json

app = typer.Typer(no_args_is_help=True, help="Nhật ký | Ledger")
COLUMNS = ("id", "ts", "event", "tenant", "actor", "status", "model")


@app.command()
def verify(
    home: Home = None,
    bundle: Annotated[Path | None, typer.Option(help="Bằng chứng một bản ghi | One record's proof, a file")] = None,
    database: Annotated[str, typer.Option(help="Tệp SQLite hoặc địa chỉ | SQLite file or address")] = "",
    checkpoints: Annotated[Path | None, typer.Option(help="Thư mục điểm kiểm | Folder of checkpoints")] = None,
    public_key: Annotated[Path | None, typer.Option(help="Khóa công khai | Public key, PEM")] = None,
    as_json: AsJson = False,
) -> None:
    """Kiểm chứng ngoại tuyến; mã thoát 1 khi có bản ghi hỏng | Verify offline; exit code 1 when a record is bad."""
    settings = settings_for(home)
    key = PublicKey.load(public_key or settings.home / "keys" / "checkpoint.key.pub")
    if bundle is not None:
        _verify_bundle(bundle, key, as_json)
        return
    where = database or settings.database
    report = verify_ledger(where, checkpoints or settings.home / "checkpoints", key)
    if as_json:
        show_json(report.document())
    else:
        print("\n".join(report.lines()))
    if not report.ok:
        raise typer.Exit(1)


def _verify_bundle(path: Path, key: PublicKey, as_json: bool) -> None:
    """Check one record's proof. Raises InvalidInputError (not readable) and IntegrityError (it does not hold)."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ValueError("not an object")
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"Không đọc được {path}.", f"{path} cannot be read as JSON.") from error
    record = check(document, key)
    if as_json:
        show_json(record)
    else:
        place = f"{record['chain_uid']}:{record['seq']}"
        print(f"NGUYÊN VẸN | INTACT: {place} {record['ts']} {record['event']}")


@app.command()
def verifier() -> None:
    """In chương trình kiểm chứng một tệp | Print the single-file verifier: aichung audit verifier > verify.py."""
    print(standalone.source().decode(), end="")


@app.command()
def records(
    event: Annotated[str | None, typer.Option(help="Loại sự kiện, họ kết thúc bằng dấu chấm | Event word")] = None,
    request_id: Annotated[str | None, typer.Option(help="Mã yêu cầu | Request id")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    url: Url = "",
    key: KeyText = "",
    name: As = "inspector",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Đọc nhật ký, mới nhất trước | Read the ledger, newest first."""
    with connect(url, key, name, home) as ai:
        found = ai.audit_records(event=event, request_id=request_id, limit=limit)
    if as_json:
        show(found, (), as_json)
        return
    rows = []
    for written in found:
        record = written["record"]
        actor, model = record.get("actor") or {}, record.get("model") or {}
        named = f"{model['name']}@{model['version']}" if model else None
        rows.append({**record, "id": written["id"], "actor": actor.get("role") or actor.get("id"), "model": named})
    show(rows, COLUMNS, as_json=False)


@app.command()
def prove(
    seq: Annotated[str, typer.Argument(help="<chuỗi>:<số> | <chain>:<number>")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Tệp ghi ra | File to write")],
    url: Url = "",
    key: KeyText = "",
    name: As = "inspector",
    home: Home = None,
) -> None:
    """Lấy bằng chứng của một bản ghi | Take one record's proof."""
    with connect(url, key, name, home) as ai:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(ai.audit_proof(seq)), indent=1))
    print(f"{out}: aichung audit verify --bundle {out}")
