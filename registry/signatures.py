"""Signed statements: a DSSE envelope, an in-toto Statement inside.

    envelope  = {"payloadType": "application/vnd.in-toto+json", "payload": base64(statement),
                 "signatures": [{"keyid": "sha256:…", "sig": base64}]}
    signed    = "DSSEv1" SP len(type) SP type SP len(payload) SP payload          (DSSE's pre-authentication encoding)
    statement = {"_type": "https://in-toto.io/Statement/v1", "subject": [{"name", "digest": {"sha256"}}, …],
                 "predicateType": …, "predicate": …}                                (RFC 8785 bytes)
    keyid     = SHA-256 of the public key's SubjectPublicKeyInfo in DER (registry.keypairs: Ed25519, ECDSA, RSA-PSS)

Decision: an envelope in these two public formats can be checked with any DSSE tool and the public key's PEM file; what
was signed is stored as the exact bytes that were signed, never rebuilt for the check. A wrong key, an altered
statement and an expired one are told apart by the error's code.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm

from models.errors import IntegrityError, UnavailableError
from registry.canonical import canonical
from registry.keypairs import Algorithm, FileKey, PublicKey, Secret, bad_key
from registry.tokens import SCHEME, TokenAddress, TokenKey

__all__ = ["PublicKey", "Signer", "Statement", "envelope", "open_envelope", "pre_authentication", "verify"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement whose signature was checked. `subjects` maps names to `sha256:…`."""

    subjects: Mapping[str, str]
    predicate_type: str
    predicate: Mapping[str, Any]
    key_id: str


class Signer:
    """A private key with the name under which it signs (`bootstrap`, `checkpoint`, a person's id)."""

    def __init__(self, secret: Secret, name: str) -> None:
        """Sign with what `secret` holds."""
        self._secret = secret
        self.name = name
        self.public = secret.public

    @classmethod
    def generate(cls, name: str, algorithm: Algorithm = "ed25519") -> Signer:
        """A new key that is kept nowhere."""
        return cls(FileKey.generate(algorithm), name)

    @classmethod
    def load(cls, path: Path, name: str) -> Signer:
        """Read a key file: a PEM text, or the address of a key on a token (registry.tokens).

        Raises IntegrityError when it is missing, not private to its owner, or no usable key; UnavailableError when the
        token is away.
        """
        try:
            if path.stat().st_mode & 0o077:
                raise bad_key(path)
            text = path.read_bytes()
            if text.startswith(SCHEME.encode()):
                key = TokenKey(TokenAddress.parse(text.decode()))
                _show_public(path, key.public)
                return cls(key, name)
            return cls(FileKey.parse(text), name)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise bad_key(path) from error

    @classmethod
    def load_or_create(cls, path: Path, name: str, algorithm: Algorithm = "ed25519") -> Signer:
        """Read the key, or create it (mode 0600, with the public half beside it as `.pub`) when there is none.

        Raises IntegrityError as `load`, UnavailableError when it cannot be written.
        """
        if not path.exists():
            try:
                FileKey.generate(algorithm).store(path)
            except FileExistsError:
                pass
            except OSError as error:
                raise UnavailableError(
                    f"Không ghi được khóa ký {path}.", f"The signing key {path} cannot be written.", 30
                ) from error
        return cls.load(path, name)

    def sign_bytes(self, data: bytes) -> bytes:
        """The signature over these bytes."""
        return self._secret.sign(data)

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
    signature = signer.sign_bytes(pre_authentication(payload_type, payload))
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
        if kind == payload_type and keys[key_id].holds(signature, pre_authentication(payload_type, payload)):
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


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding, version 1."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _altered() -> IntegrityError:
    return IntegrityError("Văn bản đã ký bị thay đổi.", "The signed statement was altered.", code="signature-altered")


def _show_public(path: Path, key: PublicKey) -> None:
    """Lay a token's public half beside its address, where the checks look for it. Raises IntegrityError for another."""
    shown = path.with_name(path.name + ".pub")
    if not shown.exists():
        shown.write_bytes(key.pem())
    elif PublicKey.load(shown).key_id != key.key_id:
        raise bad_key(shown)
