import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.artifact import open_artifact, seal
from models.catalog import open_model
from models.errors import IntegrityError
from models.text.diacritics import Contexts, Restorer, Tables, place_of, proof_of
from models.text.script import strip_diacritics
from models.text.spelling import MAX_FORMS, REACH, Encoder, Lexicon, cased, pieces
from models.values import Document, Restoration, TextOptions
from tests.costs import cpu_seconds

FORMS = {
    "hoa": ["hòa", "hóa", "hoa", "họa"], "binh": ["bình", "binh", "bính"], "viet": ["việt", "viết"],
    "nam": ["nam", "năm"], "duong": ["đường", "dương"], "nguoi": ["người"],
    "a": ["à", "a", "á", "ạ"], "d": ["đ", "d"]
}  # fmt: skip
LEXICON = Lexicon(FORMS, [",", "internet"])
DENSE, VOTES = (("w0", "c0"), ("w0", "w-1"), ("w0", "w1")), (("w-1", "w0", "w1"), ("w-2", "w-1", "w0"))
ANY = st.text(max_size=80)
TYPED = st.lists(
    st.sampled_from([*FORMS, *(b.upper() for b in FORMS), *(b.title() for b in FORMS), "hOa", "Hòa", "đường",
                     "Internet", ",", ".", ". ", " ", "\n", "  ", "a@b.vn", "https://hoa.vn/binh", "hoa.vn", "F16",
                     "H5N1", "110d",
                     "20.000", "nam_1", "hòa", "cà\u0301", "café", "日本"]), max_size=30
).map("".join)  # fmt: skip


def tables(seed=0, dense=4096, votes=512):
    """Random numbers everywhere, so that properties cannot rest on training."""
    random = np.random.default_rng(seed)
    return Tables(
        random.integers(-127, 128, dense + MAX_FORMS).astype(np.int8), np.array([0.03], np.float32),
        random.integers(0, 256, votes).astype(np.uint8), random.integers(0, 256, votes).astype(np.uint8),
        np.sort(random.normal(size=16)).astype(np.float32),
    )  # fmt: skip


def build(seed=0, **changes):
    config = {"dense": DENSE, "votes": VOTES, "samples": ["Hoa binh o Viet Nam."], **changes}
    return Restorer(config, LEXICON, tables(seed))


MODEL = build()


def restored(*texts, model=MODEL):
    outputs = model.predict([Document(str(i), text) for i, text in enumerate(texts)], TextOptions())
    assert all(isinstance(output, Restoration) for output in outputs)
    return [output.text for output in outputs]


@given(st.one_of(ANY, TYPED))
@example("\ud800 hoa")
@example(unicodedata.normalize("NFD", "Hòa bình ở Việt Nam"))
@example("\u212aHOA \u0130nam ſ")
@example("a" * 300 + "." * 300 + "@" * 300)
def test_only_marks_are_added_whatever_the_text(text):
    (found,) = restored(text)
    assert strip_diacritics(found) == strip_diacritics(text)
    assert [c for c in found if c.isspace()] == [c for c in text if c.isspace()]
    assert len(found.split()) == len(text.split())
    assert [c.isupper() for c in found] == [c.isupper() for c in text]


@given(st.one_of(ANY, TYPED))
def test_what_is_not_plain_letters_stays_as_sent(text):
    (found,) = restored(text)
    assert len(found) == len(text)
    assert all(new == old or (old.isascii() and old.isalpha()) for new, old in zip(found, text, strict=True))


@given(st.lists(st.one_of(ANY, TYPED), max_size=5))
def test_a_batch_answers_as_each_text_alone(texts):
    assert restored(*texts) == [one for text in texts for one in restored(text)]


@given(TYPED)
def test_a_restored_text_restored_again_keeps_its_marks(text):
    (once,) = restored(text)
    (twice,) = restored(once)
    assert all(old in (new, strip_diacritics(new)) for old, new in zip(once, twice, strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "ban.hoa@binh.vn",
        "https://hoa.vn/nam?a=binh",
        "www.hoa.com/binh",
        "hoa-binh.gov.vn",
        "A4nam",
        "hoa_1",
        "café",
        "20.000",
    ],
)
def test_addresses_codes_and_foreign_words_are_untouched(text):
    assert [restored(text, model=build(seed))[0] for seed in range(8)] == [text] * 8


def test_pieces_joined_are_the_text():
    text = "TP.HCM: 20.000d/gio, ban.a@b.vn\n\nhttp://x.vn/a?b.  Hết…"
    assert "".join(pieces(text)) == text
    assert {"ban.a@b.vn", "http://x.vn/a?b.", "20.000", "TP", "\n\n"} <= set(pieces(text))


@pytest.mark.parametrize(("piece", "form", "expected"), [
    ("hoa", "hòa", "hòa"), ("Hoa", "hòa", "Hòa"), ("HOA", "hòa", "HÒA"), ("hOa", "hòa", "hÒa"), ("D", "đ", "Đ"),
])  # fmt: skip
def test_the_case_of_every_letter_is_kept(piece, form, expected):
    assert cased(form, piece) == expected


def test_a_syllable_with_one_form_gets_it_anywhere():
    assert restored("Nguoi", "NGUOI nguoi") == ["Người", "NGƯỜI người"]


def test_a_vote_decides_in_its_context_only():
    contexts = Contexts([*DENSE, *VOTES])
    encoded = Encoder(LEXICON).encode([pieces("viet hoa binh")])
    hashes = contexts.hashes(MODEL._words[encoded.context], encoded.capitals.astype(np.uint64), encoded.places)
    vote = hashes[len(DENSE), 1:2]
    size = 1 << 16
    proof, votes = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    proof[place_of(vote, size)], votes[place_of(vote, size)] = proof_of(vote), 3 << 4 | 15
    levels = np.zeros(16, np.float32)
    levels[15] = 9
    model = Restorer(
        {"dense": DENSE, "votes": VOTES, "samples": []}, LEXICON,
        Tables(np.zeros(4096, np.int8), np.ones(1, np.float32), proof, votes, levels),
    )  # fmt: skip
    assert restored("viet hoa binh", "hoa binh", "nam hoa binh", model=model) == [
        "việt họa bình",
        "hòa bình",
        "nam hòa bình",
    ]


def test_a_sentence_alone_looks_as_it_does_inside_a_document():
    encoder, contexts = Encoder(LEXICON), Contexts(DENSE + VOTES)

    def seen(text):
        encoded = encoder.encode([pieces(text)])
        return contexts.hashes(MODEL._words[encoded.context], encoded.capitals.astype(np.uint64), encoded.places)

    alone, inside = seen("Hoa binh"), seen("Viet Nam. Hoa binh. Duong Hoa")
    assert (inside[:, 2:4] == alone).all()


def test_borders_stand_around_every_text():
    encoded = Encoder(LEXICON).encode([[], ["hoa"]])
    assert encoded.context.tolist() == [0] * REACH * 2 + [3] + [0] * REACH


@pytest.mark.parametrize(
    "text", ["hoa binh viet nam duong " * 4100, "a" * 100_000, "." * 100_000, "a.b@" * 25_000, "\n " * 50_000]
)
def test_long_texts_take_time_in_proportion(text):
    assert strip_diacritics(restored(text)[0]) == text
    part = text[: len(text) // 10]
    assert cpu_seconds(lambda: restored(text), 1) < 10 * 4 * cpu_seconds(lambda: restored(part))


def test_a_model_comes_back_from_its_artefact_as_it_went(tmp_path):
    config = MODEL.save(tmp_path)
    seal(tmp_path, name="vi-diacritics", version="1.0.0", kind="text.diacritics/1", licence="CC0-1.0", config=config)
    again = open_model(open_artifact(tmp_path))
    text = "Hoa binh, duong Nam Viet. A! HOA"
    assert restored(text, model=again) == restored(text)
    assert again.warm().items_per_second > 0


def test_lexicons_and_tables_that_do_not_fit_are_refused(tmp_path):
    for forms in ({"hoa": []}, {"hoa": ["hòan"]}, {"hoa": ["hóe"]}, {"Hoa": ["Hòa"]}, {"hoa": ["hòa"] * 17}):
        with pytest.raises(IntegrityError):
            Lexicon(forms, [])
    with pytest.raises(IntegrityError):
        build(dense=[["w0", "w9"]])
    sealed = seal(tmp_path, name="x", version="1.0.0", kind="text.diacritics/1", licence="CC0-1.0", config={})
    with pytest.raises(IntegrityError):
        open_model(sealed)
