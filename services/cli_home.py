"""What commands of the machine's operator work on: the installation's home, its database, its ledger.

Decision: whoever may read the home's files may administer the installation; the command line asks for no key, but
every change is recorded in the ledger as the local operator's, with the number of the operating system's user.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from models.errors import NotFoundError
from registry.chain import new_chain_uid
from registry.database import Database
from registry.ledger import Ledger
from services.identity import LOCAL_OPERATOR, Identity
from services.keys import open_pepper
from services.settings import Settings

Home = Annotated[
    Path | None, typer.Option("--home", help="Thư mục bản cài đặt (AICHUNG_HOME) | The installation's home")
]


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation opened by its operator. `note` enters an event in the ledger."""

    settings: Settings
    database: Database
    pepper: bytes
    identity: Identity
    note: Callable[[str, Mapping[str, Any]], None]


def settings_for(home: Path | None) -> Settings:
    """The settings, with the home given on the command line."""
    settings = Settings.read()
    return settings if home is None else replace(settings, home=home)


@contextmanager
def installation(home: Path | None) -> Iterator[Installation]:
    """Open the installation; its ledger is written out at the end.

    Raises NotFoundError when there is none, IntegrityError when it is damaged or its pepper is lost, UnavailableError
    when it is locked.
    """
    settings = settings_for(home)
    if not settings.home.exists():
        raise NotFoundError(
            f"Chưa có bản cài đặt ở {settings.home.resolve()}; chạy make serve, hoặc đặt AICHUNG_HOME.",
            f"There is no installation at {settings.home.resolve()}; run make serve, or set AICHUNG_HOME.",
        )
    database = Database.open(settings.database)
    try:
        pepper = open_pepper(settings.home / "keys" / "pepper", create=False)
        ledger = Ledger(database, new_chain_uid("cli"))
        ledger.start()
        actor = {"type": "operator", "id": LOCAL_OPERATOR, "uid": os.getuid()}

        def note(event: str, facts: Mapping[str, Any]) -> None:
            ledger.note({"event": event, "actor": actor, **facts})

        try:
            yield Installation(settings, database, pepper, Identity(database, pepper), note)
        finally:
            ledger.close()
    finally:
        database.close()
