import time
import unicodedata
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.artifact import open_artifact, seal
from models.catalog import open_model
from models.errors import IntegrityError
from models.text.gaps import BLOCK, LEFT, RIGHT, Codes, Lexicon, features, rows, slots, word_hash
from models.text.segment import Segmenter
from models.values import Document, Segmentation, TextOptions

TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    | st.sampled_from("aăâđêôơưàếữ \n.,-\u0301\u0323\u200b\u1100\u1161😀ABC12"),
    max_size=80,
)
WORDS = ("đề nghị", "địa phương", "tăng cường", "sốt xuất huyết", "xã hội chủ nghĩa")


def any_segmenter():
    """A segmenter with drawn weights: what holds for it holds for every other."""
    random = np.random.default_rng(7)
    hashes = [[word_hash(word)[1] for word in WORDS if len(word.split()) == n] for n in (2, 3, 4)]
    return Segmenter(
        random.integers(-20, 24, 1 << 14).astype(np.int8), 0, [np.array(part, np.uint32) for part in hashes], 12,
        ("Bộ", "y", "tế", ","),
    )  # fmt: skip


MODEL = any_segmenter()


def cut(*texts):
    return MODEL.predict([Document(str(number), text) for number, text in enumerate(texts)], TextOptions())


@given(TEXT)
@example("")
@example(" \n\t ")
@example("\u0344\u1100\u1161\u0344 \U0001d15e \u0958 \u212b")
def test_tokens_cover_what_is_not_white_space_in_order(text):
    (found,) = cut(text)
    assert "".join("".join(text[a:b].split()) for a, b in found.tokens) == "".join(text.split())
    assert all(0 <= a < b <= len(text) and not text[a].isspace() and not text[b - 1].isspace() for a, b in found.tokens)
    assert all(b <= c for (_, b), (c, _) in pairwise(found.tokens))


@given(TEXT)
def test_sentences_begin_and_end_with_tokens_and_leave_none_out(text):
    (found,) = cut(text)
    firsts, lasts = {a for a, _ in found.tokens}, {b for _, b in found.tokens}
    assert all(a in firsts and b in lasts for a, b in found.sentences)
    assert all(b <= c for (_, b), (c, _) in pairwise(found.sentences))
    assert all(any(a <= c and d <= b for a, b in found.sentences) for c, d in found.tokens)


@settings(max_examples=40)
@given(st.lists(TEXT, max_size=6))
def test_a_text_is_read_the_same_alone_as_in_a_batch(texts):
    assert cut(*texts) == [answer for text in texts for answer in cut(text)]


@given(TEXT)
def test_decomposed_text_is_read_like_composed_text(text):
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    (left,), (right,) = cut(composed), cut(decomposed)

    def words(sent, found):
        return [unicodedata.normalize("NFC", sent[a:b]) for a, b in found]

    assert words(composed, left.tokens) == words(decomposed, right.tokens)
    assert words(composed, left.sentences) == words(decomposed, right.sentences)


def test_vietnamese_in_both_forms_gives_the_same_words():
    text = "Bộ Y tế đề nghị các địa phương phòng, chống dịch. Khoẻ, hoà, thuỷ, Nguyễn Thị Ưu."
    decomposed = unicodedata.normalize("NFD", text)
    (left,), (right,) = cut(text), cut(decomposed)
    assert [unicodedata.normalize("NFC", decomposed[a:b]) for a, b in right.tokens] == [
        text[a:b] for a, b in left.tokens
    ]
    assert len(left.sentences) == len(right.sentences) == 2


def test_empty_and_white_documents_have_neither_words_nor_sentences():
    assert cut("", "  \n", "a", "\u00a0") == [
        Segmentation([], []), Segmentation([], []), Segmentation([(0, 1)], [(0, 1)]), Segmentation([], []),
    ]  # fmt: skip
    assert cut() == []


def test_no_word_crosses_a_line_or_a_sentence():
    (found,) = cut("Hà\nNội. Tăng cường")
    assert {(0, 2), (3, 6), (6, 7)} <= set(found.tokens)


@pytest.mark.parametrize("unit", ["đề nghị ", "a\u0301 ", ". ", "\u0301", "a" * 50])
def test_a_hundred_thousand_characters_take_linear_time(unit):
    def seconds(size):
        text, best = (unit * size)[:size], 1e9
        for _ in range(2):
            started = time.perf_counter()
            (found,) = cut(text)
            best = min(best, time.perf_counter() - started)
        assert isinstance(found, Segmentation)
        return best

    # A quadratic step would take 64 times as long; the rest is room for a busy machine.
    assert seconds(100_000) < 20 * seconds(12_500) + 0.2


def test_blocks_and_borders_do_not_show_in_the_sums():
    row = rows(["đề nghị các địa phương tăng cường "] * (BLOCK // 3), MODEL.codes)
    whole = slots(row, MODEL.lexicon, LEFT, len(row.hashes) - RIGHT, MODEL.bits)
    expected = MODEL.weights[whole].astype(np.int32).sum(0)
    assert (MODEL.scores(row)[LEFT:-RIGHT] == expected).all()


def test_features_see_no_further_than_the_walls():
    codes, lexicon = Codes(), Lexicon.of([np.zeros(0, np.uint32)] * 3, 10)
    alone = rows(["ta đi"], codes)
    beside = rows(["một hai ba", "ta đi", "bốn năm sáu"], codes)
    at = int(beside.borders[1])
    assert (features(alone, lexicon, 2, 3) == features(beside, lexicon, at, at + 1)).all()


def test_the_lexicon_knows_its_words_in_either_tone_placement():
    assert word_hash("hòa bình") == word_hash("Hoà Bình")
    assert word_hash("hòa bình") != word_hash("bình hòa")


def test_a_saved_segmenter_opens_and_answers_the_same(tmp_path):
    config = MODEL.save(tmp_path)
    artifact = seal(tmp_path, name="s", version="1.0.0", kind="text.segment/1", licence="Apache-2.0", config=config)
    again = open_model(artifact)
    items, options = MODEL.samples()
    assert again.predict(items, options) == MODEL.predict(items, options)


@pytest.mark.parametrize(
    "change",
    [{"threshold": "0"}, {"lexicon_bits": 40}, {"features": 3}, {"threshold": None}],
)
def test_a_malformed_artefact_is_refused(tmp_path, change):
    config = {**MODEL.save(tmp_path), **change}
    artifact = seal(tmp_path, name="s", version="1.0.0", kind="text.segment/1", licence="Apache-2.0", config=config)
    with pytest.raises(IntegrityError):
        open_model(artifact)


BUNDLED = Path(__file__).resolve().parents[3] / "registry" / "bundled" / "vi-segment"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "Bộ Y tế đề nghị các địa phương tăng cường phòng, chống dịch sốt xuất huyết.",
            "Bộ|Y tế|đề nghị|các|địa phương|tăng cường|phòng|,|chống|dịch|sốt xuất huyết|.",
        ),
        (
            "Ông Nguyễn Văn Luyến là học sinh trường THPT Chu Văn An.",
            "Ông|Nguyễn Văn Luyến|là|học sinh|trường|THPT|Chu Văn An|.",
        ),
        ("hoà bình và hòa bình", "hoà bình|và|hòa bình"),
    ],
)
def test_the_bundled_model_cuts_plain_sentences_as_a_reader_would(text, words):
    (folder,) = BUNDLED.glob("*/artifact")
    model = open_model(open_artifact(folder))
    (found,) = model.predict([Document("", text)], TextOptions())
    assert "|".join(text[a:b] for a, b in found.tokens) == words
