"""The keys of the input commitments: used in an appeal, erased on request or when their time is over.

A record holds `in.commit` = HMAC-SHA256(k, canonical digest of the input). While k is kept here, whoever supplies the
input again can prove that the model saw exactly that; once k is erased the commitment says nothing about anybody,
and the chain stays valid.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from hmac import compare_digest
from hmac import digest as hmac_digest

from sqlalchemy import delete, select

from models.errors import NotFoundError
from registry.database import Database
from registry.tables import ledger, vault


def saw(database: Database, chain_uid: str, seq: int, content: bytes) -> bool | None:
    """Whether the record's model saw this input (`content` is its canonical digest); None when the key is erased.

    Raises NotFoundError when there is no such record or it has no commitment.
    """
    with database.read() as connection:
        where = (ledger.c.chain_uid == chain_uid, ledger.c.seq == seq)
        record = connection.execute(select(ledger.c.record).where(*where)).scalar_one_or_none()
        kept = select(vault.c.key).where(vault.c.chain_uid == chain_uid, vault.c.seq == seq)
        key = connection.execute(kept).scalar_one_or_none()
    commit = None if record is None else json.loads(record).get("in", {}).get("commit")
    if commit is None:
        raise NotFoundError("Không tìm thấy bản ghi.", "No such record.")
    if key is None:
        return None
    return compare_digest(hmac_digest(key, content, "sha256").hex(), commit)


def erase(database: Database, chain_uid: str, seq: int) -> bool:
    """Erase one record's key; False when there was none."""
    with database.write() as connection:
        done = connection.execute(delete(vault).where(vault.c.chain_uid == chain_uid, vault.c.seq == seq))
        return bool(done.rowcount)


def erase_expired(database: Database, clock: Callable[[], float] = time.time) -> int:
    """Erase the keys whose time is over; how many. To be called daily."""
    with database.write() as connection:
        return int(connection.execute(delete(vault).where(vault.c.expires_at <= int(clock() * 1e6))).rowcount)
