"""Sessions of the console: a cookie in place of a key.

Decision: the database keeps the digest of the cookie, never the cookie, so that who reads the table cannot sign in. A
session stands on the key it was opened with: the key's revocation or end is the session's end, in every process.

Decision: eight hours, a working day, from sign-in on; no use prolongs it. A new sign-in is always a new session.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from sqlalchemy import delete, insert, select

from models.errors import ForbiddenError, UnauthenticatedError
from registry.database import Database
from registry.tables import sessions as table
from services.callers import Caller
from services.identity import Identity

LIFE: Final = timedelta(hours=8)
TOKEN_BYTES: Final = 32
LONGEST_TOKEN: Final = 64


@dataclass(frozen=True, slots=True)
class Session:
    """A person at the console. `csrf` stands in every form and must come back with it."""

    id: str
    caller: Caller
    csrf: str
    expires_at: datetime

    def check(self, csrf: str) -> None:
        """Raise ForbiddenError unless a form carries this session's own word."""
        if not hmac.compare_digest(self.csrf.encode(), csrf.encode()):
            raise ForbiddenError(
                "Biểu mẫu không còn hiệu lực; hãy mở lại trang và gửi lại.",
                "The form is no longer valid; open the page again and send it once more.",
                code="csrf",
            )


class Sessions:
    """Opens, finds and closes sessions. Safe for threads; every method is one short transaction."""

    def __init__(self, database: Database, identity: Identity, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells seconds since 1970."""
        self._database = database
        self._identity = identity
        self._clock = clock

    def open(self, caller: Caller) -> tuple[str, Session]:
        """A new session of this caller and the cookie's text, which is kept nowhere. Sweeps those that have ended."""
        token, now = secrets.token_urlsafe(TOKEN_BYTES), self._now()
        end = now + LIFE if caller.expires_at is None else min(now + LIFE, caller.expires_at)
        session = Session(_id(token), caller, secrets.token_urlsafe(TOKEN_BYTES), end)
        with self._database.write() as connection:
            connection.execute(delete(table).where(table.c.expires_at <= now))
            connection.execute(
                insert(table).values(
                    id=session.id, key_id=caller.key_id, csrf=session.csrf, created_at=now, expires_at=end
                )
            )
        return token, session

    def find(self, token: str | None) -> Session | None:
        """The session behind a cookie; None when there is none, or its time or its key has ended.

        Raises UnavailableError while this process cannot hear of revocations.
        """
        if not token or len(token) > LONGEST_TOKEN:
            return None
        with self._database.read() as connection:
            row = connection.execute(select(table).where(table.c.id == _id(token))).one_or_none()
        if row is None or row.expires_at <= self._now():
            return None
        try:
            caller = self._identity.holder(row.key_id)
        except UnauthenticatedError:
            return None
        return Session(row.id, caller, row.csrf, row.expires_at)

    def close(self, token: str | None) -> None:
        """End the session of a cookie, for good."""
        if token and len(token) <= LONGEST_TOKEN:
            with self._database.write() as connection:
                connection.execute(delete(table).where(table.c.id == _id(token)))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _id(token: str) -> str:
    return sha256(b"aichung-console\x00" + token.encode("utf-8", "replace")).hexdigest()
