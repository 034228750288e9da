import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text.hashing import hash_syllables, mix, origins, units_in

ANY = st.text(max_size=40)
TEXTS = st.lists(ANY, max_size=5)


def hashes(text):
    return hash_syllables([text]).hashes.tolist()


@given(TEXTS)
def test_a_batch_hashes_as_each_text_alone(texts):
    found = hash_syllables(texts)
    alone = [hash_syllables([text]) for text in texts]
    assert found.hashes.tolist() == [h for one in alone for h in one.hashes.tolist()]
    assert found.document.tolist() == [i for i, one in enumerate(alone) for _ in one.hashes]
    pairs, _ = found.pairs()
    assert pairs.tolist() == [p for one in alone for p in one.pairs()[0].tolist()]


@given(ANY)
def test_runs_are_letters_and_digits_of_the_text(text):
    found, place = hash_syllables([text]), origins(text)
    assert len(place) == len(set(enumerate(place)))
    for start, end in zip(found.starts, found.ends, strict=True):
        run = unicodedata.normalize("NFC", text[place[start] : place[end]])
        assert run
        assert all(c.isalnum() or unicodedata.combining(c) for c in run)


@pytest.mark.parametrize(("left", "right"), [
    ("hoà bình", "HÒA BÌNH"), ("khoẻ", "khỏe"), ("thuỷ", "thủy"), ("năm 1999", "năm 2024"),
    ("Đà Nẵng", unicodedata.normalize("NFD", "đà nẵng")),
])  # fmt: skip
def test_case_tone_placement_digits_and_composition_do_not_matter(left, right):
    assert hashes(left) == hashes(right)


@pytest.mark.parametrize(("left", "right"), [("má", "mà"), ("mă", "mâ"), ("da", "đa"), ("ab", "ba"), ("an", "ân")])
def test_different_syllables_hash_differently(left, right):
    assert hashes(left) != hashes(right)


def test_pairs_are_neighbours_divided_by_one_sign():
    found = hash_syllables(["một hai,ba  bốn", "năm"])
    assert found.joined.tolist() == [True, True, False, False]


def test_offsets_lead_back_to_the_text_as_sent():
    text = unicodedata.normalize("NFD", "😀 Hòa\u200b bình ế")
    found, place = hash_syllables([text]), origins(text)
    runs = [text[place[a] : place[b]] for a, b in zip(found.starts, found.ends, strict=True)]
    assert [unicodedata.normalize("NFC", run) for run in runs] == ["Hòa", "bình", "ế"]


def test_many_words_keep_apart():
    words = [f"{a}{b}{c}" for a in "bcdghklmn" for b in "aăâeêioôơuưáàảãạ" for c in ("", "n", "ng", "nh", "c", "ch")]
    assert len(set(hash_syllables(words).hashes.tolist())) == len(words)


def test_mixing_is_the_published_finaliser():
    assert mix(np.array([0])).tolist() == [0xE220A8397B1DCDAF]


def test_units_count_astral_signs_twice():
    assert units_in("a😀") == 3


def test_an_opening_is_the_first_runs_of_every_text():
    found = hash_syllables(["một hai ba", "", "bốn", "năm sáu, bảy tám"])
    places, before = found.opening(2)
    assert places.tolist() == [0, 1, 3, 4, 5]
    assert before.tolist() == [0, 1, 0, 0, 1]
    assert found.pairs(places)[1].tolist() == [0, 1, 4]
    assert len(hash_syllables(["", ""]).opening(3)[0]) == 0
