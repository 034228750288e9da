import hashlib
import json
import lzma

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from models.text.script import strip_diacritics
from models.values import Document, Labels, TextOptions
from pipelines.datasets import Datasets, Source
from pipelines.training import linear, news, topic
from pipelines.training.placement import modern_tone

WORDS = {
    "The thao": ["đội", "bóng", "trận", "đấu", "cầu", "thủ", "huấn", "luyện", "bàn", "thắng", "sân", "giải", "vô địch"],
    "Kinh doanh": ["ngân", "hàng", "lãi", "suất", "cổ", "phiếu", "doanh nghiệp", "giá", "vàng", "thị trường", "tỷ giá"],
    "Suc khoe": ["bệnh", "viện", "bác sĩ", "thuốc", "dịch", "sốt", "tiêm", "phẫu", "thuật", "khám", "điều trị", "khỏe"],
}


def article(random, label):
    own = random.choice(WORDS[label], 25)
    other = random.choice([word for words in WORDS.values() for word in words], 8)
    return " ".join(random.permutation([*own, *other, *random.choice(["và", "của", "là", "ở"], 10)]).tolist())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A mirror with a small news corpus of three topics under the catalogue's name."""
    random, folder = np.random.default_rng(5), tmp_path_factory.mktemp("mirror")
    labels = sorted(WORDS)
    rows = [
        {"label": labels[i % 3], "id": f"TT_{'VNE' if i % 2 else 'NLD'}_ ({i})", "text": article(random, labels[i % 3])}
        for i in range(4800)
    ]
    body = lzma.compress("\n".join(map(json.dumps, rows)).encode())
    path = folder / news.FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(body)
    source = Source(
        id=news.FILE, title="t", repository="r", commit="c", path="p", sha256=hashlib.sha256(body).hexdigest(),
        size_bytes=len(body), unpacked_sha256=None, licence="MIT", may_bundle=True, reason="r", personal_data="none",
        conversion="none", authors="a",
    )  # fmt: skip
    return Datasets(folder, {news.FILE: source})


@pytest.fixture(scope="module")
def trained(data):
    return topic.RECIPE.train(data, threads=1, quick=True, log=lambda line: None)


def test_the_recipe_learns_the_topics_with_and_without_marks(data, trained):
    rows = {(m.name, m.slice, m.baseline): m for m in topic.RECIPE.evaluate(trained.model, data, quick=True)}
    assert rows["accuracy", "all", None].value > 0.95
    assert rows["accuracy", "no-diacritics", None].value > 0.9
    assert rows["accuracy", "upper-case", None].value == rows["accuracy", "all", None].value
    assert rows["accuracy", "modern-tone", None].value == rows["accuracy", "all", None].value
    assert rows["accuracy", "all", "majority class"].value < 0.5
    low, high = rows["accuracy", "all", None].ci95
    assert low <= rows["accuracy", "all", None].value <= high
    assert rows["documents_per_second", "all", None].value > 0


def test_training_twice_gives_the_same_bytes(data, trained, tmp_path):
    again = topic.RECIPE.train(data, threads=1, quick=True, log=lambda line: None)
    for name, model in (("a", trained.model), ("b", again.model)):
        (tmp_path / name).mkdir()
        model.save(tmp_path / name)
    assert (tmp_path / "a" / "weights.safetensors").read_bytes() == (
        tmp_path / "b" / "weights.safetensors"
    ).read_bytes()


def test_nothing_held_back_is_trained_on(data, trained):
    everything = news.articles(data, quick=True)
    held = [a for a in everything if a.held_back]
    assert 0.05 < len(held) / len(everything) < 0.15
    assert trained.overlap[news.HELD_BACK].evaluation == len(held)
    assert trained.parameters["documents"] <= len(everything) - len(held)


def test_the_held_back_part_does_not_depend_on_case_marks_or_punctuation():
    text = "Đội tuyển thắng trận, hôm qua"
    assert (
        len({news.is_held_back(t) for t in (text, text.upper(), text.replace(",", " ."), strip_diacritics(text))}) == 1
    )


def test_labels_are_the_training_data_s_own_strings(trained):
    (found,) = trained.model.predict([Document("", "trận đấu bóng")], TextOptions())
    assert isinstance(found, Labels)
    assert {label for label, _ in found.labels} == set(WORDS)


def test_the_squared_hinge_separates_what_can_be_separated():
    random = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], 40)
    points = np.eye(3)[classes] + random.normal(0, 0.1, (120, 3))
    table = linear.fit(csr_matrix(points.astype(np.float32)), classes, 10.0, np.ones(120, np.float32), 0)
    assert ((points @ table[:-1] + table[-1]).argmax(1) == classes).all()


def test_calibrated_scores_say_how_often_they_are_right():
    random = np.random.default_rng(1)
    scores = random.normal(size=(6000, 4))
    truth = linear.softmax(2.5 * scores + np.array([0.5, 0, -0.5, 0]))
    classes = np.array([random.choice(4, p=row) for row in truth])
    scale, shift = linear.calibrate(scores, classes)
    assert scale == pytest.approx(np.full(4, 2.5), abs=0.25)
    said = linear.softmax(scores * scale + shift)
    assert linear.calibration_error(said.max(1), said.argmax(1) == classes) < 0.02


def test_the_threshold_keeps_its_promise_on_the_data_it_is_chosen_on():
    random = np.random.default_rng(2)
    sure = random.uniform(0.5, 1, 5000)
    probabilities = np.stack([sure, 1 - sure], 1)
    classes = (random.uniform(size=5000) > sure).astype(np.int64)
    below, answered = topic._threshold(probabilities, classes)
    chosen = sure >= below
    assert (classes[chosen] == 0).mean() >= topic.ANSWERED_ACCURACY - 0.01
    assert answered == pytest.approx(chosen.mean(), abs=0.001)


def test_modern_tone_placement_moves_only_open_syllables():
    assert modern_tone("hòa hoàn khỏe thủy quý") == "hoà hoàn khoẻ thuỷ quý"


def test_what_one_topic_alone_uses_counts_twice_what_is_spread_evenly():
    classes = np.tile(np.repeat([0, 1], 50), 2)
    held = np.stack([classes == 0, np.arange(200) % 2 == 0, np.zeros(200, bool)], 1)
    factors = topic._factors(csr_matrix(held.astype(np.float32)), classes).astype(np.float64)
    assert factors[0] == pytest.approx(2 * factors[1], rel=0.05)
    assert factors[2] > factors[1]


def test_factors_bring_rows_to_unit_length_and_leave_empty_ones_empty():
    rows = csr_matrix(np.array([[0, 0, 0], [1, 2, 0], [0, 0, 0], [3, 0, 4], [0, 0, 0]], np.float32))
    weighed = topic._weighed(rows, np.array([1, 2, 1], np.float16))
    assert np.linalg.norm(weighed.toarray(), axis=1) == pytest.approx([0, 1, 0, 1, 0])
    assert weighed[1, 1] == pytest.approx(4 / np.sqrt(17))
