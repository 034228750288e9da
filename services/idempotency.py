"""Idempotency keys: a repeated POST that creates gets the first answer again instead of creating twice.

Decision: the first request claims its key in the database before it acts, so two processes cannot both act. A claim
that was never settled (the process died) expires after `LEASE_SECONDS` and the next request takes it over; who was
slow cannot settle a claim that somebody else has taken over.

Decision: an answer may hold a secret (a new API key is shown once). What is kept is therefore encrypted under a key
made of the pepper and the caller's own idempotency key, and neither is in the database.

Decision: only successes are kept. A refusal has created nothing, so after mending the cause the same key may be
used.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from models.errors import ConflictError, IntegrityError, InvalidInputError
from registry.database import Database
from registry.tables import idempotency as table

KEPT: Final = timedelta(hours=24)
LEASE_SECONDS: Final = 120
PRUNE_SECONDS: Final = 300.0
NONCE_BYTES: Final = 12
IN_FLIGHT: Final = "in_flight"
DONE: Final = "done"
FORM: Final = re.compile(r'"([\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was given: status, its own headers, body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to act once under an idempotency key: `settle` it with the answer, or `abandon` it."""

    tenant: str
    row_key: str
    sealing_key: bytes
    created_at: datetime


class Idempotency:
    """Claims and kept answers of all tenants. Safe for threads; every method is a short database transaction."""

    def __init__(self, database: Database, pepper: bytes, clock: Callable[[], float] = time.time) -> None:
        """`pepper` is the installation's; `clock` tells seconds since 1970."""
        self._database = database
        self._pepper = pepper
        self._clock = clock
        self._pruned = 0.0

    def begin(self, tenant: str, header: str, route: str, body: bytes, subject: str = "") -> Claim | Kept:
        """Claim the key of an `Idempotency-Key` header, or get the answer already given under it.

        `route` is method and path; `subject` is who calls: a colleague's answer, which may hold
        a secret, is not given. Raises InvalidInputError for a malformed key or one used with another request (422),
        ConflictError while the first request is still in flight (409).
        """
        key = plain_key(header)
        row_key = self._mac("name", tenant, subject, key).hex()
        sealing_key = self._mac("seal", tenant, subject, key)
        digest = hmac.digest(self._pepper, route.encode() + b"\0" + body, "sha256")
        now = datetime.fromtimestamp(self._clock(), UTC)
        claim = Claim(tenant, row_key, sealing_key, now)
        with self._database.write() as connection:
            self._prune(connection, now)
            found = self._known(connection, claim, digest)
            if found is not None:
                return found
            connection.execute(delete(table).where(table.c.tenant == tenant, table.c.key == row_key))
            connection.execute(
                insert(table).values(
                    tenant=tenant, key=row_key, route=route[:256], body_digest=digest, state=IN_FLIGHT, created_at=now,
                )
            )  # fmt: skip
        return claim

    def settle(self, claim: Claim, status: int, headers: Headers, body: bytes) -> None:
        """Keep the answer for 24 hours. Does nothing when the claim expired and somebody took it over."""
        names = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers]
        plain = json.dumps({"headers": names}).encode() + b"\0" + body
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + AESGCM(claim.sealing_key).encrypt(nonce, plain, claim.row_key.encode())
        with self._database.write() as connection:
            connection.execute(
                update(table).where(_mine(claim)).values(state=DONE, status=status, headers=None, body=sealed)
            )

    def abandon(self, claim: Claim) -> None:
        """Give the key back: the request created nothing."""
        with self._database.write() as connection:
            connection.execute(delete(table).where(_mine(claim)))

    def _known(self, connection: Connection, claim: Claim, digest: bytes) -> Kept | None:
        """The answer kept under the key; None when the key is free. Raises as `begin` does."""
        row = connection.execute(
            select(table).where(table.c.tenant == claim.tenant, table.c.key == claim.row_key)
        ).one_or_none()
        if row is None or row.created_at <= claim.created_at - KEPT:
            return None
        if not hmac.compare_digest(row.body_digest, digest):
            raise InvalidInputError(
                "Idempotency-Key này đã dùng cho một yêu cầu khác.",
                "This Idempotency-Key was used for another request.",
                code="idempotency-key-reused",
            )
        if row.state == DONE:
            return _unseal(claim, row.status, row.body)
        if row.created_at > claim.created_at - timedelta(seconds=LEASE_SECONDS):
            raise ConflictError(
                "Yêu cầu đầu tiên với Idempotency-Key này chưa xong; thử lại sau.",
                "The first request with this Idempotency-Key is still in flight; try again later.",
                code="idempotency-in-flight",
            )
        return None

    def _prune(self, connection: Connection, now: datetime) -> None:
        if now.timestamp() - self._pruned >= PRUNE_SECONDS:
            connection.execute(delete(table).where(table.c.created_at <= now - KEPT))
            self._pruned = now.timestamp()

    def _mac(self, *parts: str) -> bytes:
        return hmac.digest(self._pepper, "\0".join(("idempotency", *parts)).encode(), "sha256")


def _mine(claim: Claim) -> ColumnElement[bool]:
    return and_(
        table.c.tenant == claim.tenant,
        table.c.key == claim.row_key,
        table.c.state == IN_FLIGHT,
        table.c.created_at == claim.created_at,
    )


def plain_key(header: str) -> str:
    """The key without its optional quotes. Raises InvalidInputError when it is not 1 to 255 visible ASCII signs."""
    match = FORM.fullmatch(header.strip())
    if match is None:
        raise InvalidInputError(
            "Idempotency-Key phải có từ 1 đến 255 ký tự ASCII nhìn thấy được.",
            "Idempotency-Key must have 1 to 255 visible ASCII characters.",
            code="malformed-header",
        )
    return match[1] or match[2]


def _unseal(claim: Claim, status: int, sealed: bytes) -> Kept:
    nonce, content = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        plain = AESGCM(claim.sealing_key).decrypt(nonce, content, claim.row_key.encode())
    except InvalidTag as error:
        raise IntegrityError(
            "Câu trả lời đã lưu bị thay đổi.", "The kept answer was altered.", code="kept-answer-altered"
        ) from error
    head, _, body = plain.partition(b"\0")
    headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in json.loads(head)["headers"])
    return Kept(status, headers, body)
