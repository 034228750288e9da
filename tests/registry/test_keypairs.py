"""Three kinds of keys, certificates, hardware: what is accepted signs and checks alike, all else is refused."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pkcs11
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from pkcs11.util.ec import encode_named_curve_parameters

from models.errors import IntegrityError
from registry.certificates import Anchors
from registry.keypairs import FileKey, PublicKey
from registry.signatures import Signer, verify
from registry.tokens import TokenAddress
from tests.registry.making import DAY, NOW

ALGORITHMS = ("ed25519", "ecdsa-p256-sha256", "rsa-pss-sha256")
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
SUBJECT = {"a": "sha256:" + "1" * 64}


@pytest.fixture(scope="module", params=ALGORITHMS)
def signer(request: pytest.FixtureRequest) -> Signer:
    return Signer.generate("someone", request.param)


def test_every_kind_of_key_signs_a_statement_that_reads_back(signer: Signer):
    text = signer.sign(SUBJECT, "type/v1", {"valid_from": NOW, "valid_until": NOW + DAY})
    assert verify(text, signer.public, at=NOW).key_id == signer.public.key_id
    assert PublicKey.parse(signer.public.pem()).algorithm == signer.public.algorithm


def test_every_kind_of_key_refuses_a_changed_statement(signer: Signer):
    text = signer.sign(SUBJECT, "type/v1", {})
    for position in range(0, len(text), 7):
        altered = text[:position] + chr(ord(text[position]) ^ 1) + text[position + 1 :]
        with pytest.raises(IntegrityError):
            verify(altered, signer.public)


def test_one_key_cannot_pass_as_another(signer: Signer):
    text = signer.sign(SUBJECT, "type/v1", {})
    for algorithm in ALGORITHMS:
        other = Signer.generate("other", algorithm)
        with pytest.raises(IntegrityError) as refused:
            verify(text, {signer.public.key_id: other.public})
        assert refused.value.word == "signature-altered"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_keys_of_every_kind_are_kept_and_read_back(tmp_path: Path, algorithm):
    path = tmp_path / "person.key"
    key = Signer.load_or_create(path, "person", algorithm).public
    assert Signer.load(path, "person").public.key_id == key.key_id
    assert PublicKey.load(tmp_path / "person.key.pub").algorithm == algorithm


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256K1()),
        rsa.generate_private_key(65537, 1024),
    ],
    ids=["p384", "secp256k1", "rsa1024"],
)  # fmt: skip
def test_keys_of_other_kinds_are_refused(key):
    with pytest.raises(ValueError, match="another kind"):
        FileKey(key)
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(IntegrityError) as refused:
        PublicKey.parse(pem)
    assert refused.value.word == "key-unusable"


def test_an_openssl_user_checks_a_statement_with_the_public_key_alone(tmp_path: Path):
    signer = Signer.generate("someone", "rsa-pss-sha256")
    envelope = json.loads(signer.sign(SUBJECT, "type/v1", {}))
    payload = base64.b64decode(envelope["payload"])
    (tmp_path / "signed").write_bytes(b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload))
    (tmp_path / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    (tmp_path / "key.pem").write_bytes(signer.public.pem())
    command = ["openssl", "dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32",
               "-verify", "key.pem", "-signature", "signature", "signed"]  # fmt: skip
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verified OK" in run.stdout


# --- certificates -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Authority:
    """A certificate and its key, able to issue others."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def _issue(name: str, key, issuer: Authority | None, *, authority: bool, signs: bool = True, days: int = 365):
    """A certificate that satisfies RFC 5280."""
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.fromtimestamp(NOW, UTC) - timedelta(days=1)
    by, by_key = (own, key) if issuer is None else (issuer.certificate.subject, issuer.key)
    usage = x509.KeyUsage(
        digital_signature=signs and not authority, content_commitment=False, key_encipherment=not signs,
        data_encipherment=False, key_agreement=False, key_cert_sign=authority, crl_sign=authority,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(own).issuer_name(by).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(start).not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), critical=False)
        .sign(by_key, hashes.SHA256())
    )  # fmt: skip


def _authority(name: str, issuer: Authority | None = None) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(_issue(name, key, issuer, authority=True), key)


ROOT = _authority("Root of the public service")
MIDDLE = _authority("Issuing authority", ROOT)
PERSON_KEY = rsa.generate_private_key(65537, 2048)
PERSON = _issue("Nguyễn Văn A", PERSON_KEY, MIDDLE, authority=False)
CHAIN = PERSON.public_bytes(serialization.Encoding.PEM) + MIDDLE.pem


def _anchors(folder: Path, *authorities: Authority) -> Path:
    folder.mkdir()
    for number, authority in enumerate(authorities):
        (folder / f"{number}.pem").write_bytes(authority.pem)
    return folder


def test_a_certificate_names_its_holder_when_the_path_leads_to_an_anchor(tmp_path: Path):
    holder = Anchors.load(_anchors(tmp_path / "anchors", ROOT)).holder(CHAIN, NOW)
    assert holder.subject == "CN=Nguyễn Văn A"
    assert holder.key.algorithm == "rsa-pss-sha256"
    signer = Signer(FileKey(PERSON_KEY), "person")
    assert verify(signer.sign(SUBJECT, "type/v1", {}), holder.key).key_id == holder.key.key_id


@pytest.mark.parametrize(
    ("chain", "at"),
    [
        (CHAIN, NOW + 400 * DAY),
        (CHAIN, NOW - 2 * DAY),
        (PERSON.public_bytes(serialization.Encoding.PEM), NOW),
        (_issue("x", PERSON_KEY, _authority("Stranger"), authority=False)
         .public_bytes(serialization.Encoding.PEM), NOW),
        (_issue("x", PERSON_KEY, MIDDLE, authority=False, signs=False).public_bytes(serialization.Encoding.PEM)
         + MIDDLE.pem, NOW),
    ],
    ids=["after its time", "before its time", "no path", "a stranger's", "not for signing"],
)  # fmt: skip
def test_a_certificate_that_nothing_vouches_for_is_refused(tmp_path: Path, chain: bytes, at: float):
    anchors = Anchors.load(_anchors(tmp_path / "anchors", ROOT))
    with pytest.raises(IntegrityError) as refused:
        anchors.holder(chain, at)
    assert refused.value.word == "certificate-untrusted"


def test_a_person_s_certificate_issues_no_others(tmp_path: Path):
    impostor = Authority(PERSON, PERSON_KEY)
    chain = _issue("Trần B", PERSON_KEY, impostor, authority=False).public_bytes(serialization.Encoding.PEM) + CHAIN
    with pytest.raises(IntegrityError) as refused:
        Anchors.load(_anchors(tmp_path / "anchors", ROOT)).holder(chain, NOW)
    assert refused.value.word == "certificate-untrusted"


def test_an_empty_folder_trusts_nobody_and_rubbish_is_refused(tmp_path: Path):
    with pytest.raises(IntegrityError) as refused:
        Anchors.load(tmp_path / "none").holder(CHAIN, NOW)
    assert refused.value.word == "certificate-untrusted"
    with pytest.raises(IntegrityError) as refused:
        Anchors([ROOT.certificate]).holder(b"-----BEGIN CERTIFICATE-----", NOW)
    assert refused.value.word == "certificate-malformed"


def test_a_revoked_certificate_signs_nothing_from_then_on(tmp_path: Path):
    folder = _anchors(tmp_path / "anchors", ROOT)
    revoked_at = datetime.fromtimestamp(NOW + 10 * DAY, UTC)
    entry = x509.RevokedCertificateBuilder().serial_number(PERSON.serial_number).revocation_date(revoked_at).build()
    listed = (
        x509.CertificateRevocationListBuilder().issuer_name(MIDDLE.certificate.subject).last_update(revoked_at)
        .next_update(revoked_at + timedelta(days=30)).add_revoked_certificate(entry).sign(MIDDLE.key, hashes.SHA256())
    )  # fmt: skip
    (folder / "middle.crl").write_bytes(listed.public_bytes(serialization.Encoding.DER))
    anchors = Anchors.load(folder)
    assert anchors.holder(CHAIN, NOW).subject == "CN=Nguyễn Văn A"
    with pytest.raises(IntegrityError) as refused:
        anchors.holder(CHAIN, NOW + 11 * DAY)
    assert refused.value.word == "certificate-revoked"


# --- hardware -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A software token of SoftHSM with one key of each kind; the file that keeps its PIN."""
    if not SOFTHSM.exists():
        pytest.skip("SoftHSM is not installed")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    (folder / "pin").write_text("4321\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        command = ["softhsm2-util", "--init-token", "--free", "--label", "aichung", "--so-pin", "1234", "--pin", "4321"]
        subprocess.run(command, check=True, capture_output=True)
        library = pkcs11.lib(str(SOFTHSM))
        library.reinitialize()
        with library.get_token(token_label="aichung").open(rw=True, user_pin="4321") as session:
            session.generate_keypair(pkcs11.KeyType.RSA, 2048, label="rsa-pss-sha256", store=True)
            for label, kind, curve in (
                ("ecdsa-p256-sha256", pkcs11.KeyType.EC, "secp256r1"),
                ("ed25519", pkcs11.KeyType.EC_EDWARDS, "1.3.101.112"),
            ):
                parameters = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
                domain = session.create_domain_parameters(kind, parameters, local=True)
                domain.generate_keypair(
                    store=True, label=label, mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN
                    if kind is pkcs11.KeyType.EC_EDWARDS else pkcs11.Mechanism.EC_KEY_PAIR_GEN,
                )  # fmt: skip
        yield folder / "pin"
        with suppress(pkcs11.PKCS11Error):
            library.finalize()


def _address(pin: Path, label: str) -> str:
    return f"pkcs11:token=aichung;object={label}?module-path={SOFTHSM}&pin-source=file:{pin}"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_file_may_name_a_key_on_a_token(tmp_path: Path, token: Path, algorithm: str):
    path = tmp_path / "review.key"
    path.write_text(_address(token, algorithm) + "\n")
    path.chmod(0o600)
    signer = Signer.load_or_create(path, "review")
    assert signer.public.algorithm == algorithm
    text = signer.sign(SUBJECT, "type/v1", {"valid_from": NOW, "valid_until": NOW + DAY})
    assert verify(text, PublicKey.load(tmp_path / "review.key.pub"), at=NOW).subjects == SUBJECT


def test_a_token_signs_again_after_its_session_was_lost(tmp_path: Path, token: Path):
    path = tmp_path / "review.key"
    path.write_text(_address(token, "ecdsa-p256-sha256"))
    path.chmod(0o600)
    signer = Signer.load(path, "review")
    pkcs11.lib(str(SOFTHSM)).reinitialize()
    assert signer.public.holds(signer.sign_bytes(b"after"), b"after")


@pytest.mark.parametrize("fault", ["pin", "label", "module", "address", "other"])
def test_a_token_key_that_cannot_be_used_is_refused(tmp_path: Path, token: Path, fault: str):
    path, text = tmp_path / "review.key", _address(token, "ed25519")
    if fault == "pin":
        pkcs11.lib(str(SOFTHSM)).reinitialize()
        (tmp_path / "pin").write_text("9999")
        text = _address(tmp_path / "pin", "ed25519")
    elif fault == "label":
        text = _address(token, "nobody")
    elif fault == "module":
        text = text.replace(str(SOFTHSM), str(tmp_path / "none.so"))
    elif fault == "address":
        text = "pkcs11:token=aichung"
    else:
        stranger = ed25519.Ed25519PrivateKey.generate()
        (tmp_path / "review.key.pub").write_bytes(PublicKey(stranger.public_key()).pem())
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(Exception) as refused:  # noqa: PT011 - the kinds follow
        Signer.load(path, "review")
    assert refused.value.word == ("token-away" if fault == "module" else "key-unusable")


def test_an_address_is_read_as_rfc_7512_writes_it():
    address = TokenAddress.parse("pkcs11:token=Th%E1%BA%BB;id=%01%ff?module-path=/m.so&pin-value=12%2034")
    assert (address.token, address.key_id, address.pin()) == ("Thẻ", b"\x01\xff", "12 34")
