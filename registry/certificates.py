"""Certificates of persons and agencies: who holds a key, vouched for by an authority that the operator laid down.

    <home>/keys/anchors/*.pem   certificates of the trusted authorities (the public-service CA, an agency's own)
    <home>/keys/anchors/*.crl   their revocation lists, PEM or DER

Decisions
- A chain is judged at the time of the signature: a statement made while the certificate was in force stays good
  afterwards, unless the certificate was revoked before that time.
- The path is checked by the library's RFC 5280 validator, never by our own walk. A leaf must be allowed to sign (key
  usage digitalSignature or contentCommitment) and hold a key of a kind in registry.keypairs.
- No authority is trusted that does not lie in the folder; an empty folder trusts nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from models.errors import IntegrityError
from registry.keypairs import PublicKey

MAX_CHAIN: Final = 8
MAX_PEM_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Holder:
    """Who a certificate says holds the key. `chain` is PEM, the holder's certificate first."""

    key: PublicKey
    subject: str
    issuer: str
    serial: str
    valid_from: datetime
    valid_until: datetime
    chain: tuple[str, ...]


class Anchors:
    """The authorities that are trusted here, and what they revoked."""

    def __init__(
        self,
        authorities: Sequence[x509.Certificate],
        revoked: Sequence[x509.CertificateRevocationList] = (),
    ) -> None:
        """Trust these authorities."""
        self._authorities = tuple(authorities)
        self._revoked = tuple(revoked)

    @classmethod
    def load(cls, folder: Path) -> Anchors:
        """Read a folder; one that does not exist trusts nobody. Raises IntegrityError for an unreadable file."""
        authorities: list[x509.Certificate] = []
        revoked: list[x509.CertificateRevocationList] = []
        for path in sorted(folder.glob("*")):
            try:
                data = path.read_bytes()
                if path.suffix in (".pem", ".crt"):
                    authorities += x509.load_pem_x509_certificates(data)
                elif path.suffix == ".crl":
                    revoked.append(_list(data))
            except (OSError, ValueError) as error:
                raise IntegrityError(
                    f"Không đọc được chứng thư {path.name}.", f"The certificate file {path.name} cannot be read.",
                    code="anchor-unreadable",
                ) from error  # fmt: skip
        return cls(authorities, revoked)

    def holder(self, chain: bytes, at: float) -> Holder:
        """Who holds the first certificate of a PEM chain, judged at `at` (seconds since 1970).

        Raises IntegrityError with code `certificate-malformed`, `certificate-untrusted` (no path to an authority, not
        in force at that time, or not allowed to sign) or `certificate-revoked`.
        """
        certificates = _parsed(chain)
        leaf, moment = certificates[0], datetime.fromtimestamp(at, UTC)
        path = self._path(leaf, certificates[1:], moment)
        for certificate, issuer in pairwise(path):
            self._refuse_revoked(certificate, issuer, moment)
        try:
            key = PublicKey(leaf.public_key())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _untrusted("loại khóa không được dùng", "a kind of key that is not accepted") from error
        return Holder(
            key, leaf.subject.rfc4514_string(), leaf.issuer.rfc4514_string(), f"{leaf.serial_number:x}",
            leaf.not_valid_before_utc, leaf.not_valid_after_utc,
            tuple(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates),
        )  # fmt: skip

    def _path(self, leaf: x509.Certificate, between: list[x509.Certificate], at: datetime) -> list[x509.Certificate]:
        """The path from the leaf to an authority."""
        if not self._authorities:
            raise _untrusted("chưa khai cơ quan chứng thực nào", "no authority is trusted here")
        policy = PolicyBuilder().store(Store(list(self._authorities))).time(at).max_chain_depth(MAX_CHAIN)
        policy = policy.extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=_signing())
        try:
            return list(policy.build_client_verifier().verify(leaf, between).chain)
        except VerificationError as error:
            raise _untrusted(
                "không dẫn đến cơ quan chứng thực đáng tin, ngoài thời hạn, hoặc không được dùng để ký",
                f"no valid path to a trusted authority ({error})",
            ) from error

    def _refuse_revoked(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> None:
        for listed in self._revoked:
            if listed.issuer != certificate.issuer or not _signed_by(listed, issuer):
                continue
            entry = listed.get_revoked_certificate_by_serial_number(certificate.serial_number)
            if entry is not None and entry.revocation_date_utc <= at:
                raise IntegrityError(
                    "Chứng thư số đã bị thu hồi.", "The certificate was revoked.", code="certificate-revoked"
                )


def _signing() -> ExtensionPolicy:
    """What a signer's certificate must carry."""
    return ExtensionPolicy.permit_all().require_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)


def _may_sign(policy: Policy, certificate: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not (usage.digital_signature or usage.content_commitment):
        raise ValueError("the certificate's key may not sign")


def _signed_by(listed: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    with suppress(ValueError, TypeError, UnsupportedAlgorithm):
        return listed.is_signature_valid(key)  # type: ignore[arg-type]
    return False


def _list(data: bytes) -> x509.CertificateRevocationList:
    return x509.load_pem_x509_crl(data) if data.lstrip().startswith(b"-----") else x509.load_der_x509_crl(data)


def _parsed(chain: bytes) -> list[x509.Certificate]:
    try:
        if len(chain) > MAX_PEM_BYTES:
            raise ValueError("too long")
        certificates = x509.load_pem_x509_certificates(chain)
        if len(certificates) > MAX_CHAIN:
            raise ValueError("too many")
    except ValueError as error:
        raise IntegrityError(
            "Không đọc được chứng thư số.", "The certificate cannot be read.", code="certificate-malformed"
        ) from error
    return certificates


def _untrusted(vi: str, en: str) -> IntegrityError:
    return IntegrityError(
        f"Chứng thư số không được tin cậy: {vi}.", f"The certificate is not trusted: {en}.",
        code="certificate-untrusted",
    )  # fmt: skip
