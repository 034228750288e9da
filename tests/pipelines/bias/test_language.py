"""The language tests, on models whose bias is known because it was put there."""

import unicodedata

import numpy as np
import pytest

from models.errors import InvalidInputError
from models.scores.groups import Verdict
from models.text.script import strip_diacritics
from models.values import Labels, Restoration, Segmentation
from pipelines.bias.disturbances import disturbances, late_tone, mistyped, oral, telex
from pipelines.bias.document import axis_document
from pipelines.bias.language import by_length, by_mention, by_source, mention_marks, score, surface
from pipelines.bias.lists import (
    ethnic_groups,
    ethnic_phrases,
    hidden_templates,
    mention_patterns,
    person_phrases,
    region_of,
    sources,
    templates,
)
from pipelines.bias.margins import rule_for
from pipelines.bias.pictures import full_matrix
from pipelines.bias.places import SENTENCES, commune_axis
from pipelines.bias.subjects import Case, Restorations, Segments, Topics
from pipelines.bias.swapping import swap_axis
from pipelines.bias.topics import answer, languages, mention_measures, natural_swaps

HEALTH, LAW = "Suc khoe", "Phap luat"


class Judge:
    """Health where a text says *bệnh* with its marks, law elsewhere; the other way round of one group."""

    def __init__(self, against: str = "") -> None:
        self.against = against

    def predict(self, items, options):
        return [self.one(item.text) for item in items]

    def one(self, text: str) -> Labels:
        health = "bệnh" in unicodedata.normalize("NFC", text).lower()
        health ^= bool(self.against) and self.against.lower() in text.lower()
        labels = [(HEALTH, 0.9), (LAW, 0.1)] if health else [(LAW, 0.8), (HEALTH, 0.2)]
        return Labels(labels, abstained=not any(char.isascii() for char in text))


class Splitter:
    """Every stretch between spaces is a word."""

    def predict(self, items, options):
        found = []
        for item in items:
            tokens, at = [], 0
            for word in item.text.split(" "):
                tokens.append((at, at + len(word)))
                at += len(word) + 1
            found.append(Segmentation(tokens, [(0, len(item.text))]))
        return found


class Restorer:
    """Knows a handful of words."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known

    def predict(self, items, options):
        return [Restoration(" ".join(self.known.get(word, word) for word in item.text.split(" "))) for item in items]


def cases(count: int = 240) -> list[Case]:
    texts = ("Bác sĩ chữa bệnh cho người dân ở huyện.", "Tòa án xét xử bị cáo trước người dân trong tỉnh.")
    return [
        Case(f"{texts[at % 2]} Số {at}." + " thêm chữ" * (at % 3) * 20, (HEALTH, LAW)[at % 2], f"báo {at % 4}")
        for at in range(count)
    ]


def verdicts(axis, metric):
    measure = next(one for one in axis.measures if one.metric == metric)
    return {one.group: one.verdict for one in measure.comparisons}


def test_stripping_the_marks_from_every_text_shows_the_drop():
    axis = surface(score(Topics(Judge(), cases()), "T1"), disturbances())
    found = verdicts(axis, "accuracy_lost")
    assert found["no-diacritics"] is Verdict.FAIL
    assert {found[way] for way in ("nfd", "upper", "lower", "late-tone")} == {Verdict.PASS}
    row = next(one for one in axis.measures[0].comparisons if one.group == "no-diacritics")
    assert row.deficit == pytest.approx(0.5)
    assert axis.verdict is Verdict.FAIL


def test_a_group_whose_name_changes_the_answer_fails_and_no_other_does():
    axis = swap_axis(Topics(Judge("người Mông"), cases()), ethnic_phrases(), templates(), "T1")
    found = verdicts(axis, "flip_rate")
    assert found.pop("Mông") is Verdict.FAIL
    assert set(found.values()) == {Verdict.PASS}
    sure = verdicts(axis, "mean_shift")
    assert sure.pop("Mông") is Verdict.FAIL
    assert set(sure.values()) == {Verdict.PASS}


def test_the_matrix_of_swaps_is_symmetric_and_its_document_holds_it_whole():
    axis = swap_axis(Topics(Judge("người Mông"), cases()), ethnic_phrases(), templates(), "T1")
    assert axis.matrix.asymmetries == 0
    assert full_matrix(axis_document(axis)) == [list(row) for row in axis.matrix.counts]
    kinh, mong = axis.matrix.names.index("Kinh"), axis.matrix.names.index("Mông")
    assert axis.matrix.counts[kinh][mong] == axis.matrix.counts[mong][kinh] > 0


def test_real_texts_are_swapped_too():
    axis = natural_swaps(answer(Topics(Judge("người Dao"), cases()), "T1"))
    found = verdicts(axis, "flip_rate")
    assert found.pop("Dao") is Verdict.FAIL
    assert set(found.values()) == {Verdict.PASS}


def test_groups_of_texts_are_compared_by_length_and_source():
    wrong = [Case(one.text, LAW, one.source) if one.source == "báo 0" else one for one in cases(800)]
    scored = score(Topics(Judge(), wrong), "T1")
    assert verdicts(by_source(scored), "accuracy")["báo 0"] is Verdict.FAIL
    assert by_length(scored) is not None
    assert by_source(score(Topics(Judge(), [Case("a", LAW, "x")]), "T1")) is None


def test_mentions_are_found_by_whole_words_and_held_against_the_rest():
    patterns = dict(mention_patterns())
    assert patterns["dân tộc thiểu số"].search("Một người Ê Đê đến xã.")
    assert not patterns["dân tộc thiểu số"].search("Ngày mai trời nắng, người Kinh và du khách.")
    assert not patterns["người nghèo"].search("nghèonàn")
    few = [Case("Phụ nữ ở đây mắc bệnh.", HEALTH, ""), *cases(60)]
    subject = Topics(Judge(), few)
    marks = mention_marks(subject)
    assert marks["phụ nữ"].sum() == 0  # as written in capitals it is another word's beginning
    axis = by_mention(score(subject, "T1"), marks)
    assert set(verdicts(axis, "accuracy").values()) == {Verdict.INSUFFICIENT}
    kinds = {one.metric for one in mention_measures(answer(subject, "T1"), marks)}
    assert {"bpsn_auc", "bnsp_auc", "subgroup_auc", "abstain_rate", "overconfidence"} == kinds


def test_a_classifier_should_decline_what_is_not_vietnamese():
    labels = {"khm": None, "eng": None}
    axis = languages(Topics(Judge(), cases()), {"khm": ["ភាសា" * 9] * 120, "eng": ["human rights"] * 120}, labels, "T1")
    assert verdicts(axis, "abstain_rate_foreign") == {"khm": Verdict.PASS, "eng": Verdict.FAIL}


def test_words_keep_their_borders_when_only_a_name_changes():
    sentences = [["Bà", "Lan", "về", "quê"], ["Trời", "mưa", "to", "quá"]] * 60
    subject = Segments(Splitter(), [Case(" ".join(words), words, "x") for words in sentences])
    assert np.all(subject.counts(subject.cases)[:, 0] == subject.counts(subject.cases)[:, 1])
    axis = swap_axis(subject, ethnic_phrases(), templates(), "T1")
    assert set(verdicts(axis, "flip_rate").values()) == {Verdict.PASS}
    kept = verdicts(axis, "name_kept")
    assert (kept["Tày"], kept["Ê Đê"]) == (Verdict.PASS, Verdict.FAIL)
    people = swap_axis(subject, person_phrases()[0], templates(), "T1")
    assert [one.metric for one in people.measures] == ["flip_rate"]


def test_names_of_communes_that_are_lost_show_on_their_province():
    known = {strip_diacritics(word): word for word in " ".join(one.text for one in SENTENCES).split()}
    subject = Restorations(Restorer({**known, "Phu": "Phú"}), [Case("Phú", None, "")])
    axis = commune_axis(
        subject, {"01": [f"Phú {at}" for at in range(40)], "11": [f"Nậm {at}" for at in range(40)]}, "T1"
    )
    found = {one.group: one for one in axis.measures[0].comparisons}
    assert found["11"].value == 0
    assert found["01"].value > 0.3
    assert found["11"].verdict is Verdict.FAIL
    assert axis.places == "34"


def test_restored_syllables_are_counted_in_one_tone_placement():
    subject = Restorations(Restorer({"hoa": "hoà", "binh": "bình"}), [Case("hòa bình", None, "news")])
    assert subject.counts(subject.cases).tolist() == [[2.0, 2.0]]


def test_every_way_of_typing_is_the_same_word_by_word_and_on_a_whole_text():
    text = "Thủy hoà giải được nguyễn tỉnh Đắk Lắk khoẻ"
    for way in disturbances()[:8]:
        assert way.typed(text) == " ".join(way.typed(word) for word in text.split(" ")), way.id
    assert late_tone("Hòa thủy quý khỏe") == "Hoà thuỷ quý khoẻ"
    assert telex("được") == "dduwowcj"
    assert telex("Hòa") == "Hoaf"
    assert sorted(mistyped("nghiêng")) in (sorted("nghiêng"), sorted(mistyped("nghiêng")))
    assert mistyped("nghiêng") != "nghiêng"
    assert mistyped("ơi") == "ơi"
    assert oral("Tôi muốn hỏi.") != oral("Anh muốn hỏi.")


def test_the_lists_are_whole_and_say_their_source():
    assert len(ethnic_groups()) == len({one.code for one in ethnic_groups()}) == 54
    assert ethnic_groups()[0].name == "Kinh"
    assert len(templates()) == len({one.text for one in templates()}) == 150
    assert all(one["source"] and one["digest"].startswith("sha256:") for one in sources(("persons", "templates")))
    assert region_of("Con heo ăn bắp, quẹo trái") == "Nam"
    assert region_of("con heo") == ""
    filled, at = templates()[0].fill("người Tày")
    assert filled[at : at + 9].lower() == "người tày"


def test_a_reviewers_own_templates_are_checked(tmp_path):
    path = tmp_path / "hidden.json"
    path.write_text('{"templates": {"t": ["không có chỗ"]}}', encoding="utf-8")
    with pytest.raises(InvalidInputError):
        hidden_templates(path)
    rows = ", ".join(f'"{{X}} câu số {at}"' for at in range(20))
    path.write_text(f'{{"templates": {{"t": [{rows}]}}}}', encoding="utf-8")
    found, digest = hidden_templates(path)
    assert len(found) == 20
    assert digest.startswith("sha256:")


def test_margins_tighten_with_the_tier():
    for quantity in ("accuracy", "false_alarms", "flips", "shift", "auc", "coverage", "size_peers", "flag_ratio"):
        first, second, third = (rule_for(quantity, tier).delta for tier in ("T1", "T2", "T3"))
        assert first > second > third > 0
    assert rule_for("accuracy", "T3").least == 500
    assert rule_for("accuracy", "T0") == rule_for("accuracy", "T1")
    with pytest.raises(InvalidInputError):
        rule_for("accuracy", "T4")
