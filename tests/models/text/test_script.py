import time
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.text.script import (
    Kind,
    atoms,
    compose,
    fold,
    kind,
    normalise_tone,
    parts,
    spans,
    strip_diacritics,
    syllables,
)

ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
VIETNAMESE = st.text(
    "aăâbcdđeêghiklmnoôơpqrstuưvxyÀÁẢÃẠÈÉìíòóùúỳý \n.,-/:0123456789'’%&@_\u0301\u0323\u200b", max_size=60
)


def cut(text):
    return [atom for atom in atoms(text) if not atom.isspace()]


@given(ANY | VIETNAMESE)
@example("\u0301a\u200d😀\u200d\u0301")
def test_atoms_and_white_space_joined_are_the_text(text):
    assert "".join(atoms(text)) == text
    assert all(piece == "".join(piece.split()) or piece.isspace() for piece in atoms(text))


@given(ANY | VIETNAMESE)
def test_spans_are_in_order_and_cover_what_is_not_white_space(text):
    found = spans(text)
    assert "".join(text[a:b] for a, b in found) == "".join(text.split())
    assert all(a < b <= c for (a, b), (c, _) in pairwise(found))
    assert set(syllables(text)) <= set(found)


@given(ANY)
def test_composing_equals_nfc_and_leads_back_to_the_text_as_sent(text):
    for form in (text, unicodedata.normalize("NFD", text)):
        composed, positions = compose(form)
        assert composed == unicodedata.normalize("NFC", form)
        if positions is not None:
            assert len(positions) == len(composed) + 1
            assert positions == sorted(positions)
            assert (positions[0], positions[-1]) == (0, len(form))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("TP.HCM, ngày 12/3/2025.", ["TP.HCM", ",", "ngày", "12/3/2025", "."]),
        ("Nghị định 142/2026/NĐ-CP và 36/2024/QH15", ["Nghị", "định", "142/2026/NĐ-CP", "và", "36/2024/QH15"]),
        ("1.234,5 tỉ; 95%; 10:30", ["1.234,5", "tỉ", ";", "95%", ";", "10:30"]),
        ("Viết tới a.b-c@moh.gov.vn.", ["Viết", "tới", "a.b-c@moh.gov.vn", "."]),
        ("(xem https://vi.wikipedia.org/wiki/A?b=1).", ["(", "xem", "https://vi.wikipedia.org/wiki/A?b=1", ")", "."]),
        ("Hà Nội-Huế, cà-rem, GD-ĐT", ["Hà", "Nội", "-", "Huế", ",", "cà-rem", ",", "GD-ĐT"]),
        ("PGS.TS. Lê Văn K. nói...", ["PGS.TS.", "Lê", "Văn", "K.", "nói", "..."]),
        ("TS.Nguyễn ở TP.Huế", ["TS.", "Nguyễn", "ở", "TP.", "Huế"]),
        ("hết.Sau đó", ["hết", ".", "Sau", "đó"]),
        ("👨‍👩‍👧🇻🇳👍🏽", ["👨‍👩‍👧", "🇻🇳", "👍🏽"]),
        ("ho\u200bà 中文 ไทย", ["ho\u200bà", "中文", "ไทย"]),
        (
            "cúm A/H1N1, COVID-19, R&D; quý I/2026",
            [
                "cúm",
                "A/H1N1",
                ",",
                "COVID-19",
                ",",
                "R&D",
                ";",
                "quý",
                "I",
                "/",
                "2026",
            ],
        ),
        ("Hà_Nội A5 m²", ["Hà_Nội", "A5", "m²"]),
    ],
)
def test_what_is_written_together_stays_together(text, pieces):
    assert cut(text) == pieces
    composed = unicodedata.normalize("NFD", text)
    assert [unicodedata.normalize("NFC", piece) for piece in cut(compose(composed)[0])] == pieces


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("hoà bình", "hòa bình"), ("HOÀ", "HÒA"),
        ("Khoẻ", "Khỏe"), ("thuỷ thuý", "thủy thúy"), ("hòan tòan", "hoàn toàn"),
        ("quý", "quý"), ("qúy", "quý"), ("khuỷu huýt", "khuỷu huýt"), ("loè", "lòe"), ("ngoéo", "ngoéo"),
        ("uỷ ban", "ủy ban"), ("mùa của", "mùa của"), ("hoa\u0300", "hòa"),
    ],
)  # fmt: skip
def test_both_tone_placements_become_one(text, normal):
    assert normalise_tone(text) == normal
    assert normalise_tone(normal) == normal


@given(VIETNAMESE)
def test_normalising_tones_twice_changes_nothing_more_and_keeps_the_length(text):
    composed = unicodedata.normalize("NFC", text)
    once = normalise_tone(composed)
    assert normalise_tone(once) == once
    assert len(once) == len(composed)
    assert strip_diacritics(once) == strip_diacritics(composed)


def test_diacritics_go_and_case_stays():
    assert strip_diacritics("Đường Trần Hưng Đạo, ồ ẫ ữ") == "Duong Tran Hung Dao, o a u"
    assert fold("HOÀ\u200b") == "hòa"


def test_kinds_tell_what_an_atom_looks_like():
    seen = [kind(atom) for atom in ("là", "Hà", "TP.HCM", "iPhone", "12%", ",", "...", "(", "”", " ", " \n")]
    assert seen == list(Kind)[: Kind.BREAK + 1]


def test_syllables_are_taken_apart():
    assert parts("nghiêng") == ("ng", "iêng", 0)
    assert parts("quyển") == ("c", "yên", 3)
    assert parts("kẹp") == ("c", "ep", 5)
    assert parts("ăn") == ("", "ăn", 0)
    assert parts("resort") is None
    assert parts("142/2026") is None


@pytest.mark.parametrize(
    "unit",
    ["a.", "a-", "a'", "http://", "www.!", "a@", "1.", "1/", "A.", "A&", "a\u0301", "\u0301", "\u200d", "é-",
     "😀\u200d", "q.", "1A-1", "a.com", "\u1100\u1161", "\u0344", "(", "\u00a0"],
)  # fmt: skip
def test_time_grows_with_the_length_and_no_faster(unit):
    def seconds(size):
        text = unit * (size // len(unit))
        best = 1e9
        for _ in range(3):
            started = time.perf_counter()
            atoms(compose(text)[0])
            best = min(best, time.perf_counter() - started)
        return best

    assert seconds(80_000) < 20 * seconds(10_000) + 0.1
