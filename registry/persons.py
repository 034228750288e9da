"""The signing keys of persons: their own, or one that the platform keeps for them.

Decision: a person who registered a key of his own signs on his own machine or token, and the platform never sees the
private half; from then on nothing is signed for him here. For a person without one the platform signs with a key that
it keeps under `keys/persons/<subject>.key` (mode 0600), and the statement itself says so (`custody: platform`).

Decision: a key belongs to one person for ever. The same key brought by a second person is refused, so that two
statements under one key can never pass as two persons; a revoked key still verifies what it signed before.

Decision: a certificate is judged (path to `keys/anchors`, time, revocation) when it is registered and again at every
signature; its whole chain is kept beside each statement, so that it can be judged later as it was then.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, insert, select, update

from models.errors import ConflictError, IntegrityError, InvalidInputError, NotFoundError
from registry.certificates import Anchors
from registry.database import Database
from registry.keypairs import CERTIFICATE, PublicKey
from registry.rules import Actor
from registry.signatures import Signer
from registry.statements import Paper
from registry.tables import signing_keys

Custody = Literal["person", "platform"]
MOST_KEYS: Final = 10
SUBJECT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key under which a person's statements verify. `revoked_at`: from then on nothing new is accepted under it."""

    id: str
    subject: str
    algorithm: str
    public_key: str
    custody: Custody
    created_at: datetime
    revoked_at: datetime | None


class Persons:
    """The persons' keys of one installation. Safe for threads and for many processes."""

    def __init__(self, database: Database, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """`folder` keeps the keys that the platform holds for persons; `anchors` beside it the trusted authorities."""
        self._database = database
        self._folder = folder
        self._anchors = folder.with_name("anchors")
        self._clock = clock

    def register(self, actor: Actor, pem: str) -> SigningKey:
        """Take in a key of the person's own: a public key or a certificate (with its chain) in PEM.

        Raises InvalidInputError for a text that holds no usable key, a certificate that is not trusted
        (`certificate-untrusted`, `certificate-revoked`) or a system, ConflictError when it is known or there are too
        many.
        """
        if actor.kind != "person":
            raise InvalidInputError.at(
                "/public_key", "Chỉ người mới đăng ký khóa ký.", "Only persons register signing keys."
            )
        try:
            key = PublicKey.parse(pem.encode())
            self._judge(pem)
        except IntegrityError as error:
            raise InvalidInputError.at("/public_key", error.note.vi, error.note.en, code=error.word) from error
        with self._database.write() as connection:
            if _by_id(connection, key.key_id) is not None:
                raise ConflictError(
                    "Khóa này đã được đăng ký.", "This key is registered already.", code="signing-key-known"
                )
            if len(_of(connection, actor.subject)) >= MOST_KEYS:
                raise ConflictError(
                    f"Mỗi người có tối đa {MOST_KEYS} khóa.", f"A person has at most {MOST_KEYS} keys.", code="too-many"
                )
            return self._insert(connection, actor.subject, key, pem, "person")

    def revoke(self, actor: Actor, key_id: str) -> None:
        """Accept nothing new under a key of the actor's own. Raises NotFoundError."""
        own = (signing_keys.c.id == key_id, signing_keys.c.subject == actor.subject)
        with self._database.write() as connection:
            row = connection.execute(select(signing_keys).where(*own)).first()
            if row is None or row.custody != "person":
                raise NotFoundError("Không tìm thấy khóa ký này.", "There is no such signing key.")
            if row.revoked_at is None:
                connection.execute(update(signing_keys).where(*own).values(revoked_at=self._now()))

    def keys(self, subject: str) -> list[SigningKey]:
        """Every key of a person, the oldest first."""
        with self._database.read() as connection:
            return _of(connection, subject)

    def own(self, subject: str) -> list[SigningKey]:
        """The person's own keys that are in force."""
        return [key for key in self.keys(subject) if key.custody == "person" and key.revoked_at is None]

    def signer(self, subject: str) -> Signer:
        """The key that the platform keeps for a person, made when it is first needed.

        Raises IntegrityError when its file is unusable, UnavailableError when it cannot be written.
        """
        if not SUBJECT.fullmatch(subject):
            raise ValueError("a subject's id is a plain word")
        signer = Signer.load_or_create(self._folder / f"{subject}.key", subject)
        with self._database.write() as connection:
            known = _by_id(connection, signer.public.key_id)
            if known is None:
                self._insert(connection, subject, signer.public, signer.public.pem().decode(), "platform")
            elif known.subject != subject:
                raise IntegrityError(
                    "Khóa ký của người này thuộc về người khác.", "This person's signing key is somebody else's.",
                    code="key-unusable",
                )  # fmt: skip
        return signer

    def vouched(self, paper: Paper) -> Paper:
        """The same paper, when the certificate that it was signed under, if any, is in force now.

        Raises InvalidInputError (`certificate-untrusted`, `certificate-revoked`).
        """
        try:
            self._judge(paper.public_key)
        except IntegrityError as error:
            raise InvalidInputError.at("/statement", error.note.vi, error.note.en, code=error.word) from error
        return paper

    def _judge(self, pem: str) -> None:
        if pem.lstrip().startswith(CERTIFICATE):
            Anchors.load(self._anchors).holder(pem.encode(), self._clock())

    def _insert(self, connection: Connection, subject: str, key: PublicKey, pem: str, custody: Custody) -> SigningKey:
        made = SigningKey(key.key_id, subject, key.algorithm, pem, custody, self._now(), None)
        connection.execute(
            insert(signing_keys).values(
                id=made.id, subject=subject, algorithm=made.algorithm, public_key=pem, custody=custody,
                created_at=made.created_at, revoked_at=None,
            )
        )  # fmt: skip
        return made

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _by_id(connection: Connection, key_id: str) -> SigningKey | None:
    row = connection.execute(select(signing_keys).where(signing_keys.c.id == key_id)).first()
    return None if row is None else _key(row)


def _of(connection: Connection, subject: str) -> list[SigningKey]:
    query = select(signing_keys).where(signing_keys.c.subject == subject).order_by(signing_keys.c.created_at)
    return [_key(row) for row in connection.execute(query)]


def _key(row: Row[Any]) -> SigningKey:
    return SigningKey(row.id, row.subject, row.algorithm, row.public_key, row.custody, row.created_at, row.revoked_at)
