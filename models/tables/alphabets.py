"""The alphabets of the fonts of before Unicode, and what a Vietnamese syllable looks like.

TCVN3 has a character for every letter; VNI writes a letter and a mark behind it. Both are given here as the Latin-1
characters that a spreadsheet shows for them.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from models.text.script import fold, parts

_TCVN3_TEXT = """
µà ¸á ¶ả ·ã ¹ạ ¨ă »ằ ¾ắ ¼ẳ ½ẵ Æặ ©â Çầ Êấ Èẩ Éẫ Ëậ Ìè Ðé Îẻ Ïẽ Ñẹ ªê Òề Õế Óể Ôễ Öệ
×ì Ýí Øỉ Üĩ Þị ßò ãó áỏ âõ äọ «ô åồ èố æổ çỗ éộ ¬ơ êờ íớ ëở ìỡ îợ ïù óú ñủ òũ ôụ
õừ øứ öử ÷ữ ùự úỳ ûỷ üỹ þỵ ®đ ¡Ă ¢Â £Ê ¤Ô ¥Ơ ¦Ư §Đ
"""
_TCVN3 = {pair[0]: pair[1] for pair in _TCVN3_TEXT.split()} | {"\u00ad": "ư", "\u03bc": "à"}
_TCVN3_TABLE = str.maketrans(_TCVN3)
_DOUBLED = re.compile("\u00ad{2,}")

_TONES = {"ù": "\u0301", "ø": "\u0300", "û": "\u0309", "õ": "\u0303", "ï": "\u0323"}
_HATS = {"â": "", "á": "\u0301", "à": "\u0300", "å": "\u0309", "ã": "\u0303", "ä": "\u0323"}
_BREVES = {"ê": "", "é": "\u0301", "è": "\u0300", "ú": "\u0309", "ü": "\u0303", "ë": "\u0323"}
_SINGLES = {"ô": "ơ", "ö": "ư", "ñ": "đ", "æ": "ỉ", "ó": "ĩ", "ò": "ị", "î": "ỵ"}


def _vni_pairs() -> dict[str, str]:
    """Letter and mark → letter, in all mixtures of capitals."""
    pairs: dict[str, str] = dict(_SINGLES)
    pairs |= {letter + mark: letter + tone for letter in "aeouy" for mark, tone in _TONES.items()}
    pairs |= {letter + mark: _SINGLES[letter] + tone for letter in "ôö" for mark, tone in _TONES.items()}
    pairs |= {letter + mark: f"{letter}\u0302{tone}" for letter in "aeo" for mark, tone in _HATS.items()}
    pairs |= {"a" + mark: f"a\u0306{tone}" for mark, tone in _BREVES.items()}
    composed: dict[str, str] = {}
    for key, value in pairs.items():
        whole = unicodedata.normalize("NFC", value)
        composed |= {key: whole, key.upper(): whole.upper(), key[0].upper() + key[1:]: whole.upper()}
        composed[key[0] + key[1:].upper()] = whole
    return composed | {single.upper(): letter.upper() for single, letter in _SINGLES.items()}


_VNI = _vni_pairs()
_VNI_UNIT = re.compile("|".join(sorted(map(re.escape, _VNI), key=len, reverse=True)))

_RIME_TEXT = """
a ac ach ai am an ang anh ao ap at au ay ăc ăm ăn ăng ăp ăt âc âm ân âng âp ât âu ây
e ec em en eng eo ep et ê êch êm ên ênh êp êt êu i ia ich im in inh ip it iu iêc iêm iên iêng iêp iêt iêu
y yêm yên yêng yêt yêu o oa oac oach oai oam oan oang oanh oao oap oat oay oăc oăm oăn oăng oăt oc oe oen oeo oet
oi om on ong ooc oong op ot ô ôc ôi ôm ôn ông ôp ôt ơ ơi ơm ơn ơp ơt u ua uân uâng uât uây uc uê uêch uênh ui um
un ung uôc uôi uôm uôn uông uôt uơ up ut uy uya uych uyên uyêt uyn uynh uyt uyu ư ưa ưc ưi ưm ưn ưng ưt ưu ươc ươi
ươm ươn ương ươp ươt ươu
"""
_RIMES = frozenset(_RIME_TEXT.split())
_HIGHLAND = frozenset({"đắk", "lắk", "đăk", "lăk", "krông", "ê", "kạn"})
_MISSPELT = re.compile(r"(?:c|g(?!i)|ng|q(?!u))(?=[eêiy])|(?:k|gh|ngh)(?![eêiyh])|^p(?!h)|q(?!u)")
_STOPS = re.compile(r"(?:[cpt]|ch)$")
_RISING, _HEAVY = 2, 5
_MARKS = frozenset("\u0300\u0301\u0303\u0309\u0323")


def tcvn3(text: str) -> str:
    """The text read as TCVN3."""
    return _DOUBLED.sub("\u00ad", text).translate(_TCVN3_TABLE)


def vni(text: str) -> str:
    """The text read as VNI."""
    return _VNI_UNIT.sub(lambda found: _VNI[found[0]], text)


@lru_cache(maxsize=65_536)
def is_syllable(word: str) -> bool:
    """Whether the word is spelt like one Vietnamese syllable, tone and all."""
    key = fold(word)
    if key in _HIGHLAND:
        return True
    found = parts(key)
    if found is None or "\u00ad" in word:
        return False
    _, rime, tone = found
    bare = unicodedata.normalize("NFC", "".join(c for c in unicodedata.normalize("NFD", key) if c not in _MARKS))
    if rime not in _RIMES or _MISSPELT.search(bare):
        return False
    return tone in (_RISING, _HEAVY) or _STOPS.search(rime) is None
