import time
import unicodedata

import numpy as np

from pipelines.leakage import without_overlap

WORDS = [f"{a}{b}" for a in ("ba", "co", "đi", "hoa", "mưa", "nước", "tỉnh", "xã") for b in ("", "n", "ng", "nh", "t")]


def text(seed, words=120):
    draw = np.random.default_rng(seed)
    return " ".join(draw.choice(WORDS, words))


def test_a_planted_copy_is_removed_and_counted_as_exact():
    evaluation = [text(seed) for seed in range(50)]
    training = [text(seed) for seed in range(100, 150)] + [evaluation[7]]
    kept, report = without_overlap(training, evaluation)
    assert kept.tolist() == list(range(50))
    assert (report.exact, report.near, report.kept, report.training, report.evaluation) == (1, 0, 50, 51, 50)


def test_case_punctuation_spaces_unicode_form_and_tone_placement_do_not_hide_a_copy():
    original = "Ủy ban nhân dân tỉnh Khánh Hòa họp, bàn về thuỷ lợi."
    disguises = [
        original.upper(),
        "Ủy ban   nhân dân tỉnh Khánh Hòa\thọp bàn về thuỷ lợi",
        unicodedata.normalize("NFD", original),
        "Uỷ ban nhân dân tỉnh Khánh Hoà họp; bàn về thủy lợi!",
    ]
    kept, report = without_overlap([*disguises, "Sở Y tế tỉnh Khánh Hòa họp."], [original])
    assert kept.tolist() == [4]
    assert report.exact == 4


def test_a_lightly_edited_copy_is_removed_as_near():
    evaluation = [text(seed, 300) for seed in range(40)]
    edited = evaluation[3].split()
    edited[150] = "khác"
    edited = ["Theo", "tin", *edited, "hết"]
    kept, report = without_overlap([text(900, 300), " ".join(edited)], evaluation)
    assert kept.tolist() == [0]
    assert (report.exact, report.near) == (0, 1)


def test_texts_that_share_half_of_their_words_are_kept():
    shared = text(1, 150)
    kept, _ = without_overlap([shared + " " + text(2, 150)], [shared + " " + text(3, 150)])
    assert kept.tolist() == [0]


def test_nearly_every_near_copy_above_the_threshold_is_found():
    draw = np.random.default_rng(5)
    evaluation = [text(seed, 200) for seed in range(200)]
    copies = []
    for original in evaluation:
        words = original.split()
        for place in draw.integers(0, 200, 3):
            words[place] = "đổi"
        copies.append(" ".join(words))
    kept, report = without_overlap(copies, evaluation)
    assert report.near >= 198, report
    assert len(kept) == report.kept


def test_short_texts_are_compared_exactly_and_empty_sides_are_allowed():
    kept, report = without_overlap(["xin chào", "chào bạn", ""], ["Xin chào!"])
    assert kept.tolist() == [1, 2]
    assert report.exact == 1
    assert without_overlap([], ["a"])[1].kept == 0
    assert without_overlap(["a"], [])[0].tolist() == [0]


def test_the_answer_is_the_same_in_every_run_and_changes_nothing():
    training = [text(seed) for seed in range(30)]
    evaluation = [text(seed) for seed in range(20, 40)]
    before = list(training)
    first, second = without_overlap(training, evaluation), without_overlap(training, evaluation)
    assert first[0].tolist() == second[0].tolist() == list(range(20))
    assert first[1] == second[1]
    assert training == before


def test_thousands_of_documents_a_second():
    documents = [text(seed, 330) for seed in range(1500)]
    started = time.process_time()
    without_overlap(documents[:750], documents[750:])
    assert len(documents) / (time.process_time() - started) > 2_000
