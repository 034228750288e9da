"""How HTML leaves the platform: as a page that runs nothing, loads nothing and cannot be framed."""

from __future__ import annotations

from typing import Final

from services.endpoints import Headers

HTML: Final = b"text/html; charset=utf-8"
SAFE: Final[Headers] = (
    (b"content-security-policy",
     b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)  # fmt: skip
