"""One record and the proof that it stands in the ledger: disclose one decision, not the log.

    bundle = {"format": "ledger-proof/1", "record": the exact text, "chain_uid", "seq", "size", "root": hex,
              "path": [hex, nearest sibling first], "checkpoint": the signed line of the checkpoint file}

Whoever holds the public key checks it alone: the record's leaf and the path lead to the root (RFC 6962), and the signed
checkpoint names that root for that chain and size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from models.errors import ConflictError, IntegrityError, NotFoundError
from registry.checkpoints import Checkpoint, Point, read_checkpoint, read_since
from registry.database import Database
from registry.merkle import inclusion_path, leaf_hash, root_from_path
from registry.signatures import PublicKey
from registry.tables import from_micros, ledger

FORMAT = "ledger-proof/1"
SLACK = timedelta(days=1)
"""How far a writer's clock may lie behind the checkpoints' without a second look."""


def prove(database: Database, checkpoints: Path, key: PublicKey, chain_uid: str, seq: int) -> dict[str, Any]:
    """The bundle of one record, under the first checkpoint that covers it.

    Raises NotFoundError, ConflictError (`not-covered-yet`: no checkpoint yet, at most a minute), IntegrityError when
    the ledger does not lead to the checkpoint's root.
    """
    with database.read() as connection:
        mine = select(ledger.c.record, ledger.c.ts).where(ledger.c.chain_uid == chain_uid, ledger.c.seq == seq)
        found = connection.execute(mine).one_or_none()
        if found is None:
            raise NotFoundError("Không tìm thấy bản ghi.", "No such record.")
        checkpoint, point = _covering(checkpoints, key, chain_uid, seq, from_micros(found.ts) - SLACK)
        query = select(ledger.c.leaf).where(ledger.c.chain_uid == chain_uid, ledger.c.seq <= point.size)
        leaves = list(connection.execute(query.order_by(ledger.c.seq)).scalars())
    bundle = {
        "format": FORMAT, "record": found.record, "chain_uid": chain_uid, "seq": seq, "size": point.size,
        "root": point.root.hex(), "path": [node.hex() for node in inclusion_path(leaves, seq - 1)],
        "checkpoint": checkpoint.line,
    }  # fmt: skip
    check(bundle, key)
    return bundle


def _covering(folder: Path, key: PublicKey, uid: str, seq: int, since: datetime) -> tuple[Checkpoint, Point]:
    """The first checkpoint that covers a record, looked for from its day on: years of older ones are not read.

    A record whose clock was ahead of the checkpoints' is looked for from the beginning.
    """
    for day in (f"{since:%Y-%m-%d}", ""):
        for checkpoint in read_since(folder, {key.key_id: key}, day):
            for point in checkpoint.points:
                if point.uid == uid and point.size >= seq:
                    return checkpoint, point
    raise ConflictError(
        "Chưa có điểm kiểm đã ký bao gồm bản ghi này; xin thử lại sau một phút.",
        "No signed checkpoint covers this record yet; try again in a minute.",
        code="not-covered-yet",
    )


def check(bundle: Mapping[str, Any], key: PublicKey) -> dict[str, Any]:
    """The record that the bundle proves, as JSON. Raises IntegrityError when it proves nothing."""
    try:
        checkpoint = read_checkpoint(bundle["checkpoint"], {key.key_id: key})
        point = next(point for point in checkpoint.points if point.uid == bundle["chain_uid"])
        leaf = leaf_hash(bundle["record"].encode())
        path = [bytes.fromhex(node) for node in bundle["path"]]
        root = root_from_path(leaf, bundle["seq"] - 1, bundle["size"], path)
        record: dict[str, Any] = json.loads(bundle["record"])
        placed = (record["chain_uid"], record["seq"]) == (bundle["chain_uid"], bundle["seq"])
        claimed = (bundle["size"], root, bundle["root"], FORMAT)
        if claimed != (point.size, point.root, root.hex(), bundle["format"]) or not placed:
            raise ValueError("the path does not lead to the signed root")
    except (KeyError, TypeError, ValueError, StopIteration, AttributeError) as error:
        raise IntegrityError(
            "Bằng chứng không khớp với điểm kiểm đã ký.",
            "The proof does not lead to the signed checkpoint.",
            code="proof-invalid",
        ) from error
    return record
