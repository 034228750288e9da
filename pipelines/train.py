"""`aichung train NAME`: from the data catalogue to a sealed artefact with its evidence.

The journey, in order: licences allow it, the human part of the card is there → every byte of data is what the
catalogue says → training and evaluation share nothing → train → measure → seal → one MLflow run holds parameters,
figures, digests of data, commit, packages and machine → evaluation record and card are written beside the artefact.
Whatever fails stops the journey before anything is put in place: the result appears in `out` by one rename.

Two ways out. A *bundled* model may only come from data whose licence allows shipping weights, and gets a card. With
`own_use` an installation trains for itself from any catalogued data: it gets artefact and evaluation record but no
card, so the bundle never picks it up; registering it later takes a review.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from models.artifact import Artifact, seal
from models.catalog import open_model
from models.errors import ConflictError, InvalidInputError
from pipelines import evaluate
from pipelines.datasets import Datasets, refuse_unbundlable
from pipelines.provenance import Provenance, provenance
from pipelines.publish import CARDS, card_of, require_human_part
from pipelines.recipes import Metric, Recipe, Trained, recipe
from registry.bundle import BUNDLED_FOLDER
from registry.canonical import digest
from registry.mlflow_store import Figure, Input, Run, Tracking

ARTIFACT = "artifact"
Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Published:
    """What a journey left in `folder`; `card_digest` is None for own use."""

    name: str
    version: str
    folder: Path
    artifact_digest: str
    evaluation_digest: str
    card_digest: str | None
    run_id: str
    seconds: float
    metrics: tuple[Metric, ...]


def train(
    name: str,
    *,
    mirror: Path | None,
    home: Path,
    out: Path = BUNDLED_FOLDER,
    threads: int = 1,
    quick: bool = False,
    own_use: bool = False,
    log: Log,
) -> Published:
    """Train, measure and publish the recipe of that name into `out/<name>/<version>`.

    `mirror` is the data mirror, `home` the installation's home (MLflow's store lies in it). `quick` is a run of seconds
    for tests. Raises NotFoundError (recipe or data), ForbiddenError (licence), IntegrityError (digests, overlap, card).
    """
    return journey(
        recipe(name), Datasets(mirror), Tracking(home / "mlflow"), out, threads=threads, quick=quick, own_use=own_use,
        log=log,
    )  # fmt: skip


def journey(
    chosen: Recipe,
    data: Datasets,
    tracking: Tracking,
    out: Path,
    *,
    threads: int,
    quick: bool,
    own_use: bool,
    log: Log,
    cards: Path = CARDS,
) -> Published:
    """The journey with its parts given. Raises as `train` does."""
    _admit(chosen, data, out, quick=quick, own_use=own_use)
    if not own_use:
        require_human_part(chosen.name, chosen.licence, cards)
    for id_ in dict.fromkeys((*chosen.training, *chosen.evaluation)):
        for file in data.ids(id_) or (id_,):
            data.path(file)
    log(f"{chosen.name} {chosen.version}: dữ liệu khớp danh mục | data as catalogued")
    facts = provenance()
    with (
        tracking.run(chosen.name, f"{chosen.name} {chosen.version}", _tags(chosen, facts, quick)) as run,
        tempfile.TemporaryDirectory() as temporary,
    ):
        run.inputs(_inputs(chosen, data))
        at, started = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
        trained = chosen.train(data, threads=threads, quick=quick, log=log)
        seconds = time.monotonic() - started
        _require_overlap(chosen, trained)
        staging = Path(temporary) / chosen.version
        artifact = _seal(chosen, trained, staging / ARTIFACT)
        log(f"niêm phong | sealed {artifact.digest}; {seconds:.1f} s")
        metrics = chosen.evaluate(open_model(artifact), data, quick=quick)
        run_facts = evaluate.RunFacts(run.id, at, seconds, trained.seed, threads, quick, facts)
        document = evaluate.record(chosen, data, metrics, trained.overlap, artifact.digest, run_facts)
        evaluate.write(document, staging)
        card = None if own_use else card_of(artifact, document, trained, staging, cards, out)
        _log_run(run, trained, metrics, artifact, staging)
        folder = _place(staging, out / chosen.name / chosen.version)
    if card is not None and not quick:
        card.show(cards)
    return Published(
        chosen.name, chosen.version, folder, artifact.digest, digest(document), card.digest if card else None,
        run.id, seconds, tuple(metrics),
    )  # fmt: skip


def _tags(chosen: Recipe, facts: Provenance, quick: bool) -> dict[str, str]:
    return {
        "kind": chosen.kind, "licence": chosen.licence, "code_commit": facts.code_commit,
        "environment_digest": facts.environment_digest, "hardware": facts.hardware.sentence(),
        "energy": "not_evaluated", "quick": str(quick).lower(),
    }  # fmt: skip


def _inputs(chosen: Recipe, data: Datasets) -> list[Input]:
    return [
        Input(row["id"], row["digest"], f"{row['repository']} @ {row['commit']}", row["role"])
        for row in evaluate.used_datasets(chosen, data)
    ]


def _require_overlap(chosen: Recipe, trained: Trained) -> None:
    """A model of texts must say what was removed because the evaluation has seen it, be it nothing."""
    if chosen.kind.startswith("text.") and not trained.overlap:
        raise ConflictError(
            f"Công thức {chosen.name} không báo cáo phần trùng giữa huấn luyện và đánh giá.",
            f"Recipe {chosen.name} reports no overlap check between training and evaluation.",
            code="overlap-unchecked",
        )


def _admit(chosen: Recipe, data: Datasets, out: Path, *, quick: bool, own_use: bool) -> None:
    """What must hold before any work: licences, separate data, and that a test run cannot land in the bundle."""
    if not own_use:
        refuse_unbundlable(data, chosen.training)
    if out.resolve() == BUNDLED_FOLDER and (quick or own_use):
        raise InvalidInputError(
            "Lần chạy thử và mô hình dùng riêng không được ghi vào bộ phát hành; hãy chọn thư mục khác.",
            "Quick runs and models for own use do not go into the bundle; choose another folder.",
        )
    shared = sorted(set(chosen.training) & set(chosen.evaluation))
    if shared:
        raise ConflictError(
            f"Công thức {chosen.name} vừa huấn luyện vừa đánh giá trên: {', '.join(shared)}.",
            f"Recipe {chosen.name} trains and evaluates on the same data: {', '.join(shared)}.",
        )


def _seal(chosen: Recipe, trained: Trained, folder: Path) -> Artifact:
    folder.mkdir(parents=True)
    config = trained.model.save(folder)
    return seal(
        folder, name=chosen.name, version=chosen.version, kind=chosen.kind, licence=chosen.licence, config=config
    )


def _log_run(run: Run, trained: Trained, metrics: list[Metric], artifact: Artifact, staging: Path) -> None:
    run.parameters({"seed": trained.seed, **trained.parameters})
    run.figures([Figure(_figure_name(metric), metric.value) for metric in metrics])
    overlap = {f"overlap_removed.{id_}": str(report.document()) for id_, report in trained.overlap.items()}
    run.tags({"artifact_digest": artifact.digest, **overlap, **{f"note.{k}": v for k, v in trained.notes.items()}})
    run.files(staging, "published")


def _figure_name(metric: Metric) -> str:
    """A name that tells rows of one figure apart."""
    words = (metric.baseline or "model", metric.name, metric.dataset.rpartition("/")[2], metric.slice)
    return "/".join(word.replace("/", "_") for word in words)


def _place(staging: Path, target: Path) -> Path:
    """Put the finished folder in place by a rename within the target's own file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(staging, fresh)
    if target.exists():
        shutil.rmtree(target)
    fresh.rename(target)
    return target
