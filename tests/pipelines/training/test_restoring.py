import json

import numpy as np
import pytest

from models.text.diacritics import Restorer
from models.text.script import strip_diacritics
from models.text.spelling import Lexicon
from models.values import Document, TextOptions
from pipelines.training import corpus, diacritics
from pipelines.training.restoring import Restoring, _levels, _majorities

SENTENCES = (
    "Nhân dân Việt Nam yêu chuộng hòa bình.", "Năm nay giá hoa tăng mạnh.", "Ông Nam trồng hoa hồng trên đường về.",
    "Hội nghị bàn về hòa bình và hợp tác.", "Bà bán hoa ở chợ mỗi năm hai mùa.", "Việt Nam sản xuất đường mía.",
    "Năm ngoái ông Nam bán đường ở chợ.",
)  # fmt: skip
TEXTS = ["\n".join(np.random.default_rng(i).permutation(SENTENCES).tolist()) for i in range(60)]
TEMPLATES = [*diacritics.DENSE, *diacritics.VOTES]


@pytest.fixture(scope="module")
def lexicon():
    return corpus.lexicon(TEXTS)


@pytest.fixture(scope="module")
def run(lexicon):
    """A restorer taught the few sentences: votes found, fitted, shrunk, fitted again."""
    run = Restoring(corpus.examples(TEXTS, lexicon), TEMPLATES, len(diacritics.DENSE), lexicon.contexts, 4096)
    run.collect_votes(1 << 14, 2, lambda line: None)
    run.fit(0.2, 1, lambda line: None)
    run.shrink(run.fit(0.2, 2, lambda line: None, weigh=True), 1 << 10, lambda line: None)
    run.fit(0.1, 3, lambda line: None)
    return run


def restore(run, lexicon, text):
    model = Restorer({"dense": diacritics.DENSE, "votes": diacritics.VOTES, "samples": []}, lexicon, run.tables())
    return model.predict([Document("", text)], TextOptions())[0].text


@pytest.mark.parametrize("text", SENTENCES)
def test_what_was_taught_is_restored_by_the_table_as_served(run, lexicon, text):
    assert restore(run, lexicon, strip_diacritics(text)) == text
    assert restore(run, lexicon, strip_diacritics(text).upper()) == text.upper()


def test_examples_are_what_a_plain_keyboard_would_have_typed(lexicon):
    found = corpus.examples(["Hoà bình \u0301 ở Việt Nam."], lexicon)
    forms = [lexicon.known[word] for word in ("hoa", "nam")]
    assert found.counts.tolist() == [form.count for form in forms]
    assert [lexicon.flat[form.first + rank] for form, rank in zip(forms, found.gold, strict=True)] == ["hòa", "nam"]


def test_the_lexicon_orders_forms_by_frequency_and_leaves_rare_ones_out(lexicon):
    ranks = lexicon.ranks()
    assert {"hoa", "hòa", "nam", "năm"} <= set(ranks)
    assert lexicon.flat[lexicon.known["nam"].first] == "nam"
    assert "đường" in ranks
    assert lexicon.known["đường"].count == 0
    assert "xyz" not in corpus.lexicon([*TEXTS, "xýz"]).known


def test_a_vote_goes_to_the_majority_of_contexts_seen_often_enough():
    keys = np.array([1, 1, 1, 2, 2, 3, 4, 4], np.uint64) << np.uint64(32)
    gold = np.array([5, 5, 7, 1, 1, 0, 2, 3], np.int8)
    contexts, total, form = _majorities(keys, gold, 2)
    assert (contexts >> np.uint64(32)).tolist() == [1, 2]
    assert total.tolist() == [3, 2]
    assert form.tolist() == [5, 1]


def test_sixteen_levels_come_close_to_every_strength():
    values = np.random.default_rng(0).gamma(2, 0.5, 20_000).astype(np.float32)
    levels = _levels(np.append(values, np.zeros(1000, np.float32)))
    assert len(levels) == 16
    assert 0 in levels
    assert np.abs(levels[:, None] - values).min(axis=0).mean() < 0.1


def test_every_second_word_marked_is_half_the_work():
    assert diacritics._half_typed("đường về năm") == "duong về nam"


def test_decrees_of_the_law_lie_on_one_side_only(tmp_path):
    rows = [{"title": "t", "body": "b", "source": f"decree {i % 50}", "code": str(i)} for i in range(500)]

    class Law:
        def lines(self, id_):
            return map(json.dumps, rows)

    sides = [held for _, held in corpus._law(Law(), quick=False)]
    assert sides[:50] * 10 == sides


def test_a_lexicon_survives_its_json(lexicon):
    parts = json.loads(lexicon.json())
    again = Lexicon(parts["forms"], parts["words"])
    assert again.known == lexicon.known
    assert again.flat == lexicon.flat
