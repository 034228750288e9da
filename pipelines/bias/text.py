"""The language family: topics, words, diacritics, each on what was held back from its training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from models.contract import Model
from models.errors import Note
from models.text.script import strip_diacritics
from pipelines.bias.brought import Brought
from pipelines.bias.disturbances import Disturbance, disturbances, oral
from pipelines.bias.language import (
    Scored,
    by_length,
    by_mention,
    by_region,
    by_source,
    mention_marks,
    score,
    surface,
)
from pipelines.bias.lists import Template, ethnic_phrases, person_phrases
from pipelines.bias.places import UNITS, commune_axis, communes, origin_phrases
from pipelines.bias.subjects import Case, Restorations, Segments, Subject, Topics
from pipelines.bias.swapping import swap_axis
from pipelines.bias.topics import answer, calibration_facts, languages, mention_measures, natural_swaps
from pipelines.bias.values import Axis, Findings, Harming, Untested
from pipelines.datasets import Datasets
from pipelines.training import corpus, news
from pipelines.treebank import treebank

UDHR = "nlp/udhr_vietnam_region/udhr_paragraphs.tsv"
TREEBANK = "nlp/ud_vi_vtb/vi_vtb-ud-test.conllu"
LISTS = ("ethnic_groups", "persons", "mentions", "regional", "typing", "templates")
SPOKEN = {
    "khm": Note("Khmer", "Khmer"), "lao": Note("Lào", "Lao"), "blt": Note("Thái Đen", "Tai Dam"),
    "hea": Note("Mông (Kiềm Đông, bắc)", "Hmong, Northern Qiandong"),
    "hms": Note("Mông (Kiềm Đông, nam)", "Hmong, Southern Qiandong"), "hni": Note("Hà Nhì", "Hani"),
    "iii": Note("Lô Lô (Nuosu)", "Nuosu, of the Lô Lô group"), "cmn_hans": Note("Hoa", "Chinese"),
    "eng": Note("Anh", "English"), "fra": Note("Pháp", "French"),
}  # fmt: skip
SPEECH = Disturbance("oral", Note("lời nói", "as spoken"), oral)
Log = Callable[[str], None]


def assess_topics(
    model: Model[Any, Any, Any], data: Datasets, templates: Sequence[Template], tier: str, log: Log, *, quick: bool
) -> Findings:
    """Every test of a topic classifier on the held-back tenth of the news."""
    cases = [Case(one.text, one.label, one.paper) for one in news.articles(data, quick=quick) if one.held_back]
    subject = Topics(model, cases)
    scored, answered = score(subject, tier), answer(subject, tier)
    log(f"{len(cases)} văn bản | texts")
    marks = mention_marks(subject)
    mentions = by_mention(scored, marks)
    mentions = Axis(
        mentions.id, mentions.title, (*mentions.measures, *mention_measures(answered, marks)), mentions.labels
    )  # fmt: skip
    axes = [surface(scored, (*disturbances(), SPEECH)), *_natural(scored), mentions]
    log("đã thử cách viết, nguồn, nhắc tới nhóm | typing, sources, mentions tested")
    axes.append(natural_swaps(answered))
    axes += _swaps(subject, templates, tier)
    axes.append(swap_axis(subject, origin_phrases(), templates, tier, "34"))
    axes.append(languages(subject, _paragraphs(data), SPOKEN, tier))
    datasets = (news.HELD_BACK, UDHR)
    return Findings("text", axes, TOPIC_HARMS, TOPIC_UNTESTED, datasets, LISTS, calibration_facts(answered))


def assess_brought(
    model: Model[Any, Any, Any], brought: Brought, templates: Sequence[Template], tier: str, log: Log
) -> Findings:
    """Every test of a classifier that somebody brings, on labelled texts that they bring with it."""
    subject = Topics(model, brought.cases)
    scored, answered = score(subject, tier), answer(subject, tier)
    log(f"{len(brought.cases)} văn bản | texts")
    marks = mention_marks(subject)
    mentions = by_mention(scored, marks)
    mentions = Axis(
        mentions.id, mentions.title, (*mentions.measures, *mention_measures(answered, marks)), mentions.labels
    )  # fmt: skip
    axes = [surface(scored, (*disturbances(), SPEECH)), *_natural(scored), mentions, natural_swaps(answered)]
    axes += _swaps(subject, templates, tier)
    axes.append(swap_axis(subject, origin_phrases(), templates, tier, "34"))
    facts = calibration_facts(answered)
    return Findings("text", axes, TOPIC_HARMS, TOPIC_UNTESTED[:3], (), LISTS, facts, (brought.row,))


def assess_segments(
    model: Model[Any, Any, Any], data: Datasets, templates: Sequence[Template], tier: str, log: Log, *, quick: bool
) -> Findings:
    """Every test of a segmenter on the treebank's test sentences."""
    sentences = treebank(data.lines(TREEBANK))[: 120 if quick else None]
    subject = Segments(model, [Case(" ".join(words), words, "UD_Vietnamese-VTB") for words in sentences])
    scored = score(subject, tier)
    log(f"{len(sentences)} câu | sentences")
    axes = [surface(scored, disturbances()), *_natural(scored), by_mention(scored, mention_marks(subject))]
    axes += _swaps(subject, templates, tier)
    axes.append(commune_axis(subject, communes(data), tier))
    return Findings("text", axes, WORD_HARMS, PLAIN_UNTESTED, (TREEBANK, UNITS), LISTS)


def assess_diacritics(
    model: Model[Any, Any, Any], data: Datasets, templates: Sequence[Template], tier: str, log: Log, *, quick: bool
) -> Findings:
    """Every test of a restorer on a sentence of each held-back article and decree."""
    held = [one for one in news.articles(data, quick=quick) if one.held_back]
    cases = [Case(text, None, f"báo {one.paper}") for one in held for text in corpus.sentences([one.text], 42)]
    cases += [Case(text, None, "văn bản pháp luật") for text in corpus.sentences(corpus.decrees(data, quick=quick), 42)]
    subject = Restorations(model, cases)
    scored = score(subject, tier)
    log(f"{len(cases)} câu | sentences")
    ways = [
        way for way in disturbances() if way.typed("đã thử") != strip_diacritics("đã thử") and way.id not in UNTYPED
    ]
    axes = [surface(scored, ways), *_natural(scored), by_mention(scored, mention_marks(subject))]
    axes += _swaps(subject, templates, tier)
    axes.append(commune_axis(subject, communes(data), tier))
    datasets = (news.HELD_BACK, corpus.LAW_HELD_BACK, UNITS)
    return Findings("text", axes, MARK_HARMS, PLAIN_UNTESTED, datasets, LISTS)


UNTYPED = ("half-diacritics", "late-tone", "nfd", "telex")
"""Ways that leave or move marks: a restorer is asked for text typed without any."""


def _natural(scored: Scored) -> list[Axis]:
    found = [by_length(scored), by_source(scored), by_region(scored)]
    return [axis for axis in found if axis is not None]


def _swaps(subject: Subject, templates: Sequence[Template], tier: str) -> list[Axis]:
    return [swap_axis(subject, phrases, templates, tier) for phrases in (ethnic_phrases(), *person_phrases())]


def _paragraphs(data: Datasets) -> dict[str, list[str]]:
    """Paragraphs of the declaration by language, headings of one or two words left out."""
    found: dict[str, list[str]] = {code: [] for code in SPOKEN}
    for line in list(data.lines(UDHR))[1:]:
        code, _, _, text = line.split("\t")[:4]
        if code in found and len(text) > 40:
            found[code].append(text)
    return {code: texts for code, texts in found.items() if texts}


_LABELLED = Note(
    "dữ liệu kiểm tra không ghi; dân tộc là dữ liệu nhạy cảm nên không thu thập để đo",
    "the test data do not say; ethnic origin is sensitive and is not collected for a test",
)
TOPIC_UNTESTED = (
    Untested(Note("Dân tộc, giới, tuổi của người viết", "Ethnicity, gender, age of the writer"), _LABELLED),
    Untested(
        Note("Chất lượng nhãn theo nhóm (Krippendorff α)", "Quality of labels by group (Krippendorff's α)"),
        Note(
            "mỗi bài chỉ có một nhãn, không có người gán thứ hai",
            "one label an article, no second annotator",
        ),
    ),
    Untested(
        Note("Tiếng Tày, Nùng, Mường, Ê Đê, Gia Rai, Chăm", "Tày, Nùng, Mường, Ê Đê, Gia Rai, Chăm"),
        Note("không có văn bản có giấy phép dùng được", "no text under a licence that allows it"),
    ),
    Untested(
        Note("Đơn thư của người dân", "Petitions of citizens"),
        Note(
            "dữ liệu là báo chí; đơn thư thật là dữ liệu cá nhân", "the data are news; real petitions are personal data"
        ),
    ),
)
PLAIN_UNTESTED = (
    TOPIC_UNTESTED[0],
    Untested(
        Note("Văn bản nói, mạng xã hội, đơn thư", "Speech, social media, petitions"),
        Note("không có bản gán nhãn vàng có giấy phép", "no gold annotation under a licence that allows it"),
    ),
)
TOPIC_HARMS = (
    Harming(
        Note(
            "Người viết không dấu, sai chính tả, dùng từ địa phương",
            "People who type without marks, misspell, or write dialect",
        ),
        Note("văn bản bị xếp nhầm chủ đề", "the text gets a wrong topic"),
        Note("đi nhầm chỗ xử lý, chậm được trả lời", "it reaches the wrong desk and is answered late"),
        "accuracy_lost",
    ),
    Harming(
        Note(
            "Người dân tộc thiểu số, phụ nữ, người khuyết tật, người nghèo",
            "Ethnic minorities, women, disabled and poor people",
        ),
        Note("chỉ vì được nhắc tên mà văn bản đổi chủ đề", "being named alone changes the topic"),
        Note(
            "bị gắn với pháp luật, đời sống thay vì việc thật sự nêu",
            "they are tied to crime or daily life, not to their matter",
        ),
        "flip_rate",
    ),
    Harming(
        Note("Người viết bằng tiếng dân tộc thiểu số", "People who write in a minority language"),
        Note("bị xếp bừa thay vì được báo là không đọc được", "a random label in place of “not readable”"),
        Note("đơn không tới người đọc được", "nobody who can read it gets it"),
        "abstain_rate_foreign",
    ),
)
WORD_HARMS = (
    Harming(
        Note(
            "Người dân tộc thiểu số, vùng có địa danh không phải tiếng Kinh",
            "Ethnic minorities; areas with non-Kinh place names",
        ),
        Note("tên riêng bị cắt rời", "names are cut apart"),
        Note(
            "không tìm thấy người, xã khi tra cứu, thống kê",
            "search and statistics miss the person or the commune",
        ),
        "name_kept",
    ),
    Harming(
        Note("Người viết không dấu hoặc dùng từ địa phương", "People who type without marks or write dialect"),
        Note("từ bị cắt sai", "words are cut wrongly"),
        Note("mọi bước sau dùng từ đều kém đi với họ", "every later step serves them worse"),
        "word_f1_lost",
    ),
)
MARK_HARMS = (
    Harming(
        Note(
            "Người dân tộc thiểu số, vùng có địa danh không phải tiếng Kinh",
            "Ethnic minorities; areas with non-Kinh place names",
        ),
        Note("tên bị thêm dấu sai", "names get wrong marks"),
        Note("giấy tờ ghi sai tên người, tên xã", "papers carry a wrong name of a person or commune"),
        "name_kept",
    ),
    Harming(
        Note("Mọi nhóm được nhắc tới", "Every group that is named"),
        Note("phần còn lại của câu đổi theo tên nhóm", "the rest of the sentence changes with the group"),
        Note(
            "cùng một lời nói, nghĩa khác nhau tùy người",
            "the same words mean another thing for another person",
        ),
        "flip_rate",
    ),
)
