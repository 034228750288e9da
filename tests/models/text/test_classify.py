import json
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.artifact import open_artifact, seal
from models.catalog import open_model
from models.errors import IntegrityError, InvalidInputError
from models.text.classify import MAX_DOCUMENT_UNITS, PROOF_BITS, Classifier, FeatureTable, Weights, feature_keys
from models.text.hashing import hash_syllables
from models.values import Document, Labels, TextOptions
from tests.costs import cpu_seconds

SPORT, MONEY = "Thể thao: đội bóng thắng trận chung kết", "Kinh doanh: ngân hàng tăng lãi suất"
LABELS = ["The thao", "Kinh doanh", "Van hoa"]
ANY = st.text(max_size=80)


def weights_of(words, seed=0, openings=()):
    """Random weights for every feature of the words, so that properties cannot rest on training."""
    keys = np.unique(feature_keys(hash_syllables(words), openings).keys)
    keys = keys[np.diff(keys >> np.uint32(PROOF_BITS), prepend=np.uint32(2**31)) != 0]
    random, rows = np.random.default_rng(seed), len(keys)
    return Weights(
        keys, random.uniform(1, 9, rows).astype(np.float16),
        random.integers(-127, 128, (rows, 3)).astype(np.int8), np.full(rows, 0.01, np.float16),
        np.array([-0.5, -0.4, -0.7], np.float32), np.array([3, 4, 2], np.float32), np.array([0.1, 0, -0.1], np.float32),
    )  # fmt: skip


def build(**changes):
    config = {"labels": LABELS, "labels_vi": {}, "abstain_below": 0.6, "abstain_reason": "test", "samples": [SPORT]}
    texts = [SPORT, MONEY, "a b c d e g h", "không dấu khong dau"]
    return Classifier({**config, **changes}, weights_of(texts, openings=changes.get("openings", ())))


MODEL = build()
OPENED = build(openings=[2, 4])
WORDY = st.one_of(ANY, st.lists(st.sampled_from([*"abcdegh,.", "đội", "bóng", "BÓNG"])).map(" ".join))


def answer(texts, explain=False, model=MODEL):
    return model.predict([Document(str(i), text) for i, text in enumerate(texts)], TextOptions(explain))


@given(ANY)
@example("\ud800")
@example("a\u0301" * 60)
@example("\u0958\u0300" * 30)
def test_any_text_gets_all_labels_sorted_with_probabilities_that_sum_to_one(text):
    (found,) = answer([text])
    assert isinstance(found, Labels)
    scores = [score for _, score in found.labels]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-9)
    assert {label for label, _ in found.labels} == set(LABELS)
    assert found.abstained == (scores[0] < 0.6)


@pytest.mark.parametrize("model", [MODEL, OPENED])
@given(texts=st.lists(WORDY, max_size=6), explain=st.booleans())
@example(texts=["", SPORT, "", "a", MONEY, ""], explain=True)
def test_a_batch_answers_as_each_text_alone(model, texts, explain):
    assert answer(texts, explain, model) == [one for text in texts for one in answer([text], explain, model)]


def logits(found, labels):
    """What the told probabilities say of one class against another."""
    scores = dict(found.labels)
    return np.log([scores[label] for label in labels])


@pytest.mark.parametrize("model", [MODEL, OPENED])
@given(text=WORDY)
@example(text=unicodedata.normalize("NFD", SPORT) + "😀" + MONEY)
@example(text="")
@example(text="a")
def test_explanations_add_up_to_the_logit_and_point_into_the_text(model, text):
    (found,) = answer([text], explain=True, model=model)
    told = found.explanation
    assert told.target == found.labels[0][0]
    assert told.base + sum(c.value for c in told.contributions) + told.other == pytest.approx(told.logit, abs=1e-6)
    parts = [model._explain(text, target) for target in range(3)]
    whole = [part.base + sum(c.value for c in part.contributions) + part.other for part in parts]
    assert np.diff(whole) == pytest.approx(np.diff(logits(found, LABELS)), abs=1e-4)
    assert len({c.span for c in told.contributions}) == len(told.contributions)
    for part in told.contributions:
        start, end = part.span
        assert 0 <= start < end <= len(text)
        assert part.name == text[start:end]
        key = feature_keys(hash_syllables([part.name])).keys[-1:]
        assert model._table.find(key)[1].all()


def test_the_logit_is_the_one_behind_the_probability():
    (found,) = answer([SPORT], explain=True)
    logits = {}
    for target in range(3):
        logits[LABELS[target]] = MODEL._explain(SPORT, target).logit
    total = sum(np.exp(value) for value in logits.values())
    for label, score in found.labels:
        assert score == pytest.approx(np.exp(logits[label]) / total, abs=1e-6)


def test_leaving_out_the_heaviest_syllable_lowers_the_logit():
    told = answer(["bóng đội thắng trận"], explain=True)[0].explanation
    best = max(told.contributions, key=lambda c: c.value)
    rest = "bóng đội thắng trận".replace(best.name, "xyz")
    assert MODEL._explain(rest, LABELS.index(told.target)).logit < told.logit


@pytest.mark.parametrize("text", ["", "   ", "!!! …", "qqq zzz"])
def test_a_text_without_a_known_feature_gets_the_priors_and_no_answer(text):
    (found,) = answer([text], explain=True)
    assert found.abstained
    assert found.labels == answer([""])[0].labels
    assert found.explanation.contributions == []


def test_an_opening_counts_once_more_and_only_there():
    known = weights_of(["a b c d"], openings=(2,))
    table = FeatureTable(known.keys, np.ones(len(known.keys), np.float32), (2,))
    whole, short, late = (table.features([text]) for text in ("a b c d", "a", "x x a b c d"))
    assert [np.diff(found.borders).tolist() for found in (whole, short, late)] == [[4, 3, 4], [1, 0, 1], [4, 3, 0]]
    assert whole.lengths[0] == pytest.approx(np.sqrt(11))
    assert short.lengths[0] == pytest.approx(np.sqrt(2))


def test_what_stands_in_an_opening_is_explained_in_one_part():
    told = OPENED._explain(SPORT, 0)
    (first,) = [c for c in told.contributions if c.span == (0, 3)]
    keys, _, at = feature_keys(hash_syllables([SPORT]), (2, 4))
    table, scale = OPENED._table, float(OPENED._table.features([SPORT]).lengths[0])
    rows = table.find(keys[np.concatenate(at) == 0])[0]
    pairs = table.find(feature_keys(hash_syllables(["Thể thao"]), (2, 4)).keys[[2, -1]])[0]
    alone = [r for r in rows if r not in pairs]
    assert len(alone) == 3
    assert first.value == pytest.approx(float((table.idf[alone] * OPENED._dense[alone, 0]).sum()) / scale, rel=1e-5)


@pytest.mark.parametrize("openings", [[0], [-3], list(range(1, 9))])
def test_openings_that_cannot_be_told_apart_are_refused(openings):
    with pytest.raises(IntegrityError):
        FeatureTable(np.array([5], np.uint32), np.ones(1, np.float32), openings)


def test_case_and_tone_placement_do_not_change_the_answer():
    for other in (SPORT.upper(), unicodedata.normalize("NFD", SPORT), SPORT.replace("ể", "ể")):
        assert answer([other])[0].labels == answer([SPORT])[0].labels


def test_unknown_pairs_count_nothing():
    known = weights_of(["a b"])
    table = FeatureTable(known.keys, known.idf.astype(np.float32))
    rows, found = table.find(feature_keys(hash_syllables([" ".join(f"từ{c}" for c in "bcdghklmnpqrstvx")])).keys)
    assert not found.any()
    assert len(rows) == 31


def test_a_long_text_is_answered_and_one_beyond_all_limits_stands_as_its_error():
    long = (SPORT + " ") * (100_000 // (len(SPORT) + 1))
    found, failed, last = answer([long, "😀" * MAX_DOCUMENT_UNITS, MONEY])
    assert isinstance(found, Labels)
    assert isinstance(failed, InvalidInputError)
    assert last == answer([MONEY])[0]
    assert cpu_seconds(lambda: answer([long])) < 10 * 4 * cpu_seconds(lambda: answer([long[: len(long) // 10]]))


@pytest.mark.parametrize("model", [MODEL, OPENED])
def test_a_model_comes_back_from_its_artefact_as_it_went(model, tmp_path):
    config = model.save(tmp_path)
    seal(tmp_path, name="vi-topic", version="1.0.0", kind="text.classify/1", licence="MIT", config=config)
    again = open_model(open_artifact(tmp_path))
    assert answer([SPORT, MONEY], explain=True, model=again) == answer([SPORT, MONEY], explain=True, model=model)
    assert again.warm().items_per_second > 0


def test_weights_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(IntegrityError):
        build(labels=["one"])
    with pytest.raises(IntegrityError):
        FeatureTable(np.array([5, 5], np.uint32), np.ones(2, np.float32))
    (tmp_path / "weights.safetensors").write_bytes((8).to_bytes(8, "little") + json.dumps({}).ljust(8).encode())
    sealed = seal(tmp_path, name="vi-topic", version="1.0.0", kind="text.classify/1", licence="MIT", config={})
    with pytest.raises(IntegrityError):
        open_model(sealed)
