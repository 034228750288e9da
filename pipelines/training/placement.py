"""The other style of tone placement, to measure what a model makes of it."""

from __future__ import annotations

import re
import unicodedata

_TONES = "\u0300\u0301\u0309\u0303\u0323"
_MODERN = {
    unicodedata.normalize("NFC", first + tone + second): unicodedata.normalize("NFC", first + second + tone)
    for first, second in ("oa", "oe", "uy", "Oa", "Oe", "Uy", "OA", "OE", "UY")
    for tone in _TONES
}
_OPEN = re.compile(rf"(?<![qQ])(?:{'|'.join(_MODERN)})(?![^\W\d_])")


def modern_tone(text: str) -> str:
    """NFC text with *hòa, khỏe, thủy* written *hoà, khoẻ, thuỷ*."""
    return _OPEN.sub(lambda found: _MODERN[found[0]], unicodedata.normalize("NFC", text))
