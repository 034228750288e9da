"""`aichung keys`: issue, list, rotate, revoke and reissue on this machine, without a running platform.

A running platform takes changes up within a second: it polls the same database.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from models.calendar import ZONE
from models.errors import InvalidInputError
from services.callers import DEFAULT_LIMITS, Limits
from services.cli_home import Home, Installation, installation
from services.cli_output import AsJson, show, show_json
from services.evaluation import reissue as reissue_keys
from services.identity import Identity
from services.keyring import Issued, Key
from services.roles import ROLES

app = typer.Typer(no_args_is_help=True, help="Khóa | Keys")
COLUMNS = ("id", "tenant", "subject", "kind", "role", "state", "expires_at", "scopes")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Tên người hoặc hệ thống | Name of the person or system")],
    role: Annotated[str, typer.Option(help="Vai trò | Role: " + ", ".join(ROLES))] = "service",
    kind: Annotated[str, typer.Option(help="person | system")] = "system",
    tenant: Annotated[str, typer.Option(help="Mã hoặc id đơn vị | Code or id of the organisation")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="Chỉ các quyền này | Only these scopes")] = None,
    requests_per_minute: Annotated[int, typer.Option(min=1)] = DEFAULT_LIMITS.requests_per_minute,
    units_per_minute: Annotated[int, typer.Option(min=1)] = DEFAULT_LIMITS.units_per_minute,
    expires: Annotated[str, typer.Option(help="ISO 8601, ví dụ 2027-01-31 | for example 2027-01-31")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Cấp khóa; khóa chỉ hiện một lần | Issue a key; it is shown once."""
    if kind not in ("person", "system"):
        raise InvalidInputError("--kind là person hoặc system.", "--kind is person or system.")
    with installation(home) as here:
        issued = here.identity.create_key(
            None,
            subject_name=name,
            subject_kind=kind,
            role=role,
            scopes=scope,
            limits=Limits(requests_per_minute, units_per_minute),
            expires_at=_moment(expires),
            tenant=tenant_id(here.identity, tenant),
        )
        _note(here, "admin.key.create", issued.key)
        _tell(here, issued, as_json)


@app.command("list")
def list_(home: Home = None, as_json: AsJson = False) -> None:
    """Liệt kê mọi khóa | List all keys."""
    with installation(home) as here:
        keys: list[Key] = []
        while page := here.identity.list_keys(None, keys[-1].id if keys else None, 1000):
            keys += page
        show([_row(here, key) for key in keys], COLUMNS, as_json)


@app.command()
def rotate(
    key_id: Annotated[str, typer.Argument(help="Id của khóa | The key's id")],
    overlap: Annotated[int, typer.Option(min=0, help="Số giây khóa cũ còn dùng | Seconds the old key lives on")] = 3600,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Thay khóa, khóa cũ còn dùng trong thời gian gối | Rotate a key with an overlap."""
    with installation(home) as here:
        issued = here.identity.rotate_key(None, key_id, timedelta(seconds=overlap))
        _note(here, "admin.key.rotate", issued.key)
        _tell(here, issued, as_json)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="Id của khóa | The key's id")], home: Home = None) -> None:
    """Thu hồi khóa, hiệu lực trong 2 giây | Revoke a key, effective within 2 s."""
    with installation(home) as here:
        key = here.identity.revoke_key(None, key_id)
        _note(here, "admin.key.revoke", key)
        print(f"Đã thu hồi | revoked: {key.id} ({key.subject.name})")


@app.command()
def reissue(home: Home = None) -> None:
    """Cấp lại các khóa đánh giá khi mất keys.json | Issue the evaluation keys anew when keys.json is lost."""
    with installation(home) as here:
        path = reissue_keys(here.database, here.pepper, here.settings.home, here.identity.now())
        here.note("admin.key.reissue", {})
        print(f"Đã cấp khóa mới | new keys are in: {path}")


def tenant_id(identity: Identity, wanted: str) -> str:
    """The id of the organisation with this id or code, or the platform's own for "". Raises InvalidInputError."""
    tenants = identity.tree.by_id
    found = [t.id for t in tenants.values() if (t.kind == "platform" if not wanted else wanted in (t.id, t.code))]
    if len(found) != 1:
        raise InvalidInputError(
            "Không có đúng một đơn vị với mã này; xem: aichung tenants list",
            "There is not exactly one organisation with this code; see: aichung tenants list",
        )
    return found[0]


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError("--expires phải theo ISO 8601.", "--expires must be ISO 8601.") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZONE)


def _row(here: Installation, key: Key) -> dict[str, Any]:
    return {
        "id": key.id, "tenant": here.identity.tree.by_id[key.tenant].name, "subject": key.subject.name,
        "kind": key.subject.kind, "role": key.role, "state": key.state(here.identity.now()),
        "expires_at": key.expires_at, "scopes": list(key.scopes),
    }  # fmt: skip


def _note(here: Installation, event: str, key: Key) -> None:
    here.note(event, {"tenant": key.tenant, "object": {"key_id": key.id, "subject": key.subject.id, "role": key.role}})


def _tell(here: Installation, issued: Issued, as_json: bool) -> None:
    if as_json:
        show_json({**_row(here, issued.key), "key": issued.minted.text})
        return
    print(issued.minted.text)
    typer.echo(f"id: {issued.key.id}. Hãy lưu khóa ngay: khóa chỉ hiện một lần | Store it now: shown once.", err=True)
