"""`aichung tenants`: enter and list organisations on this machine, without a running platform."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, cast, get_args

import typer

from models.errors import InvalidInputError
from services.cli_home import Home, installation
from services.cli_keys import tenant_id
from services.cli_output import AsJson, show
from services.tenants import Level, NewTenant, TenantKind

app = typer.Typer(no_args_is_help=True, help="Đơn vị | Organisations")
COLUMNS = ("id", "code", "vintage", "name", "kind", "level", "parent")
LEVELS, KINDS = get_args(Level), get_args(TenantKind)


@app.command()
def create(
    code: Annotated[str, typer.Argument(help="Mã đơn vị | Code")],
    name: Annotated[str, typer.Argument(help="Tên | Name")],
    level: Annotated[str, typer.Option(help=" | ".join(LEVELS))],
    vintage: Annotated[str, typer.Option(help="Kỳ hiệu lực của mã | The code list in force since")] = "2025-07-01",
    kind: Annotated[str, typer.Option(help=" | ".join(KINDS))] = "state",
    parent: Annotated[str, typer.Option(help="Mã hoặc id đơn vị cấp trên | Code or id of the parent")] = "",
    home: Home = None,
) -> None:
    """Đăng ký đơn vị | Enter an organisation."""
    if kind not in KINDS or level not in LEVELS:
        raise InvalidInputError(
            f"--kind: {', '.join(KINDS)}; --level: {', '.join(LEVELS)}.",
            f"--kind: {', '.join(KINDS)}; --level: {', '.join(LEVELS)}.",
        )
    with installation(home) as here:
        above = tenant_id(here.identity, parent) if parent else None
        new = NewTenant(code, vintage, name, cast(TenantKind, kind), cast(Level, level), above)
        tenant = here.identity.create_tenant(None, new)
        here.note("admin.tenant.create", {"tenant": tenant.id, "object": {"tenant": tenant.id}})
        print(tenant.id)


@app.command("list")
def list_(home: Home = None, as_json: AsJson = False) -> None:
    """Liệt kê mọi đơn vị | List all organisations."""
    with installation(home) as here:
        show([asdict(tenant) for tenant in here.identity.tree.by_id.values()], COLUMNS, as_json)
