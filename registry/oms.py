"""The signature of a model's folder in the form of the OpenSSF's model signing (OMS): `model.sig`.

    a sigstore bundle v0.3 with a public key (or a certificate chain) as verification material, and a DSSE envelope over
    an in-toto statement of predicate type https://model_signing/signature/v1.0: every file of the folder by SHA-256

Whoever receives the folder checks it with a tool that is not ours and the public key alone:

    model_signing verify key FOLDER --signature model.sig --public_key evidence.key.pub

Decision: that tool knows elliptic curves only, so the signer's key must be ECDSA P-256.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from models.artifact import MANIFEST, Artifact
from models.errors import ConflictError
from registry.canonical import canonical
from registry.signatures import PAYLOAD_TYPE, STATEMENT_TYPE, Signer, pre_authentication

SIGNATURE_FILE: Final = "model.sig"
BUNDLE_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"
ALGORITHM: Final = "ecdsa-p256-sha256"


def sign_folder(artifact: Artifact, signer: Signer, chain: Sequence[bytes] = ()) -> str:
    """The text of `model.sig` for an opened artefact; `chain` holds the signer's certificates in PEM, its own first.

    Raises ConflictError when the signer's key is no ECDSA P-256 key.
    """
    if signer.public.algorithm != ALGORITHM:
        raise ConflictError(
            "Dạng chữ ký OMS chỉ dùng khóa ECDSA P-256.", "The OMS form is signed with ECDSA P-256 keys only.",
            code="oms-needs-p256",
        )  # fmt: skip
    payload = canonical(_statement(artifact))
    signature = signer.sign_bytes(pre_authentication(PAYLOAD_TYPE, payload))
    bundle = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {**_material(signer, chain), "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(bundle, separators=(",", ":"))


def _statement(artifact: Artifact) -> dict[str, Any]:
    """Every file by its digest; the subject's digest is over their digests in this order."""
    manifest = sha256(Path(artifact.folder, MANIFEST).read_bytes()).hexdigest()
    files = sorted({**artifact.files, MANIFEST: manifest}.items())
    root = sha256(b"".join(bytes.fromhex(digest) for _, digest in files)).hexdigest()
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": f"{artifact.name}@{artifact.version}", "digest": {"sha256": root}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": [SIGNATURE_FILE],
            },
            "resources": [{"name": name, "algorithm": "sha256", "digest": digest} for name, digest in files],
        },
    }  # fmt: skip


def _material(signer: Signer, chain: Sequence[bytes]) -> dict[str, Any]:
    """How a reader finds the key: the certificate chain, or a hint by the digest of the PEM text."""
    if chain:
        parsed = [x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER) for pem in chain]
        return {
            "x509CertificateChain": {"certificates": [{"rawBytes": base64.b64encode(der).decode()} for der in parsed]}
        }
    return {"publicKey": {"hint": sha256(signer.public.pem()).hexdigest()}}
