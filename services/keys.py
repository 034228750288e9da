"""API keys: `aic_<public id>_<secret>`.

Decision: the secret is random (40 signs of base 62, 238 bits), so a plain keyed digest is enough and a slow
password hash would only cost time: HMAC-SHA256 under a *pepper* that lives in a file outside the database. Who
steals the database cannot check guesses, who steals the pepper has no digests.

Decision: secret signs are letters and digits only, so that a key survives a double click, a shell and a URL, and a
scanner finds one pasted into a log with the pattern below.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.errors import IntegrityError

PREFIX: Final = "aic_"
PATTERN: Final = re.compile(r"aic_[0-9a-z]{12}_[0-9A-Za-z]{40}")
PUBLIC_SIGNS: Final = 12
SECRET_SIGNS: Final = 40
PEPPER_BYTES: Final = 32
_PUBLIC: Final = string.digits + string.ascii_lowercase
_SECRET: Final = string.digits + string.ascii_letters
_LENGTH: Final = len(PREFIX) + PUBLIC_SIGNS + 1 + SECRET_SIGNS
_PUBLIC_END: Final = len(PREFIX) + PUBLIC_SIGNS


@dataclass(frozen=True, slots=True)
class Minted:
    """A new key: `text` is shown once and never stored, `digest` (32 bytes) is what is kept."""

    public_id: str
    text: str
    digest: bytes

    def __repr__(self) -> str:
        """Name the key without its secret, should one land in a log."""
        return f"Minted({self.public_id})"


def opaque_id(prefix: str = "") -> str:
    """A random opaque id of 12 signs (62 bits) after `prefix`."""
    return prefix + "".join(secrets.choice(_PUBLIC) for _ in range(PUBLIC_SIGNS))


def digest_of(pepper: bytes, secret: str) -> bytes:
    """HMAC-SHA256 of a secret under the pepper (32 bytes)."""
    return hmac.digest(pepper, secret.encode(), "sha256")


def mint(pepper: bytes) -> Minted:
    """Make a new key."""
    public_id = opaque_id()
    secret = "".join(secrets.choice(_SECRET) for _ in range(SECRET_SIGNS))
    return Minted(public_id, f"{PREFIX}{public_id}_{secret}", digest_of(pepper, secret))


def split(token: str) -> tuple[str, str] | None:
    """Public id and secret of a token, or None when it cannot be a key. The hot path: no regular expression."""
    if len(token) != _LENGTH or not token.startswith(PREFIX) or token[_PUBLIC_END] != "_" or not token.isascii():
        return None
    return token[len(PREFIX) : _PUBLIC_END], token[_PUBLIC_END + 1 :]


def open_pepper(path: Path, *, create: bool) -> bytes:
    """Read the pepper, or make it (mode 0600) when `create` is set and there is none.

    Raises IntegrityError when it is missing though keys exist, or is not 32 bytes: without it no key can be checked.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        if not create:
            raise IntegrityError(
                f"Thiếu tệp pepper {path.name}: không kiểm tra được khóa nào. Hãy khôi phục tệp từ bản sao lưu.",
                f"The pepper file {path.name} is missing: no key can be checked. Restore it from a backup.",
                code="pepper-missing",
            ) from error
        return _make_pepper(path)
    if len(content) != PEPPER_BYTES:
        raise IntegrityError(
            f"Tệp pepper {path.name} bị hỏng. Hãy khôi phục từ bản sao lưu.",
            f"The pepper file {path.name} is damaged. Restore it from a backup.",
            code="pepper-damaged",
        )
    return content


def _make_pepper(path: Path) -> bytes:
    """Write a new pepper whole or not at all; two processes that start together agree on one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    write_private(draft, secrets.token_bytes(PEPPER_BYTES))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return open_pepper(path, create=False)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, durably."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
