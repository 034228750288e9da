"""Units and measures: what a figure counts, and whether it is a flow, a stock, a sum from January, an index or a rate.

Decision: the header's own words decide. Words in a title ("dân số", "tồn kho") decide only what the header leaves
open, and where both say nothing the caller is asked, because a stock taken for a flow spoils every sum after it.
"""

from __future__ import annotations

import re

from models.tables.phrases import plain, tidy
from models.values import Measure

_SCALE = r"(?:(?:10+|nghin|ngan|ngh.n|trieu|tr|ty|ti|chuc|tram|1\.?000|thous|mill|bill|billion|million)\.?,?\s*)*"
_NOUN = (
    r"(?:ha|tan|ta|kg|gam|g|dong|vnd|vn.?d|dollars?|usd|eur|do ?la(?: my)?|%|%o|‰|phan tram|nguoi|"
    r"luot|luot nguoi|khach|hk|"
    r"hanh khach|luot khach|luot hk|con|cai|chiec|bo|doi|m|m2|m3|km|lit|ml|hop|bao|goi|vien|met|tam|trang|ban|cuon|"
    r"to|kwh|kw|mw|mwh|gwh|kcal|ste|cay|qua|trung|du an|doanh nghiep|dn|ho|hoc sinh|giao vien|phong|"
    r"phong hoc|lop|truong|"
    r"thue bao|phut|lan|tuoi|vu|ca mac|ca chet|truong hop|suat|bo tieu chuan|so nguoi|ong|"
    r"tons?|persons?|people|passengers?|head|pieces?|pcs|enterprises?|projects?|households?|"
    r"lao dong|co so|xa|thon|don vi|diem|chuyen|tau|xe|giuong|bac si|can bo|dau nguoi|chai|ao|"
    r"to may|teu|usd/tan|m3 go|pupils?|dongs?)"
)
_PLAIN_UNIT = re.compile(
    rf"{_SCALE}{_NOUN}(?:\s*[./-]\s*{_SCALE}{_NOUN}| {_NOUN}| dien| go| quy doi| tieu chuan| hoi| hien vat| 2| 3)"
    r"{0,2}\.?"
)
_DECLARED = re.compile(r"\s*(?:don vi(?: tinh)?|dvt|dv tinh|unit)\s*[:.]?\s*", re.ASCII)
_BRACKETS = re.compile(r"\(\s*([^()]{1,40}?)\s*\)")
_SPLIT = re.compile(r"\s*(?:[;,]| va )\s*")


def is_unit(text: str) -> bool:
    """Whether a whole text reads as a unit of measure: `Nghìn ha`, `Triệu HK.km`, `%`."""
    return _PLAIN_UNIT.fullmatch(tidy(plain(text))) is not None


def unit_list(text: str) -> list[str]:
    """The units that a line above a table names: `Đơn vị tính: Nghìn tấn, triệu USD` has two; [] when it is none."""
    flat = tidy(text).strip("() ")
    declared = _DECLARED.match(plain(flat))
    rest = flat[declared.end() :] if declared and ":" in flat[: declared.end()] else flat
    parts = [part for part in _split(rest) if part]
    if not parts or (not (declared and rest != flat) and not all(is_unit(part) for part in parts)):
        return []
    return [part.strip("() ") for part in parts]


def _split(text: str) -> list[str]:
    cuts = [0]
    for found in _SPLIT.finditer(plain(text)):
        cuts += [found.start(), found.end()]
    return [text[a:b].strip() for a, b in zip(cuts[::2], [*cuts[1::2], len(text)], strict=True)]


def bracketed_unit(text: str) -> str | None:
    """The unit that stands in brackets: `Năng suất (Tạ/ha)` has `Tạ/ha`; the last one counts."""
    found = [part for part in _BRACKETS.findall(tidy(text)) if is_unit(part)]
    return tidy(found[-1]) if found else None


def without_unit(text: str) -> str:
    """The text without units in brackets."""
    return tidy(_BRACKETS.sub(lambda m: "" if is_unit(m[1]) else m[0], tidy(text)))


def is_percent(unit: str | None) -> bool:
    """Whether a unit is per cent or per mille."""
    return unit is not None and ("%" in unit or "‰" in unit or "phan tram" in plain(unit))


def is_ratio(unit: str | None) -> bool:
    """Whether a unit divides one thing by another (`Tạ/ha`), so that sums over it have no meaning."""
    return unit is not None and "/" in unit


_RATE = re.compile(
    r"\b(?:co cau|ty trong|ti trong|ty le|ti le|ty suat|ti suat|nang suat|binh quan|ty so|ti so|"
    r"lai suat|ty gia|he so|xac suat|"
    r"% ?tong so|phan tram|mat do|structure|rate|yield|share)\b"
)
_CHANGE = re.compile(r"\b(?:toc do tang|tang truong|tang[, /+-]*giam|tang \(\+\)|muc tang|growth)\b")
_GROWN = re.compile(r"\b(?:toc do phat trien|chi so phat trien)\b")
_STOCK = re.compile(
    r"\b(?:dan so|ton kho|thoi diem|so du(?! an)|du no|luc luong lao dong|lao dong (?:tu|dang)|"
    r"so lao dong|(?<!thuc )hien co\b|dang hoat dong|"
    r"so hoc sinh|hoc sinh|so giao vien|giao vien|so phong|so truong|so lop|dau gia suc|ket qua chan nuoi|dan trau|"
    r"dan bo|dan lon|dan gia cam|so luong gia suc|so ho\b|ho co nha|so thue bao|thue bao|"
    r"con hieu luc|so giuong|luy ke|population|stock|labours?|"
    r"khai giang|so don vi|so co so)"
)
_FLOW = re.compile(
    r"\b(?:san luong|san pham|san xuat|gia tri|doanh thu|ban le|tong muc|xuat khau|nhap khau|"
    r"xuat nhap khau|von dau tu|von dang ky|"
    r"thuc hien von|vdt|cap phep|cap giay|dau tu|thu ngan sach|chi ngan sach|thu, chi|van tai|"
    r"van chuyen|luan chuyen|hanh khach|"
    r"hang hoa|khach quoc te|khach du lich|khach|tong san pham|gdp|so ca|mac|chet|so vu|tai nan|thiet hai|thien tai|"
    r"doanh nghiep|dang ky|giai the|thanh lap|tam ngung|"
    r"lam moi|sinh|tang them|thu|chi|exports?|imports?|output|retail|production|products?|"
    r"outcome|investment|enterprises?|carriage|freight|visitors|capital|projects?|ty dong|khoi luong|dien tich)\b"
)
_PROGRESS = re.compile(r"\b(?:den ngay|tien do|gieo (?:cay|trong)|den het ngay)\b")


def measure_of_words(text: str) -> Measure | None:
    """What the words of a header, label or title say of the measure; None when they say nothing."""
    flat = plain(text)
    if _CHANGE.search(flat):
        return "change_pct"
    if _GROWN.search(flat):
        return "index_same_period"
    if _RATE.search(flat):
        return "rate"
    if _STOCK.search(flat):
        return "stock"
    return "flow" if _FLOW.search(flat) else None


def measure_of_title(text: str) -> Measure | None:
    """What a title says, where the first word that says anything counts: `Diện tích, năng suất …` are flows first."""
    flat = plain(text)
    kinds: tuple[tuple[re.Pattern[str], Measure], ...] = (
        (_CHANGE, "change_pct"), (_GROWN, "index_same_period"), (_RATE, "rate"), (_STOCK, "stock"), (_FLOW, "flow"),
    )  # fmt: skip
    found = [(match.start(), at) for at, (pattern, _) in enumerate(kinds) if (match := pattern.search(flat))]
    return kinds[min(found)[1]][1] if found else None


def is_progress(text: str) -> bool:
    """Whether a title speaks of work done up to a day (sowing, harvest), counted from the season's start."""
    return _PROGRESS.search(plain(text)) is not None
