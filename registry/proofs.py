"""One record and the proof that it stands in the ledger: disclose one decision, not the log.

    bundle = {"format": "ledger-proof/1", "record": the exact text, "chain_uid", "seq", "size", "root": hex,
              "path": [hex, nearest sibling first], "checkpoint": the signed line of the checkpoint file}

Whoever holds the public key checks it alone: the record's leaf and the path lead to the root (RFC 6962), and the signed
checkpoint names that root for that chain and size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from models.errors import ConflictError, IntegrityError, NotFoundError
from registry.checkpoints import Checkpoint, Point, read_checkpoint, read_since
from registry.database import Database
from registry.merkle import inclusion_paths, leaf_hash, root_from_path
from registry.signatures import PublicKey
from registry.tables import from_micros, ledger
from registry.trail import Place, Written, one

FORMAT = "ledger-proof/1"
SLACK = timedelta(days=1)
"""How far a writer's clock may lie behind the checkpoints' without a second look."""


def prove(database: Database, checkpoints: Path, key: PublicKey, chain_uid: str, seq: int) -> dict[str, Any]:
    """The bundle of one record, under the first checkpoint that covers it.

    Raises NotFoundError, ConflictError (`not-covered-yet`: no checkpoint yet, at most a minute), IntegrityError when
    the ledger does not lead to the checkpoint's root.
    """
    bundles, pending = prove_all(database, checkpoints, key, [Place(chain_uid, seq)])
    if pending:
        raise ConflictError(
            "Chưa có điểm kiểm đã ký bao gồm bản ghi này; xin thử lại sau một phút.",
            "No signed checkpoint covers this record yet; try again in a minute.",
            code="not-covered-yet",
        )
    return bundles[0]


def prove_all(
    database: Database, checkpoints: Path, key: PublicKey, places: Sequence[Place]
) -> tuple[list[dict[str, Any]], list[Place]]:
    """The bundles of some records, and the places that no checkpoint covers yet. Raises as `prove`.

    Every chain's leaves are read once for each checkpoint that is needed, however many records it proves.
    """
    with database.read() as connection:
        found = {place: one(connection, place, None) for place in places}
        written = {place: record for place, record in found.items() if record is not None}
        if len(written) < len(found):
            raise NotFoundError("Không tìm thấy bản ghi.", "No such record.")
        covering = _covering(checkpoints, key, written)
        together: dict[tuple[str, int], list[Place]] = {}
        for place, (_, point) in covering.items():
            together.setdefault((place.chain_uid, point.size), []).append(place)
        paths: dict[Place, list[bytes]] = {}
        for (uid, size), members in together.items():
            query = select(ledger.c.leaf).where(ledger.c.chain_uid == uid, ledger.c.seq <= size)
            leaves = list(connection.execute(query.order_by(ledger.c.seq)).scalars())
            paths |= zip(members, inclusion_paths(leaves, [place.seq - 1 for place in members]), strict=True)
    bundles = []
    for place in (place for place in written if place in covering):
        checkpoint, point = covering[place]
        bundle = {
            "format": FORMAT, "record": written[place].text, "chain_uid": place.chain_uid, "seq": place.seq,
            "size": point.size, "root": point.root.hex(), "path": [node.hex() for node in paths[place]],
            "checkpoint": checkpoint.line,
        }  # fmt: skip
        check(bundle, key)
        bundles.append(bundle)
    return bundles, [place for place in written if place not in covering]


def _covering(folder: Path, key: PublicKey, wanted: Mapping[Place, Written]) -> dict[Place, tuple[Checkpoint, Point]]:
    """The first checkpoint that covers each record, looked for from the earliest's day on: older years are not read.

    A record whose clock was ahead of the checkpoints' is looked for from the beginning.
    """
    if not wanted:
        return {}
    since = from_micros(min(record.micros for record in wanted.values())) - SLACK
    found: dict[Place, tuple[Checkpoint, Point]] = {}
    for day in (f"{since:%Y-%m-%d}", ""):
        for checkpoint in read_since(folder, {key.key_id: key}, day):
            sizes = {point.uid: point for point in checkpoint.points}
            for place in wanted:
                point = sizes.get(place.chain_uid)
                if place not in found and point is not None and point.size >= place.seq:
                    found[place] = (checkpoint, point)
            if len(found) == len(wanted):
                return found
    return found


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
