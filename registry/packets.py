"""The evidence bundle of a model version: everything a stranger needs to judge what was approved, in one zip.

    manifest.json, manifest.dsse.json   every file by digest, signed by keys/evidence.key (ECDSA P-256)
    subjects/<digest name>.json         the bytes whose SHA-256 is each of the seven digests that an approval binds
    papers/card.{md,html,pdf}, bom.cdx.json   the card for readers, and as CycloneDX
    artifact/model.sig                  the folder's signature in the OMS form
    statements/approval.json, <sha256>.json   the platform's approval and every person's statement that it lists
    keys/*.pem                          the public keys of all these signatures
    proofs/*.json                       one-record proofs of the version's decisions in the ledger

Decisions
- The digest set is computed from the files as they are now and must be the registered one: no bundle is made of an
  altered version. Everything in it is checked by registry.standalone alone.
- Weights are not in it: their digests are (subjects/artifact.json), and `model.sig` binds whoever has the folder.
- A reader who may not read every organisation's records gets the decisions of his own and of the platform.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, or_, select

from models.artifact import MANIFEST
from models.errors import IntegrityError
from registry import standalone
from registry.approvals import Trust
from registry.canonical import canonical, read_document
from registry.card_page import render_page
from registry.card_text import render_markdown
from registry.card_values import field_of
from registry.database import Database
from registry.entries import Digests, Entry
from registry.evidence import Evidence, digests_of, read_evidence
from registry.exports import cyclonedx
from registry.oms import ALGORITHM, SIGNATURE_FILE, sign_folder
from registry.paper import render_pdf
from registry.policy import POLICY
from registry.proofs import prove_all
from registry.signatures import PublicKey, Signer, envelope, verify
from registry.tables import ledger, statements
from registry.trail import Place

EVIDENCE_KEY: Final = "evidence.key"
CHECKPOINT_KEY: Final = "checkpoint.key.pub"
FAMILIES: Final = ("registry.", "review.", "approval.", "deploy.", "release.", "waiver.")
"""Events that decide about a version; reading is none."""

READING: Final = ("registry.list", "registry.read")
MAX_RECORDS: Final = 500
EPOCH: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Shown:
    """A public key of a bundle: what it signs, and its PEM text."""

    use: str
    pem: bytes


class Packets:
    """Makes bundles; keeps nothing. Safe for threads."""

    def __init__(
        self,
        database: Database,
        home: Path,
        trust: Trust,
        read: Callable[[Path], Evidence] = read_evidence,
    ) -> None:
        """`home` holds the checkpoint files and the keys; `trust` the keys that approvals are signed with."""
        self._database = database
        self._checkpoints = home / "checkpoints"
        self._keys = home / "keys"
        self._trust = trust
        self._read = read

    def signer(self) -> Signer:
        """The installation's evidence key, made when there is none. Raises IntegrityError, UnavailableError."""
        return Signer.load_or_create(self._keys / EVIDENCE_KEY, "evidence", ALGORITHM)

    def public_keys(self) -> dict[str, Shown]:
        """The installation's own public keys by id: what others pin. Raises IntegrityError, UnavailableError."""
        evidence = self.signer().public
        shown = {evidence.key_id: Shown("evidence", evidence.pem())}
        if (self._keys / CHECKPOINT_KEY).exists():
            checkpoint = PublicKey.load(self._keys / CHECKPOINT_KEY)
            shown[checkpoint.key_id] = Shown("checkpoint", checkpoint.pem())
        for use, keys in (("bootstrap", self._trust.bootstrap), ("review", self._trust.review)):
            shown |= {key.key_id: Shown(use, key.pem()) for key in keys}
        return shown

    def signature(self, entry: Entry) -> str:
        """`model.sig` of a version's folder. Raises IntegrityError when the folder was altered."""
        return sign_folder(self.evidence(entry).artifact, self.signer())

    def export(self, entry: Entry) -> bytes:
        """The card as CycloneDX. Raises IntegrityError when the version was altered."""
        evidence = self.evidence(entry)
        return cyclonedx(evidence.card, evidence.artifact, asdict(entry.digests))

    def bundle(self, entry: Entry, tenant: str | None) -> bytes:
        """The zip; `tenant` holds the ledger's records to an organisation (None: all).

        Raises IntegrityError when the version, a statement or the ledger does not hold.
        """
        evidence, signer = self.evidence(entry), self.signer()
        files = _papers(evidence, entry)
        files[f"artifact/{SIGNATURE_FILE}"] = sign_folder(evidence.artifact, signer).encode()
        used = {signer.public.key_id: Shown("evidence", signer.public.pem())}
        with self._database.read() as connection:
            signed = self._statements(connection, entry, used)
            places = _decisions(connection, entry, tenant)
        proofs, pending = self._proofs(places, used)
        files |= signed | proofs
        named = {key_id: f"keys/{key_id[7:23]}.pem" for key_id in used}
        files |= {named[key_id]: shown.pem for key_id, shown in used.items()}
        manifest = canonical({
            "format": standalone.FORMAT, "model": {"name": entry.name, "version": entry.version},
            "digests": asdict(entry.digests), "approval": "statements/approval.json" if signed else None,
            "keys": {key_id: {"use": shown.use, "file": named[key_id]} for key_id, shown in used.items()},
            "files": {name: {"sha256": sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()},
            "pending": [place.id for place in pending],
        })  # fmt: skip
        files[standalone.MANIFEST] = manifest
        files[standalone.ENVELOPE] = envelope(signer, standalone.MANIFEST_TYPE, manifest).encode()
        return _zipped(files)

    def evidence(self, entry: Entry) -> Evidence:
        """A version's files as they are now. Raises IntegrityError when they are not what was registered."""
        evidence = self._read(Path(entry.folder))
        if digests_of(evidence, entry) != entry.digests:
            raise IntegrityError(
                f"Tệp của {entry.reference} khác bản đã đăng ký.",
                f"The files of {entry.reference} are not what was registered.",
                code="evidence-altered",
            )
        return evidence

    def _statements(self, connection: Connection, entry: Entry, used: dict[str, Shown]) -> dict[str, bytes]:
        """The approval and the persons' statements that it lists; their keys are added to `used`."""
        approval = entry.approval
        if approval is None:
            return {}
        key_id = verify(approval.statement, self._trust.keys()).key_id
        use = "bootstrap" if approval.kind == "bootstrap" else "review"
        used[key_id] = Shown(use, self._trust.keys()[key_id].pem())
        files = {"statements/approval.json": approval.statement.encode()}
        about = (statements.c.name == entry.name, statements.c.version == entry.version)
        query = select(statements.c.sha256, statements.c.statement, statements.c.public_key).where(*about)
        for row in connection.execute(query):
            if row.sha256 in approval.statements:
                key = PublicKey.parse(row.public_key.encode())
                used[key.key_id] = Shown("person", key.pem())
                files[f"statements/{row.sha256.removeprefix('sha256:')}.json"] = row.statement.encode()
        return files

    def _proofs(self, places: list[Place], used: dict[str, Shown]) -> tuple[dict[str, bytes], list[Place]]:
        """The proofs of some records, and those that no checkpoint covers yet."""
        path = self._keys / CHECKPOINT_KEY
        if not places or not path.exists():
            return {}, places
        key = PublicKey.load(path)
        used[key.key_id] = Shown("checkpoint", key.pem())
        proofs, pending = prove_all(self._database, self._checkpoints, key, places)
        return {f"proofs/{number:03d}.json": canonical(proof) for number, proof in enumerate(proofs)}, pending


def subjects(evidence: Evidence, entry: Entry) -> dict[str, bytes]:
    """For each of the seven digests the bytes that it is the SHA-256 of."""
    serving = {
        "name": entry.name, "version": entry.version, "kind": entry.kind, "tasks": list(entry.tasks),
        "tenant": entry.tenant, "public": entry.public, "tier": entry.tier,
    }  # fmt: skip
    documents: dict[str, Any] = {
        "artifact": read_document(evidence.artifact.folder / MANIFEST), "card": evidence.card,
        "evaluation": evidence.evaluation,
        "bias_report": evidence.bias or field_of(evidence.card, "fairness.bias_report"),
        "data": field_of(evidence.card, "data.datasets"), "serving": serving, "policy": POLICY,
    }  # fmt: skip
    found = {name: canonical(document) for name, document in documents.items()}
    if Digests(**{name: "sha256:" + sha256(data).hexdigest() for name, data in found.items()}) != entry.digests:
        raise IntegrityError(
            f"Mã băm của {entry.reference} không khớp.", f"The digests of {entry.reference} do not match.",
            code="evidence-altered",
        )  # fmt: skip
    return found


def _papers(evidence: Evidence, entry: Entry) -> dict[str, bytes]:
    """What people and other tools read."""
    card, artifact = evidence.card, evidence.artifact
    files = {f"subjects/{name}.json": data for name, data in subjects(evidence, entry).items()}
    return files | {
        "papers/card.html": render_page(card), "papers/card.md": render_markdown(card).encode(),
        "papers/card.pdf": render_pdf(card),
        "papers/bom.cdx.json": cyclonedx(card, artifact, asdict(entry.digests)),
    }  # fmt: skip


def _decisions(connection: Connection, entry: Entry, tenant: str | None) -> list[Place]:
    """Where the decisions about a version stand in the ledger, the oldest first."""
    families = or_(*(ledger.c.event.startswith(family, autoescape=True) for family in FAMILIES))
    query = select(ledger.c.chain_uid, ledger.c.seq, ledger.c.record).where(families)
    query = query.where(ledger.c.event.not_in(READING), ledger.c.record.contains(f'"name":"{entry.name}"'))
    if tenant is not None:
        query = query.where(or_(ledger.c.tenant.is_(None), ledger.c.tenant == tenant))
    rows = connection.execute(query.order_by(ledger.c.ts, ledger.c.chain_uid, ledger.c.seq))
    places = [Place(row.chain_uid, row.seq) for row in rows if _about(json.loads(row.record), entry)]
    return places[-MAX_RECORDS:]


def _about(record: Mapping[str, Any], entry: Entry) -> bool:
    model = record.get("model")
    return isinstance(model, Mapping) and (model.get("name"), model.get("version")) == (entry.name, entry.version)


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """The files in order, without clock or owner: the same files are the same bytes."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), files[name], zipfile.ZIP_DEFLATED, 9)
    return target.getvalue()
