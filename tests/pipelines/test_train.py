import hashlib
import json
import re
import shutil

import pytest

from models.artifact import open_artifact
from models.catalog import KINDS, open_model
from models.errors import ConflictError, ForbiddenError, IntegrityError, InvalidInputError, NotFoundError
from models.values import TextOptions
from pipelines.datasets import Datasets, Source
from pipelines.publish import CARDS
from pipelines.recipes import Metric, Trained
from pipelines.train import journey, train
from registry.bundle import BUNDLED_FOLDER
from registry.canonical import digest, read_document
from registry.mlflow_store import Tracking
from tests.pipelines.majority import TEST, TRAIN, MajorityRecipe

# MLflow 3.17 still uses a loader that SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")

FILES = {TRAIN: "b\tmột văn bản\nb\thai văn bản\na\tba văn bản\na\txin chào\n", TEST: "b\tbốn\na\tnăm\na\tXin  chào!\n"}


@pytest.fixture(scope="module")
def tracking(tmp_path_factory):
    """One store for the whole session: MLflow takes seconds to create its tables."""
    return Tracking(tmp_path_factory.getbasetemp() / "mlflow")


@pytest.fixture
def cards(tmp_path):
    """A copy of the human parts, so that no test writes into the project."""
    folder = shutil.copytree(CARDS, tmp_path / "cards")
    (folder / "vi-topic" / "card.md").write_text("", encoding="utf-8")
    return folder


def toy(tmp_path, may_bundle=True):
    catalogue = {}
    for id_, text in FILES.items():
        path = tmp_path / "mirror" / id_
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        catalogue[id_] = Source(
            id=id_, title="toy", repository="https://example.org/toy", commit="0" * 40, path=id_,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(), size_bytes=path.stat().st_size, unpacked_sha256=None,
            licence="MIT" if may_bundle else "GPL-3.0-only", may_bundle=may_bundle, reason="r", personal_data="none",
            conversion="none", authors="a",
        )  # fmt: skip
    return Datasets(tmp_path / "mirror", catalogue)


@pytest.fixture
def run(tmp_path, tracking, cards, monkeypatch):
    """The journey of the toy recipe (or a variant of it) into a folder of the test."""
    monkeypatch.setitem(KINDS, "text.majority/1", "tests.pipelines.majority:Majority")

    def run(recipe=None, data=None, out=None, own_use=False, quick=False):
        return journey(
            recipe or MajorityRecipe(), data or toy(tmp_path), tracking, out or tmp_path / "out", threads=1,
            quick=quick, own_use=own_use, log=lambda line: None, cards=cards,
        )  # fmt: skip

    return run


def test_the_journey_leaves_a_sealed_model_with_evaluation_card_and_run(run, tracking, cards):
    done = run()
    artifact = open_artifact(done.folder / "artifact")
    assert artifact.digest == done.artifact_digest
    model = open_model(artifact)
    assert model.predict(*model.samples())[0].labels[0][0] == "b"
    evaluation = read_document(done.folder / "evaluation.json")
    assert digest(evaluation) == done.evaluation_digest
    assert evaluation["overlap_removed"][TEST]["exact"] == 1
    assert evaluation["metrics"][0]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert evaluation["metrics"][0]["dataset_digest"].startswith("sha256:")
    assert evaluation["baselines"][0]["baseline"] == "first label"
    card = read_document(done.folder / "card.json")
    assert digest(card) == done.card_digest
    assert card["identity"]["artifact_digest"]["value"] == artifact.digest
    assert "not_evaluated" in card["fairness"]["bias_report"]
    assert done.artifact_digest in (cards / "vi-topic" / "card.md").read_text(encoding="utf-8")
    record = tracking.read(done.run_id)
    assert record.status == "FINISHED"
    assert record.parameters == {"seed": "3", "labels": "2"}
    assert {(one.dataset, one.role) for one in record.inputs} == {(TRAIN, "training"), (TEST, "evaluation")}
    assert record.tags["artifact_digest"] == artifact.digest
    assert record.tags["code_commit"]
    assert record.tags["energy"] == "not_evaluated"
    assert any(name.startswith("model/accuracy") for name in record.figures)


def test_the_same_recipe_twice_gives_the_same_artefact(run, tmp_path):
    first, second = run(), run(out=tmp_path / "second")
    assert first.artifact_digest == second.artifact_digest
    assert first.run_id != second.run_id


def test_data_whose_licence_forbids_it_is_not_bundled_but_serves_for_own_use(run, tmp_path):
    data = toy(tmp_path, may_bundle=False)
    with pytest.raises(ForbiddenError, match=re.escape(TRAIN)):
        run(data=data)
    assert not (tmp_path / "out").exists()
    done = run(data=data, own_use=True)
    assert done.card_digest is None
    assert sorted(path.name for path in done.folder.iterdir()) == ["artifact", "evaluation.json"]


def test_quick_runs_and_own_use_never_land_in_the_bundle(run):
    for words in ({"quick": True}, {"own_use": True}):
        with pytest.raises(InvalidInputError):
            run(out=BUNDLED_FOLDER, **words)


def test_a_quick_run_says_so_and_leaves_the_rendered_card_alone(run, cards):
    done = run(quick=True)
    assert read_document(done.folder / "evaluation.json")["run"]["quick"] is True
    assert done.artifact_digest not in (cards / "vi-topic" / "card.md").read_text(encoding="utf-8")


def test_a_recipe_that_evaluates_on_its_training_data_is_refused(run):
    class Same(MajorityRecipe):
        evaluation = (TRAIN,)

    with pytest.raises(ConflictError):
        run(Same())


def test_a_model_of_texts_without_an_overlap_report_is_refused(run, monkeypatch, tmp_path):
    class Silent(MajorityRecipe):
        kind = "text.silent/1"

        def train(self, data, **words):
            trained = super().train(data, **words)
            return Trained(trained.model, trained.parameters, trained.seed)

    monkeypatch.setitem(KINDS, "text.silent/1", "tests.pipelines.majority:Majority")
    with pytest.raises(ConflictError):
        run(Silent())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "row",
    [Metric("accuracy", 0.5, 3, TRAIN), Metric("accuracy", float("nan"), 3, TEST), Metric("accuracy", 0.5, 0, TEST)],
)
def test_a_figure_on_undeclared_data_or_that_is_no_number_is_refused(run, row):
    class Wrong(MajorityRecipe):
        def evaluate(self, model, data, *, quick):
            return [row]

    with pytest.raises(IntegrityError):
        run(Wrong())


def test_a_failed_training_leaves_the_earlier_version_in_place(run, tmp_path):
    before = run()

    class Broken(MajorityRecipe):
        def train(self, data, **words):
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        run(Broken())
    assert open_artifact(before.folder / "artifact").digest == before.artifact_digest
    assert [path.name for path in before.folder.parent.iterdir()] == ["0.0.1"]


def test_a_model_without_a_written_card_or_with_a_gap_in_it_is_not_published(run, cards, tmp_path):
    path = cards / "vi-topic" / "card.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("  prohibited:", "  forbidden:"), encoding="utf-8")
    with pytest.raises(InvalidInputError) as caught:
        run()
    assert "/purpose/prohibited" in [fault.pointer for fault in caught.value.faults]
    path.unlink()
    with pytest.raises(NotFoundError):
        run()
    assert not (tmp_path / "out").exists()


def test_a_missing_card_or_another_licence_is_told_before_any_training(run, cards):
    class Hasty(MajorityRecipe):
        def train(self, data, **words):
            raise AssertionError("trained although it cannot be published")

    class Relicensed(Hasty):
        licence = "Apache-2.0"

    with pytest.raises(InvalidInputError, match="licence"):
        run(Relicensed())
    (cards / "vi-topic" / "card.yaml").unlink()
    with pytest.raises(NotFoundError):
        run(Hasty())


def test_an_unknown_recipe_names_those_that_exist(tmp_path):
    with pytest.raises(NotFoundError, match="vi-segment"):
        train("vi-nothing", mirror=None, home=tmp_path, out=tmp_path, log=print)


def test_the_evaluated_model_is_the_one_opened_from_its_seal(run):
    seen = []

    class Watching(MajorityRecipe):
        def evaluate(self, model, data, *, quick):
            seen.append(model.predict(model.samples()[0], TextOptions()))
            assert isinstance(model.labels, list)
            return super().evaluate(model, data, quick=quick)

    done = run(Watching())
    assert (
        json.loads((done.folder / "evaluation.json").read_bytes())["model"]["artifact_digest"] == done.artifact_digest
    )
    assert len(seen) == 1
