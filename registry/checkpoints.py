"""Signed checkpoints of all chains, in files outside the database.

    <home>/checkpoints/<YYYY-MM-DD>.jsonl    one line per checkpoint: a DSSE envelope (registry.signatures) with
    payloadType application/vnd.aichung.checkpoint+json over the RFC 8785 bytes of
        {"format": "checkpoint/1", "number": n, "at": "…Z", "prev": hex SHA-256 of the previous checkpoint's payload,
         "full": whether all chains are listed (always in a file's first line), else only those that grew,
         "chains": [{"uid", "size", "root", "head", "peaks": [hex…], "marks": base64}]}

    root   RFC 6962 root over the chain's first `size` leaves; `head` the last of these leaves
    peaks  the compact range of `size`: from it the next checkpoint goes on without reading old records
    marks  the first four bytes of every leaf since the chain's previous checkpoint (empty when there are too many):
           the root proves *that* something was changed, the marks say exactly *which* record

Decisions
- A chain cannot see its own cut tail. What lies in these files can be held against the database by anybody who has the
  public key; copied elsewhere (another agency, a witness), it also binds whoever runs the database.
- Nothing is signed blindly: new records are re-hashed and their links checked. A chain that does not check out
  is not signed any further, and the fault is told.
- Each checkpoint names its predecessor, so a checkpoint cut out of the middle shows. Lines are flushed to the disk;
  a last line torn by a crash is left out and the next one starts afresh.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, text

from models.errors import IntegrityError, PlatformError, UnavailableError
from registry.canonical import canonical
from registry.chain import GENESIS, header, stamp_of
from registry.database import Database
from registry.merkle import Frontier, leaf_hash
from registry.signatures import PublicKey, Signer, envelope, open_envelope
from registry.tables import ledger
from registry.vault import erase_expired

PAYLOAD_TYPE = "application/vnd.aichung.checkpoint+json"
FORMAT = "checkpoint/1"
INTERVAL_SECONDS = 60.0
ERASE_SECONDS = 3_600.0
MARK_BYTES = 4
MAX_MARKS = 20_000
PAGE = 5_000
ZERO = "0" * 64
_CHAINS = text(
    "WITH RECURSIVE c(uid) AS (SELECT min(chain_uid) FROM ledger UNION ALL "
    "SELECT (SELECT min(chain_uid) FROM ledger WHERE chain_uid > c.uid) FROM c WHERE c.uid IS NOT NULL) "
    "SELECT c.uid AS uid, (SELECT max(seq) FROM ledger WHERE chain_uid = c.uid) AS size FROM c WHERE c.uid IS NOT NULL"
)
_log = logging.getLogger("aichung.checkpoints")


@dataclass(frozen=True, slots=True)
class Point:
    """One chain at one checkpoint."""

    uid: str
    size: int
    root: bytes
    head: bytes
    peaks: tuple[bytes, ...]
    marks: bytes

    def document(self) -> dict[str, Any]:
        """As in the file."""
        return {
            "uid": self.uid, "size": self.size, "root": self.root.hex(), "head": self.head.hex(),
            "peaks": [peak.hex() for peak in self.peaks], "marks": base64.b64encode(self.marks).decode(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One verified line of the files; `digest` is the SHA-256 of its payload in hexadecimal."""

    number: int
    at: str
    prev: str
    full: bool
    points: tuple[Point, ...]
    digest: str
    line: str


@dataclass(frozen=True, slots=True)
class History:
    """All checkpoints that could be read, in order, and what was wrong with the files (`vi | en`)."""

    checkpoints: tuple[Checkpoint, ...]
    problems: tuple[tuple[str, str], ...]

    def latest(self) -> dict[str, Point]:
        """The last point of every chain."""
        return {point.uid: point for checkpoint in self.checkpoints for point in checkpoint.points}

    def points(self) -> dict[str, list[Point]]:
        """All points of every chain, in order."""
        found: dict[str, list[Point]] = {}
        for checkpoint in self.checkpoints:
            for point in checkpoint.points:
                found.setdefault(point.uid, []).append(point)
        return found


def read_history(folder: Path, keys: Mapping[str, PublicKey]) -> History:
    """Read and verify all checkpoint files. Faults are problems in the answer, never exceptions."""
    return _read(sorted(folder.glob("*.jsonl")), keys)


def _read(paths: Sequence[Path], keys: Mapping[str, PublicKey]) -> History:
    checkpoints: list[Checkpoint] = []
    problems: list[tuple[str, str]] = []
    previous: Checkpoint | None = None
    for path in paths:
        for number, line in enumerate(_lines(path), 1):
            try:
                checkpoint = read_checkpoint(line, keys)
            except IntegrityError as error:
                place = f"{path.name}:{number}"
                problems.append((f"điểm kiểm {place}: {error.note.vi}", f"checkpoint {place}: {error.note.en}"))
                continue
            if previous is not None and checkpoint.prev != previous.digest:
                place = f"{previous.number} … {checkpoint.number}"
                problems.append((f"thiếu điểm kiểm giữa {place}", f"checkpoints are missing between {place}"))
            checkpoints.append(checkpoint)
            previous = checkpoint
    return History(tuple(checkpoints), tuple(problems))


def read_since(folder: Path, keys: Mapping[str, PublicKey], day: str = "") -> Iterator[Checkpoint]:
    """Checkpoints from the file of a day (YYYY-MM-DD) on, read one at a time; lines that do not verify are left out."""
    for path in sorted(folder.glob("*.jsonl")):
        if path.stem >= day:
            for line in _lines(path):
                with suppress(IntegrityError):
                    yield read_checkpoint(line, keys)


def read_recent(folder: Path, keys: Mapping[str, PublicKey]) -> History:
    """The newest file that holds a checkpoint: its first line lists all chains, so nothing older is needed to go on."""
    paths = sorted(folder.glob("*.jsonl"))
    for start in range(len(paths) - 1, -1, -1):
        history = _read(paths[start:], keys)
        if history.checkpoints and history.checkpoints[0].full:
            return history
    return _read(paths, keys)


def _lines(path: Path) -> list[str]:
    """Complete lines; a last line without its end was torn by a crash and never counted."""
    return path.read_bytes().decode("utf-8", "replace").split("\n")[:-1]


def read_checkpoint(line: str, keys: Mapping[str, PublicKey]) -> Checkpoint:
    """One line of a checkpoint file. Raises IntegrityError when it is not signed by one of `keys`, or malformed."""
    payload, _ = open_envelope(line, PAYLOAD_TYPE, keys)
    try:
        document = json.loads(payload)
        if document["format"] != FORMAT:
            raise ValueError(FORMAT)
        return Checkpoint(
            int(document["number"]), str(document["at"]), str(document["prev"]), bool(document["full"]),
            tuple(_point(entry) for entry in document["chains"]), sha256(payload).hexdigest(), line,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise IntegrityError("Điểm kiểm không đúng định dạng.", "The checkpoint is malformed.") from error


def _point(entry: Mapping[str, Any]) -> Point:
    peaks = tuple(bytes.fromhex(peak) for peak in entry["peaks"])
    Frontier(entry["size"], peaks)
    marks = base64.b64decode(entry["marks"], validate=True)
    return Point(
        str(entry["uid"]), entry["size"], bytes.fromhex(entry["root"]), bytes.fromhex(entry["head"]), peaks, marks
    )  # fmt: skip


class Checkpointer:
    """Writes checkpoints at an interval and at the end; one per installation. Safe for threads."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        signer: Signer,
        *,
        clock: Callable[[], float] = time.time,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        """Go on from the checkpoints in `folder` (created when missing).

        Files that do not verify with this signer's key do not stop the platform: they stand in `fault`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._database, self._folder, self._signer = database, folder, signer
        self._clock, self._interval_seconds = clock, interval_seconds
        history = read_recent(folder, {signer.public.key_id: signer.public})
        last = history.checkpoints[-1] if history.checkpoints else None
        self._number, self._prev = (last.number, last.digest) if last is not None else (0, ZERO)
        self._points = {uid: _bare(point) for uid, point in history.latest().items()}
        self._damage = _damaged(folder, history)
        self._fault: PlatformError | None = None
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def fault(self) -> PlatformError | None:
        """What is wrong with the ledger or the checkpoint files at the last look; None when nothing was found."""
        return self._fault or self._damage

    def start(self) -> None:
        """Start the thread that writes every `interval_seconds`."""
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and write the last checkpoint; a fault is kept in `fault`, not raised."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._try()

    def _run(self) -> None:
        erased_at = float("-inf")
        while not self._stop.wait(self._interval_seconds):
            self._try()
            if time.monotonic() - erased_at > ERASE_SECONDS:
                erased_at = time.monotonic()
                self._erase()

    def _erase(self) -> None:
        """The same thread erases the commitment keys whose time is over."""
        try:
            erase_expired(self._database, self._clock)
        except PlatformError as error:
            _log.error("vault: %s", error)

    def _try(self) -> None:
        try:
            self.write()
        except PlatformError as error:
            _log.error("checkpoint: %s", error)

    def write(self) -> Checkpoint | None:
        """Sign what has grown since the last checkpoint; None when nothing has.

        Raises UnavailableError (database or disk), and IntegrityError when a chain was changed, after having signed
        what is sound; the same error stands in `fault` until a later checkpoint finds nothing wrong.
        """
        with self._lock:
            self._fault = None
            moment = datetime.fromtimestamp(self._clock(), UTC)
            path = self._folder / f"{moment:%Y-%m-%d}.jsonl"
            with self._database.read() as connection:
                grown, fault = self._grown(connection)
            written = None
            if grown:
                full = not path.exists()
                points = {**self._points, **grown} if full else grown
                written = self._append(path, moment, full, list(points.values()))
                self._points.update({uid: _bare(point) for uid, point in grown.items()})
            if fault is not None:
                self._fault = fault
                raise fault
            return written

    def _grown(self, connection: Connection) -> tuple[dict[str, Point], IntegrityError | None]:
        """New points of the chains that grew, and the first fault found."""
        sizes = {row.uid: row.size for row in connection.execute(_CHAINS)}
        fault: IntegrityError | None = None
        for uid, old in self._points.items():
            if sizes.get(uid, 0) < old.size:
                fault = fault or _broken(uid, sizes.get(uid, 0) + 1)
        grown: dict[str, Point] = {}
        for uid, size in sizes.items():
            known = self._points.get(uid)
            if known is not None and size <= known.size:
                continue
            point, bad = _advance(connection, uid, known)
            if point is not None:
                grown[uid] = point
            if bad is not None:
                fault = fault or _broken(uid, bad)
        return grown, fault

    def _append(self, path: Path, moment: datetime, full: bool, points: list[Point]) -> Checkpoint:
        document = {
            "format": FORMAT, "number": self._number + 1, "at": f"{moment:%Y-%m-%dT%H:%M:%S}Z", "prev": self._prev,
            "full": full, "chains": [point.document() for point in sorted(points, key=lambda point: point.uid)],
        }  # fmt: skip
        payload = canonical(document)
        line = envelope(self._signer, PAYLOAD_TYPE, payload)
        try:
            _append_line(path, line)
        except OSError as error:
            raise UnavailableError(
                "Không ghi được điểm kiểm của nhật ký.", "The ledger's checkpoint cannot be written.", 30
            ) from error
        self._number, self._prev = self._number + 1, sha256(payload).hexdigest()
        return read_checkpoint(line, {self._signer.public.key_id: self._signer.public})


def _advance(connection: Connection, uid: str, known: Point | None) -> tuple[Point | None, int | None]:
    """The chain's point after its new records, re-hashed and linked; and the first record that does not fit."""
    frontier = Frontier(known.size, known.peaks) if known is not None else Frontier()
    head, marks, start = known.head if known is not None else GENESIS, bytearray(), frontier.size
    bad: int | None = None
    while bad is None:
        query = select(ledger.c.seq, ledger.c.ts, ledger.c.leaf, ledger.c.record)
        query = query.where(ledger.c.chain_uid == uid, ledger.c.seq > frontier.size).order_by(ledger.c.seq).limit(PAGE)
        rows = connection.execute(query).all()
        if not rows:
            break
        for seq, ts, leaf, record in rows:
            linked = record.startswith(header(uid, seq, stamp_of(ts), head))
            if seq != frontier.size + 1 or leaf != leaf_hash(record.encode()) or not linked:
                bad = frontier.size + 1
                break
            frontier.add(leaf)
            marks += leaf[:MARK_BYTES]
            head = leaf
    if frontier.size == start:
        return None, bad
    kept = bytes(marks) if frontier.size - start <= MAX_MARKS else b""
    return Point(uid, frontier.size, frontier.root(), head, frontier.peaks, kept), bad


def _bare(point: Point) -> Point:
    """A point without its marks: what the next full checkpoint repeats of a chain that did not grow."""
    return Point(point.uid, point.size, point.root, point.head, point.peaks, b"")


def _damaged(folder: Path, history: History) -> IntegrityError | None:
    if not history.problems:
        return None
    vi, en = history.problems[0]
    return IntegrityError(f"Thư mục {folder}: {vi}", f"Folder {folder}: {en}", code="checkpoint-altered")


def _broken(uid: str, seq: int) -> IntegrityError:
    return IntegrityError(
        f"Chuỗi nhật ký {uid} bị sửa hoặc mất bản ghi số {seq}.",
        f"Ledger chain {uid} was altered or lost records at number {seq}.",
        code="ledger-altered",
    )


def _append_line(path: Path, line: str) -> None:
    """Add a line and flush it to the disk; what a crash left of a torn line is cut off first."""
    fresh = not path.exists()
    with path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if fresh:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
