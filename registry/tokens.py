"""Private keys that never leave their hardware: PKCS#11 tokens, named by an RFC 7512 address.

    pkcs11:token=aichung;object=review?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin

Decision: a key file of the installation (`keys/…/*.key`, mode 0600) may hold such an address instead of a PEM text. So
every signer, the checkpoints' too, can be moved to hardware by replacing one file, and no setting names a key twice.

Decision: one session for each key, opened again when the token was away; signing is serialised, as tokens do it anyway.
The PIN is read when a session opens and kept nowhere.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, unquote_to_bytes

import pkcs11
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11.util.ec import encode_ec_public_key, encode_ecdsa_signature
from pkcs11.util.rsa import encode_rsa_public_key

from models.errors import IntegrityError, UnavailableError
from registry.keypairs import SALT_BYTES, Algorithm, PublicKey

SCHEME: Final = "pkcs11:"
KEY_BYTES: Final = 32
"""An Ed25519 public key."""


@dataclass(frozen=True, slots=True)
class TokenAddress:
    """Where a key lies: library, token, the key's label or id, and where its PIN is found."""

    module: str
    token: str
    label: str | None
    key_id: bytes | None
    pin_value: str | None
    pin_source: str | None

    @classmethod
    def parse(cls, text: str) -> TokenAddress:
        """Read an RFC 7512 address. Raises IntegrityError (`key-unusable`) when it does not name one key."""
        path, _, query = text.strip().removeprefix(SCHEME).partition("?")
        parts, options = _members(path, ";"), _members(query, "&")
        module, token, label = options.get("module-path"), parts.get("token"), parts.get("object")
        if not module or not token or not ("id" in parts or label):
            raise _unusable("thiếu module-path, token hoặc object", "module-path, token or object is missing")
        key_id = unquote_to_bytes(parts["id"]) if "id" in parts else None
        return cls(
            unquote(module), unquote(token), None if label is None else unquote(label), key_id,
            _decoded(options.get("pin-value")), _decoded(options.get("pin-source")),
        )  # fmt: skip

    def pin(self) -> str | None:
        """The PIN, from its file when it lies in one. Raises IntegrityError."""
        if self.pin_source is None:
            return self.pin_value
        try:
            return Path(self.pin_source.removeprefix("file:")).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise _unusable("không đọc được tệp PIN", "the PIN file cannot be read") from error


class TokenKey:
    """A private key on a token. Safe for threads."""

    def __init__(self, address: TokenAddress) -> None:
        """Open the token and read the public half. Raises IntegrityError, UnavailableError when the token is away."""
        self._address = address
        self._lock = threading.Lock()
        self._session: pkcs11.Session | None = None
        self._private: Any = None
        with self._lock:
            self._public = self._opened()

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """The signature over these bytes. Raises UnavailableError when the token does not answer."""
        with self._lock:
            try:
                return self._signed(data)
            except pkcs11.PKCS11Error:
                self._close()
            if self._opened().key_id != self._public.key_id:
                raise _unusable("token giữ một khóa khác", "the token holds another key")
            try:
                return self._signed(data)
            except pkcs11.PKCS11Error as error:
                raise _away() from error

    def _opened(self) -> PublicKey:
        address = self._address
        try:
            self._session = _entered(pkcs11.lib(address.module).get_token(token_label=address.token), address.pin())
            wanted: dict[str, Any] = {"label": address.label, "id": address.key_id}
            self._private = self._session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, **wanted)
            return _public_half(self._session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, **wanted))
        except (pkcs11.NoSuchKey, pkcs11.MultipleObjectsReturned, pkcs11.PinIncorrect, ValueError) as error:
            self._close()
            raise _unusable(
                "token không có đúng một khóa ấy, hoặc sai PIN",
                "the token does not hold exactly one such key, or the PIN is wrong",
            ) from error
        except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
            self._close()
            raise _away() from error

    def _signed(self, data: bytes) -> bytes:
        if self._private is None:
            raise pkcs11.KeyHandleInvalid
        kinds: Mapping[Algorithm, dict[str, Any]] = {
            "ed25519": {"mechanism": pkcs11.Mechanism.EDDSA},
            "ecdsa-p256-sha256": {"mechanism": pkcs11.Mechanism.ECDSA},
            "rsa-pss-sha256": {
                "mechanism": pkcs11.Mechanism.SHA256_RSA_PKCS_PSS,
                "mechanism_param": (pkcs11.Mechanism.SHA256, pkcs11.MGF.SHA256, SALT_BYTES),
            },
        }
        algorithm = self._public.algorithm
        raw: bytes = self._private.sign(
            sha256(data).digest() if algorithm == "ecdsa-p256-sha256" else data, **kinds[algorithm]
        )
        return encode_ecdsa_signature(raw) if algorithm == "ecdsa-p256-sha256" else raw

    def _close(self) -> None:
        session, self._session, self._private = self._session, None, None
        if session is not None:
            try:
                session.close()
            except pkcs11.PKCS11Error:
                return


def _entered(token: pkcs11.Token, pin: str | None) -> pkcs11.Session:
    """A session with the PIN given; a token knows one log-in of a process, which another key's session may hold."""
    try:
        return token.open(user_pin=pin)
    except pkcs11.UserAlreadyLoggedIn:
        return token.open()


def _public_half(key: Any) -> PublicKey:
    """The token's public key object as ours. Raises IntegrityError."""
    try:
        if key.key_type is pkcs11.KeyType.RSA:
            return PublicKey(load_der_public_key(encode_rsa_public_key(key)))
        if key.key_type is pkcs11.KeyType.EC_EDWARDS:
            return PublicKey(Ed25519PublicKey.from_public_bytes(key[pkcs11.Attribute.EC_POINT][-KEY_BYTES:]))
        return PublicKey(load_der_public_key(encode_ec_public_key(key)))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable("loại khóa không được dùng", "a kind of key that is not accepted") from error


def _members(text: str, separator: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(separator) if part)
    return {name: value for name, _, value in pairs}


def _decoded(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _unusable(vi: str, en: str) -> IntegrityError:
    return IntegrityError(
        f"Khóa trên thiết bị không dùng được: {vi}.", f"The hardware key is unusable: {en}.", code="key-unusable"
    )


def _away() -> UnavailableError:
    return UnavailableError(
        "Thiết bị giữ khóa ký không trả lời.", "The token that holds the signing key does not answer.", 30,
        code="token-away",
    )  # fmt: skip
