"""A person who signs with a certificate: judged when it is registered and at every signature; its chain is kept."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from registry.keypairs import FileKey
from registry.signatures import Signer, envelope
from tests.services.wire.small import Place, small_house
from tests.services.wire.test_reviews import decide, draft, path, problem, read_all, submit

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=authority, crl_sign=authority, encipher_only=False, decipher_only=False,
    )  # fmt: skip


class Authority:
    """An authority of its own making, which issues and revokes."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Cơ quan chứng thực")])
        self.certificate = self.issue(self.name, self.key, authority=True)
        self.pem = self.certificate.public_bytes(Encoding.PEM).decode()

    def issue(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool = False,
        until: datetime = NOW + 90 * DAY,
    ) -> x509.Certificate:  # fmt: skip
        return (
            x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(NOW - 9 * DAY).not_valid_after(until)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(key_usage(authority=authority), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )  # fmt: skip

    def revoke(self, certificate: x509.Certificate, folder: Path) -> None:
        at = datetime.fromtimestamp(int(time.time()) - 60, UTC)
        row = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(at).build()
        listed = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(at).next_update(at + DAY)
        signed = listed.add_revoked_certificate(row).sign(self.key, hashes.SHA256())
        (folder / "list.crl").write_bytes(signed.public_bytes(Encoding.DER))


class Person:
    """Somebody with a key and a certificate."""

    def __init__(self, authority: Authority, until: datetime = NOW + 30 * DAY) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Nguyễn Văn A")])
        self.certificate = authority.issue(name, key, until=until)
        self.pem = self.certificate.public_bytes(Encoding.PEM).decode() + authority.pem
        self.signer = Signer(FileKey(key), "person")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = small_house(tmp_path / "var", models={"vi-segment": "text.segment/1"})
    yield made
    made.close()


@pytest.fixture
def authority(place: Place) -> Authority:
    made = Authority()
    anchors(place).mkdir(parents=True)
    (anchors(place) / "root.pem").write_text(made.pem)
    return made


def anchors(place: Place) -> Path:
    return place.house.settings.home / "keys" / "anchors"


def register(place: Place, pem: str) -> httpx.Response:
    return place.post("/v1/me/signing-keys", {"public_key": pem}, key="reviewer")


def statement(place: Place, person: Person) -> dict[str, Any]:
    unsigned = place.get(path("/reviews/statement"), key="reviewer").json()
    signed = envelope(person.signer, unsigned["payloadType"], base64.b64decode(unsigned["payload"]))
    found: dict[str, Any] = json.loads(signed)
    return found


def test_only_a_certificate_that_an_authority_vouches_for_is_registered(place: Place, authority: Authority):
    problem(register(place, Person(Authority()).pem), 422, "certificate-untrusted")
    problem(register(place, Person(authority, NOW - DAY).pem), 422, "certificate-untrusted")
    revoked = Person(authority)
    authority.revoke(revoked.certificate, anchors(place))
    problem(register(place, revoked.pem), 422, "certificate-revoked")
    assert place.get("/v1/me/signing-keys", key="reviewer").json()["data"] == []
    assert register(place, Person(authority).pem).status_code == 201


def test_a_statement_keeps_the_chain_and_a_revoked_certificate_signs_no_more(place: Place, authority: Authority):
    person = Person(authority)
    assert register(place, person.pem).status_code == 201
    draft(place)
    submit(place)
    read_all(place, "reviewer")
    signed = statement(place, person)
    authority.revoke(person.certificate, anchors(place))
    problem(decide(place, "reviewer", statement=signed), 422, "certificate-revoked")
    (anchors(place) / "list.crl").unlink()
    shown = decide(place, "reviewer", statement=signed).json()["reviews"][0]["signed"]
    assert (shown["custody"], shown["public_key"]) == ("person", person.pem)
