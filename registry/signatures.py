"""Signed statements: Ed25519, a DSSE envelope, an in-toto Statement inside.

    envelope  = {"payloadType": "application/vnd.in-toto+json", "payload": base64(statement),
                 "signatures": [{"keyid": "sha256:…", "sig": base64}]}
    signed    = "DSSEv1" SP len(type) SP type SP len(payload) SP payload          (DSSE's pre-authentication encoding)
    statement = {"_type": "https://in-toto.io/Statement/v1", "subject": [{"name", "digest": {"sha256"}}, …],
                 "predicateType": …, "predicate": …}                                (RFC 8785 bytes)
    keyid     = SHA-256 of the public key's SubjectPublicKeyInfo in DER

Decision: an envelope in these two public formats can be checked with any DSSE tool and the public key's PEM file; what
was signed is stored as the exact bytes that were signed, never rebuilt for the check. A wrong key, an altered
statement and an expired one are told apart by the error's code.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from models.errors import IntegrityError, UnavailableError
from registry.canonical import canonical

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_RAW = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement whose signature was checked. `subjects` maps names to `sha256:…`."""

    subjects: Mapping[str, str]
    predicate_type: str
    predicate: Mapping[str, Any]
    key_id: str


class PublicKey:
    """A key that checks signatures."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        """Wrap a key of `cryptography`."""
        self._key = key
        self.key_id = "sha256:" + sha256(key.public_bytes(*_RAW)).hexdigest()

    @classmethod
    def load(cls, path: Path) -> PublicKey:
        """Read a PEM file. Raises IntegrityError when it is missing or holds no Ed25519 public key."""
        try:
            key = serialization.load_pem_public_key(path.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm) as error:
            raise _bad_key(path) from error
        if not isinstance(key, Ed25519PublicKey):
            raise _bad_key(path)
        return cls(key)

    def pem(self) -> bytes:
        """The key as PEM."""
        return self._key.public_bytes(serialization.Encoding.PEM, _RAW[1])

    def holds(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature is this key's over these bytes."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


class Signer:
    """A private key with the name under which it signs (`bootstrap`, `checkpoint`, a person's id)."""

    def __init__(self, key: Ed25519PrivateKey, name: str) -> None:
        """Wrap a key of `cryptography`."""
        self._key = key
        self.name = name
        self.public = PublicKey(key.public_key())

    @classmethod
    def generate(cls, name: str) -> Signer:
        """A new key that is kept nowhere."""
        return cls(Ed25519PrivateKey.generate(), name)

    @classmethod
    def load(cls, path: Path, name: str) -> Signer:
        """Read a PEM file. Raises IntegrityError when it is missing, not private to its owner, or no Ed25519 key."""
        try:
            if path.stat().st_mode & 0o077:
                raise _bad_key(path)
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _bad_key(path) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise _bad_key(path)
        return cls(key, name)

    @classmethod
    def load_or_create(cls, path: Path, name: str) -> Signer:
        """Read the key, or create it (mode 0600, with the public half beside it as `.pub`) when there is none.

        Raises IntegrityError as `load`, UnavailableError when it cannot be written.
        """
        if not path.exists():
            fresh = cls.generate(name)
            try:
                fresh._store(path)
            except FileExistsError:
                pass
            except OSError as error:
                raise UnavailableError(
                    f"Không ghi được khóa ký {path}.", f"The signing key {path} cannot be written.", 30
                ) from error
        return cls.load(path, name)

    def _store(self, path: Path) -> None:
        """Write the key so that it appears whole or not at all, and never over another one."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        finally:
            draft.unlink()
        path.with_name(path.name + ".pub").write_bytes(self.public.pem())

    def sign_bytes(self, data: bytes) -> bytes:
        """The 64-byte signature over these bytes."""
        return self._key.sign(data)

    def sign(self, subjects: Mapping[str, str], predicate_type: str, predicate: Mapping[str, Any]) -> str:
        """The envelope of a statement, as JSON text. `subjects` maps names to `sha256:…`."""
        statement = {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}
                for name, digest in sorted(subjects.items())
            ],
            "predicateType": predicate_type,
            "predicate": dict(predicate),
        }
        return envelope(self, PAYLOAD_TYPE, canonical(statement))


def envelope(signer: Signer, payload_type: str, payload: bytes) -> str:
    """A DSSE envelope over any payload, as JSON text."""
    signature = signer.sign_bytes(_encoded(payload_type, payload))
    return _write(payload_type, payload, [(signer.public.key_id, signature)])


def _write(payload_type: str, payload: bytes, signed: list[tuple[str, bytes]]) -> str:
    """The one layout of an envelope, so that every byte of a stored one matters."""
    signatures = [{"keyid": key_id, "sig": base64.b64encode(signature).decode()} for key_id, signature in signed]
    document = {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": signatures,
    }
    return json.dumps(document, separators=(",", ":"))


def open_envelope(text: str, payload_type: str, keys: Mapping[str, PublicKey]) -> tuple[bytes, str]:
    """The payload and the id of the key that signed it.

    Raises IntegrityError with code `signature-unknown-key` when none of `keys` (by key id) signed it, and
    `signature-altered` when payload, type or signature were changed or it is no envelope.
    """
    try:
        document = json.loads(text)
        kind, payload = document["payloadType"], base64.b64decode(document["payload"], validate=True)
        signed = [(entry["keyid"], base64.b64decode(entry["sig"], validate=True)) for entry in document["signatures"]]
        if _write(kind, payload, signed) != text:
            raise ValueError("not written as we write it: some byte was changed")
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError) as error:
        raise _altered() from error
    known = [(key_id, signature) for key_id, signature in signed if key_id in keys]
    if not known:
        raise IntegrityError(
            "Văn bản được ký bằng khóa không được tin cậy.",
            "The statement is signed with a key that is not trusted here.",
            code="signature-unknown-key",
        )
    for key_id, signature in known:
        if kind == payload_type and keys[key_id].holds(signature, _encoded(payload_type, payload)):
            return payload, key_id
    raise _altered()


def verify(text: str, keys: PublicKey | Mapping[str, PublicKey], *, at: float | None = None) -> Statement:
    """Check an envelope and read its statement.

    `at` (seconds since 1970) also holds it against the predicate's `valid_from` and `valid_until`, both in seconds
    since 1970. Raises IntegrityError with code `signature-unknown-key`, `signature-altered` or `signature-expired`.
    """
    trusted = {keys.key_id: keys} if isinstance(keys, PublicKey) else keys
    payload, key_id = open_envelope(text, PAYLOAD_TYPE, trusted)
    try:
        document = json.loads(payload)
        if document["_type"] != STATEMENT_TYPE:
            raise ValueError("not an in-toto statement")
        subjects = {entry["name"]: "sha256:" + entry["digest"]["sha256"] for entry in document["subject"]}
        statement = Statement(subjects, document["predicateType"], document["predicate"], key_id)
        inside = at is None or statement.predicate["valid_from"] <= at < statement.predicate["valid_until"]
    except (ValueError, KeyError, TypeError) as error:
        raise _altered() from error
    if not inside:
        raise IntegrityError(
            "Văn bản đã ký không còn (hoặc chưa) có hiệu lực.",
            "The statement is not in force.",
            code="signature-expired",
        )
    return statement


def _encoded(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding, version 1."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _altered() -> IntegrityError:
    return IntegrityError("Văn bản đã ký bị thay đổi.", "The signed statement was altered.", code="signature-altered")


def _bad_key(path: Path) -> IntegrityError:
    return IntegrityError(
        f"Khóa ký {path} không dùng được (thiếu, hỏng hoặc không đặt quyền 0600).",
        f"The key {path} is unusable (missing, damaged or not mode 0600).",
        code="key-unusable",
    )
