import hashlib
import json
import lzma

import numpy as np
import pytest

from models.text.gaps import Lexicon
from models.values import Document, TextOptions
from pipelines.datasets import Datasets, Source
from pipelines.training.gapfit import Fit, Remembered, gaps_of
from pipelines.training.gold import Labelled, atoms_of, frequent_words, labelled, recased, taught, words_of
from pipelines.training.segment import DEV, LAW, NEWS, RECIPE, TEST, TRAIN, WORDS
from pipelines.training.words import longest_match
from pipelines.treebank import treebank

SENTENCES = [
    ["Học sinh", "đến", "trường", "bằng", "xe đạp", "."],
    ["Bộ", "Y tế", "đề nghị", "các", "địa phương", "phòng", "bệnh", "."],
    ["Ông", "Nguyễn Văn Luyến", "là", "giáo viên", "."],
    ["Giáo viên", "dạy", "học sinh", "chăm chỉ", "."],
    ["Địa phương", "đề nghị", "Bộ", "Y tế", "giúp đỡ", "."],
]
HELD = ["Giáo viên", "đề nghị", "học sinh", "đến", "trường", "bằng", "xe đạp", "của", "địa phương", "."]


def conllu(sentences):
    blank = "\t_" * 8
    return "".join("# s\n" + "".join(f"{i}\t{w}{blank}\n" for i, w in enumerate(s, 1)) + "\n" for s in sentences)


@pytest.fixture
def data(tmp_path):
    """A mirror of a few sentences under the catalogue's names."""
    line = "Học sinh đến trường bằng xe đạp, giáo viên dạy học sinh ở địa phương này rất chăm chỉ."
    records = [json.dumps({"text": f"{line} {n}", "body": f"{line} {n}"}) for n in range(4000)]
    stolen = [json.dumps({"text": f"Nghe nói {n} {' '.join(HELD)}", "body": ""}) for n in range(10_000)]
    files = {
        TRAIN: conllu(SENTENCES * 20), DEV: conllu([*SENTENCES[:2], HELD]), TEST: conllu([HELD, SENTENCES[0]]),
        NEWS: "\n".join([*records, *stolen]), LAW: "\n".join(records),
        WORDS: "\n".join(json.dumps({"text": word}) for word in ("học sinh", "xe đạp", "địa phương", "Bản mẫu:x")),
    }  # fmt: skip
    catalogue = {}
    for id_, text in files.items():
        path = tmp_path / id_
        path.parent.mkdir(parents=True, exist_ok=True)
        body = lzma.compress(text.encode()) if id_.endswith(".xz") else text.encode()
        path.write_bytes(body)
        catalogue[id_] = Source(
            id=id_, title="t", repository="r", commit="c", path=id_, sha256=hashlib.sha256(body).hexdigest(),
            size_bytes=path.stat().st_size, unpacked_sha256=None, licence="MIT", may_bundle=True, reason="r",
            personal_data="none", conversion="none", authors="a",
        )  # fmt: skip
    return Datasets(tmp_path, catalogue)


@pytest.mark.train
def test_the_recipe_learns_the_treebank_and_forgets_what_the_test_holds(data):
    trained = RECIPE.train(data, threads=1, quick=True, log=lambda line: None)
    text = " ".join(HELD)
    (found,) = trained.model.predict([Document("", text)], TextOptions())
    assert [text[a:b] for a, b in found.tokens] == HELD
    assert trained.overlap[TEST].exact == 22
    assert trained.overlap[f"{TEST}#silver"].near > 0
    again = RECIPE.train(data, threads=1, quick=True, log=lambda line: None)
    assert (trained.model.weights == again.model.weights).all()
    rows = RECIPE.evaluate(trained.model, data, quick=True)
    assert {row.baseline for row in rows} == {None, "every syllable a word", "longest matching", "pyvi 0.1"}
    assert next(row.value for row in rows if row.name == "word_f1" and row.baseline is None) == 1.0


def test_a_treebank_sentence_becomes_a_text_with_the_truth_of_its_gaps():
    (words,) = treebank(conllu([["TP . HCM", "rất", "đẹp"]]).splitlines())
    item = labelled(words)
    assert item.text == "TP . HCM rất đẹp"
    assert item.targets.tolist() == [1, 1, 0, 0]
    assert words_of(item) == ["TP . HCM", "rất", "đẹp"]


def test_the_teacher_gives_a_probability_a_gap_and_joins_nothing_across_marks():
    (item,) = taught(["Học sinh, sinh viên đến trường.", "ngắn"])
    assert len(item.targets) == len(atoms_of(item.text)) - 1
    assert item.targets[0] > 0.9
    assert item.targets[1] == item.targets[2] == 0


def test_copies_in_other_case_keep_their_gaps():
    items = [Labelled("Bộ Y tế đề nghị", np.array([0, 1, 0, 1], np.float32))] * 100
    copies = recased(items, 1, 0.3, 0.2)
    assert {copy.text for copy in copies} == {"bộ y tế đề nghị", "BỘ Y TẾ ĐỀ NGHỊ"}
    assert 30 < len(copies) < 70


def test_words_joined_often_enough_enter_the_lexicon():
    items = [labelled(["Học sinh", "đi", "xe đạp"])] * 3 + [labelled(["hoà bình"])]
    assert frequent_words(items, 3) == {"học sinh", "xe đạp"}
    assert frequent_words(items, 1) == {"học sinh", "xe đạp", "hòa bình"}


def test_longest_matching_takes_the_longest_word_of_the_list():
    words = {"xã hội", "xã hội chủ nghĩa", "chủ nghĩa"}
    assert longest_match("Xã hội chủ nghĩa xã hội", words) == ["Xã hội chủ nghĩa", "xã hội"]


def test_a_fit_separates_what_can_be_separated():
    items = [labelled(words) for words in SENTENCES] * 10
    gaps = gaps_of(items, Lexicon.of([np.zeros(0, np.uint32)] * 3, 10), Remembered(), 16)
    fit = Fit(16)
    for number in range(3):
        fit.learn(gaps, rate=0.3, batch=16, seed=number)
    assert (((fit.array()[gaps.places].sum(1)) > 0) == (gaps.targets > 0.5)).all()
