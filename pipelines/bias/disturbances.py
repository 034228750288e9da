"""Ways in which the same text reaches the platform: without marks, in other encodings, in teencode, mistyped, regional.

Decision: every way is a plain function of a text in which what happens to a syllable depends on the syllable alone
(by its checksum where a part of them is changed), so that a disturbance may be applied to a whole text or word by word
with the same result, and gives the same text on every machine.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

from models.errors import Note
from models.text.script import normalise_tone, strip_diacritics
from pipelines.bias.lists import word_list

_SYLLABLE = re.compile(r"[^\W\d_]+")
_TONE_KEYS = {"\u0301": "s", "\u0300": "f", "\u0309": "r", "\u0303": "x", "\u0323": "j"}
_VOWEL_KEYS = {"\u0306": "w", "\u031b": "w"}
_LATE = ("oa", "oe", "uy")


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One way: `typed` is what the model gets in place of the text."""

    id: str
    title: Note
    typed: Callable[[str], str]


def by_syllable(change: Callable[[str], str], one_in: int = 1) -> Callable[[str], str]:
    """A change of every syllable, or of those one in so many that their checksum picks."""

    def typed(text: str) -> str:
        def swap(found: re.Match[str]) -> str:
            word = found[0]
            return change(word) if crc32(word.lower().encode()) % one_in == 0 else word

        return _SYLLABLE.sub(swap, text)

    return typed


def late_tone(text: str) -> str:
    """The placement *hoà, khoẻ, thuỷ* in place of *hòa, khỏe, thủy*."""
    return by_syllable(_late)(normalise_tone(text))


def _late(syllable: str) -> str:
    plain = unicodedata.normalize("NFD", syllable)
    tone = next((mark for mark in plain if mark in _TONE_KEYS), None)
    bare = unicodedata.normalize("NFC", "".join(mark for mark in plain if mark not in _TONE_KEYS))
    if tone is None or bare[-2:].lower() not in _LATE or bare[:2].lower() == "qu":
        return syllable
    return unicodedata.normalize("NFC", bare + tone)


def telex(syllable: str) -> str:
    """What an input method leaves when it was off: *được* → *dduwowcj*."""
    tone, letters = "", []
    for char in syllable:
        if char in "đĐ":
            letters.append("dd" if char == "đ" else "DD")
            continue
        found = unicodedata.normalize("NFD", char)
        keys = "".join(_VOWEL_KEYS.get(mark, found[0] if mark == "\u0302" else "") for mark in found[1:])
        tone += "".join(_TONE_KEYS.get(mark, "") for mark in found[1:])
        letters.append(found[0] + keys)
    return "".join(letters) + tone[:1]


def mistyped(syllable: str) -> str:
    """Two neighbouring letters changed over, or one doubled, by the syllable's checksum."""
    if len(syllable) < 3:
        return syllable
    at = 1 + crc32(b"place" + syllable.lower().encode()) % (len(syllable) - 2)
    if crc32(b"kind" + syllable.lower().encode()) % 3:
        return syllable[:at] + syllable[at + 1] + syllable[at] + syllable[at + 2 :]
    return syllable[:at] + syllable[at] + syllable[at:]


@lru_cache(maxsize=16)
def _replacing(pairs: tuple[tuple[str, str], ...]) -> Callable[[str], str]:
    table = dict(pairs)
    longest = sorted(table, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)", re.IGNORECASE)

    def swap(found: re.Match[str]) -> str:
        word = table[found[0].lower()]
        return word[:1].upper() + word[1:] if found[0][:1].isupper() else word

    return lambda text: pattern.sub(swap, text)


def replacing(pairs: Sequence[Sequence[str]]) -> Callable[[str], str]:
    """Words put in place of others, whole words only, a capital kept."""
    return _replacing(tuple((one, other) for one, other in pairs))


def oral(text: str) -> str:
    """The sentence as spoken: an opening and a particle at its end."""
    words = word_list("typing")
    openings, endings = words["oral_openings"], words["oral_endings"]
    mark = crc32(text.encode())
    body = text.rstrip(" .\n")
    return f"{openings[mark % len(openings)]}, {body[:1].lower()}{body[1:]} {endings[mark % len(endings)]}."


def disturbances() -> tuple[Disturbance, ...]:
    """All ways, in the order of the report."""
    typing, regional = word_list("typing"), word_list("regional")["paraphrases"]

    def way(id_: str, vi: str, en: str, typed: Callable[[str], str]) -> Disturbance:
        return Disturbance(id_, Note(vi, en), typed)

    return (
        way("no-diacritics", "không dấu", "without diacritics", strip_diacritics),
        way("half-diacritics", "mất dấu một nửa", "half of the diacritics", by_syllable(strip_diacritics, 2)),
        way("late-tone", "đặt dấu kiểu «hoà»", "tone placed as in “hoà”", late_tone),
        way("nfd", "Unicode tổ hợp (NFD)", "decomposed Unicode (NFD)", lambda text: unicodedata.normalize("NFD", text)),
        way("telex", "sót phím Telex", "Telex keys left over", by_syllable(telex, 5)),
        way("upper", "viết hoa toàn bộ", "all capitals", str.upper),
        way("lower", "viết thường toàn bộ", "all lower case", str.lower),
        way("typos", "gõ sai", "typos", by_syllable(mistyped, 10)),
        way("teencode", "teencode", "teencode", replacing(typing["teencode"])),
        way("code-mixed", "xen tiếng Anh", "mixed with English", replacing(typing["code_mixed"])),
        way("south", "từ ngữ miền Nam", "Southern words", replacing(regional["Nam"])),
        way("central", "từ ngữ miền Trung", "Central words", replacing(regional["Trung"])),
    )
