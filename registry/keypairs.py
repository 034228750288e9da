"""Keys that sign and keys that check: Ed25519, ECDSA on P-256, RSA-PSS.

    algorithm            signature                                            typical holder
    ed25519              RFC 8032                                             the installation, a person without a card
    ecdsa-p256-sha256    ECDSA over SHA-256, DER                              hardware, model-signing (OMS)
    rsa-pss-sha256       RSASSA-PSS, SHA-256, MGF1-SHA-256, salt 32, ≥ 2048   certificates of the public-service CA
    key id               "sha256:" and the SHA-256 of the SubjectPublicKeyInfo in DER

Decision: the algorithm follows from the key, never from what a document says about itself, so nobody can have a
signature checked by a weaker rule. Other curves and shorter RSA keys are refused when they are read.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from models.errors import IntegrityError

Algorithm = Literal["ed25519", "ecdsa-p256-sha256", "rsa-pss-sha256"]
Public = Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey
Private = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

RSA_BITS: Final = 2048
NEW_RSA_BITS: Final = 3072
SALT_BYTES: Final = 32
_SHA256: Final = SHA256()
_PSS: Final = padding.PSS(padding.MGF1(_SHA256), SALT_BYTES)
_ECDSA: Final = ec.ECDSA(_SHA256)
_ECDSA_SIGN: Final = ec.ECDSA(_SHA256, deterministic_signing=True)
CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"

_NEW: Final[Mapping[Algorithm, Callable[[], Private]]] = {
    "ed25519": Ed25519PrivateKey.generate,
    "ecdsa-p256-sha256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa-pss-sha256": lambda: rsa.generate_private_key(65537, NEW_RSA_BITS),
}


class Secret(Protocol):
    """Whatever holds a private key and signs with it: a file, a hardware token."""

    @property
    def public(self) -> PublicKey:
        """The public half."""

    def sign(self, data: bytes) -> bytes:
        """The signature over these bytes."""


class PublicKey:
    """A key that checks signatures."""

    def __init__(self, key: object) -> None:
        """Wrap a key of `cryptography`. Raises ValueError when it is of no kind that this platform accepts."""
        self._key, self.algorithm = _judged(key)
        self.der = self._key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key_id = "sha256:" + sha256(self.der).hexdigest()

    @classmethod
    def parse(cls, text: bytes) -> PublicKey:
        """Read a public key or a certificate's key in PEM; the certificate itself is judged by registry.certificates.

        Raises IntegrityError (`key-unusable`).
        """
        try:
            if text.lstrip().startswith(CERTIFICATE.encode()):
                return cls(x509.load_pem_x509_certificate(text).public_key())
            return cls(serialization.load_pem_public_key(text))
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise IntegrityError(
                "Khóa công khai không dùng được: cần Ed25519, ECDSA P-256 hoặc RSA từ 2048 bit, dạng PEM.",
                "The public key is unusable: Ed25519, ECDSA P-256 or RSA of at least 2048 bits is needed, in PEM.",
                code="key-unusable",
            ) from error

    @classmethod
    def load(cls, path: Path) -> PublicKey:
        """As `parse`, from a file. Raises IntegrityError when it is missing or holds no such key."""
        try:
            return cls.parse(path.read_bytes())
        except (OSError, IntegrityError) as error:
            raise bad_key(path) from error

    def pem(self) -> bytes:
        """The key as PEM."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def holds(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature is this key's over these bytes."""
        try:
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(signature, data)
            elif isinstance(self._key, rsa.RSAPublicKey):
                self._key.verify(signature, data, _PSS, _SHA256)
            else:
                self._key.verify(signature, data, _ECDSA)
        except InvalidSignature:
            return False
        return True


class FileKey:
    """A private key in memory that a PEM file keeps."""

    def __init__(self, key: object) -> None:
        """Wrap a key of `cryptography`. Raises ValueError when it is of no kind that this platform accepts."""
        if not isinstance(key, Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ValueError("not a private key of an accepted kind")
        self._key: Private = key
        self._public = PublicKey(key.public_key())

    @classmethod
    def generate(cls, algorithm: Algorithm = "ed25519") -> FileKey:
        """A new key that is kept nowhere."""
        return cls(_NEW[algorithm]())

    @classmethod
    def parse(cls, text: bytes) -> FileKey:
        """Read a PEM text. Raises ValueError, TypeError or UnsupportedAlgorithm."""
        return cls(serialization.load_pem_private_key(text, password=None))

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """The signature over these bytes."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(data)
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, _PSS, _SHA256)
        return self._key.sign(data, _ECDSA_SIGN)

    def store(self, path: Path) -> None:
        """Write the key so that it appears whole or not at all, and never over another one; `.pub` beside it.

        Raises FileExistsError when there is one, OSError.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
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


def _judged(key: object) -> tuple[Public, Algorithm]:
    """The key with its algorithm. Raises ValueError for any other kind."""
    if isinstance(key, Ed25519PublicKey):
        return key, "ed25519"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key, "ecdsa-p256-sha256"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS:
        return key, "rsa-pss-sha256"
    raise ValueError("a key of another kind, or too short")


def bad_key(path: Path) -> IntegrityError:
    """What is told of a key file that cannot be used."""
    return IntegrityError(
        f"Khóa ký {path} không dùng được (thiếu, hỏng hoặc không đặt quyền 0600).",
        f"The key {path} is unusable (missing, damaged or not mode 0600).",
        code="key-unusable",
    )
