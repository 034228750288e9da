"""Secrets that must be read again (to sign with them), sealed before they are kept.

Decision: AES-256-GCM under a key that is made of the installation's pepper and lies outside the database, so a copy of
the database alone reveals no secret. What a secret is for is sealed with it: it cannot be put into another row.
"""

from __future__ import annotations

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from models.errors import IntegrityError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


class Lockbox:
    """Seals and opens secrets. Safe for threads and processes that hold the same key."""

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key of {KEY_BYTES} bytes is needed")
        self._cipher = AESGCM(key)

    def seal(self, secret: bytes, purpose: str) -> bytes:
        """A secret as it is kept."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """The secret. Raises IntegrityError when it was altered, or sealed for another purpose or under another key."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise IntegrityError(
                "Khóa bí mật đã lưu bị thay đổi, hoặc thuộc một bản cài đặt khác.",
                "A kept secret was altered, or belongs to another installation.",
                code="secret-altered",
            ) from error
