"""The bundled models at start: registered once, one fault never takes the others down."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from sqlalchemy import update

from models.catalog import KINDS
from registry.approvals import Trust
from registry.bundle import BUNDLED, DEFAULTS, KIND_TASKS, install
from registry.database import Database
from registry.entries import Stage
from registry.evidence import Evidences
from registry.gate import may_serve
from registry.signatures import Signer
from registry.sql_store import SqlStore
from registry.tables import approvals, entries
from tests.registry.making import DAY, HandClock, flip, model_folder


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    for name in ("vi-segment", "vi-topic"):
        model_folder(tmp_path / "bundled", name)
    return tmp_path / "bundled"


@pytest.fixture
def store(database: Database, signer: Signer) -> SqlStore:
    return SqlStore(database, Trust((signer.public,)))


def states(store: SqlStore, at: float) -> dict[str, str]:
    return {entry.reference: may_serve(entry, at).state for entry in store.entries()}


def test_an_evaluation_installation_serves_its_bundle_for_90_days(bundled, store, signer, clock: HandClock):
    installed = install(bundled, store, signer, clock=clock)
    assert {entry.approval.kind for entry in installed.entries} == {"bootstrap"}
    assert states(store, clock.now) == {"vi-segment@1.0.0": "open", "vi-topic@1.0.0": "open"}
    assert set(states(store, clock.now + 90 * DAY).values()) == {"expired"}
    assert store.entry("vi-segment", "1.0.0").is_default == ("segment",)


def test_a_second_start_changes_nothing_and_signs_nothing_again(bundled, store, signer, clock: HandClock):
    first = install(bundled, store, signer, clock=clock)
    revision = store.revision()
    clock.now += 100 * DAY
    assert install(bundled, store, signer, clock=clock).entries == first.entries
    assert store.revision() == revision
    assert set(states(store, clock.now).values()) == {"expired"}


def test_missing_models_are_named_and_the_others_serve(bundled, store, signer, clock: HandClock):
    troubles = install(bundled, store, signer, clock=clock).troubles
    assert {trouble.model for trouble in troubles} == set(BUNDLED) - {"vi-segment", "vi-topic"}
    assert all(trouble.model in trouble.error.note.vi for trouble in troubles)


@pytest.mark.parametrize("path", ["artifact/weights.json", "card.json", "evaluation.json"])
def test_an_altered_model_is_told_and_the_others_serve(bundled: Path, store, signer, clock: HandClock, path: str):
    install(bundled, store, signer, clock=clock)
    flip(bundled / "vi-segment" / "1.0.0" / path, at=-4)
    troubles = {trouble.model: trouble.error for trouble in install(bundled, store, signer, clock=clock).troubles}
    assert "vi-segment@1.0.0" in troubles
    assert states(store, clock.now) == {"vi-segment@1.0.0": "altered", "vi-topic@1.0.0": "open"}


def test_an_altered_model_is_never_registered_at_a_first_start(bundled: Path, store, signer, clock: HandClock):
    flip(bundled / "vi-segment" / "1.0.0" / "artifact" / "weights.json")
    install(bundled, store, signer, clock=clock)
    assert states(store, clock.now) == {"vi-topic@1.0.0": "open"}


def test_a_suspended_model_stays_suspended_over_a_restart(bundled, store, signer, clock: HandClock):
    install(bundled, store, signer, clock=clock)
    store.move("vi-segment", "1.0.0", Stage.SUSPENDED, "operator", "incident")
    install(bundled, store, signer, clock=clock)
    assert states(store, clock.now)["vi-segment@1.0.0"] == "suspended"


def test_production_approves_nothing(bundled, store, signer, clock: HandClock):
    installed = install(bundled, store, None, clock=clock, profile="production")
    assert {entry.stage for entry in installed.entries} == {Stage.IN_REVIEW}
    assert set(states(store, clock.now).values()) == {"missing"}


def test_a_newer_version_becomes_the_default_once_and_a_person_s_choice_stays(
    bundled: Path, store, signer, clock: HandClock
):
    install(bundled, store, signer, clock=clock)
    model_folder(bundled, "vi-segment", "1.10.0", weight=2)
    install(bundled, store, signer, clock=clock)
    assert store.entry("vi-segment", "1.10.0").is_default == ("segment",)
    store.set_default("segment", "vi-segment", "1.0.0", "owner")
    install(bundled, store, signer, clock=clock)
    assert store.entry("vi-segment", "1.0.0").is_default == ("segment",)


def test_a_moved_installation_finds_its_models_again(bundled: Path, store, signer, clock: HandClock, tmp_path: Path):
    install(bundled, store, signer, clock=clock)
    moved = Path(shutil.move(bundled, tmp_path / "moved"))
    install(moved, store, signer, clock=clock)
    assert set(states(store, clock.now).values()) == {"open"}


def test_a_row_that_was_changed_by_hand_closes_the_gate(bundled, store, signer, clock, database: Database):
    install(bundled, store, signer, clock=clock)
    first = store.entry("vi-segment", "1.0.0")
    digests = asdict(first.digests)
    for values in (
        {"tier": "T0"},
        {"public": False},
        {"tenant": "ten_x"},
        {"digests": {**digests, "card": "sha256:0"}},
    ):
        with database.write() as connection:
            connection.execute(update(entries).where(entries.c.name == "vi-segment").values(**values))
        assert states(store, clock.now)["vi-segment@1.0.0"] == "altered"
        back = {"tier": "T1", "public": True, "tenant": first.tenant, "digests": digests}
        with database.write() as connection:
            connection.execute(update(entries).where(entries.c.name == "vi-segment").values(**back))
    assert states(store, clock.now)["vi-segment@1.0.0"] == "open"


def test_an_approval_moved_to_another_model_closes_the_gate(bundled, store, signer, clock, database: Database):
    install(bundled, store, signer, clock=clock)
    with database.write() as connection:
        connection.execute(update(approvals).where(approvals.c.name == "vi-topic").values(name="vi-segment"))
    assert "open" not in states(store, clock.now).values()


def test_a_broken_row_does_not_silence_the_other_models(bundled, store, signer, clock, database: Database):
    install(bundled, store, signer, clock=clock)
    with database.write() as connection:
        connection.execute(update(entries).where(entries.c.name == "vi-segment").values(stage="serving!"))
    assert states(store, clock.now) == {"vi-topic@1.0.0": "open"}


def test_files_are_hashed_again_when_touched_and_after_an_hour(bundled: Path, monkeypatch: pytest.MonkeyPatch):
    folder = bundled / "vi-segment" / "1.0.0"
    hand = HandClock(0.0)
    evidences = Evidences(clock=hand)
    first = evidences.read(folder)
    assert evidences.read(folder) is first
    hand.now = 3601
    again = evidences.read(folder)
    assert again is not first
    (folder / "card.json").touch()
    assert evidences.read(folder) is not again


def test_every_kind_of_the_catalog_has_its_tasks_and_every_task_a_default():
    engineers = {kind for kind in KINDS if kind.startswith(("onnx.", "safetensors."))}
    assert set(KIND_TASKS) == set(KINDS) - engineers  # what an engineer brings is never bundled
    assert {task for tasks in KIND_TASKS.values() for task in tasks} == set(DEFAULTS)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("evaluation.json", lambda document: document | {"model": []}),
        ("card.json", lambda document: document | {"identity": {"artifact_digest": ["x"]}}),
        ("card.json", lambda document: _with_secrecy(document)),
    ],
    ids=["evaluation-of-nothing", "card-of-nothing", "state-secret"],
)
def test_misshapen_evidence_of_one_model_is_told_and_the_others_serve(bundled, store, signer, clock, name, change):
    path = bundled / "vi-topic" / "1.0.0" / name
    path.write_text(json.dumps(change(json.loads(path.read_text("utf-8")))), encoding="utf-8")
    installed = install(bundled, store, signer, clock=clock)
    assert "vi-topic@1.0.0" in {trouble.model for trouble in installed.troubles}
    assert states(store, clock.now) == {"vi-segment@1.0.0": "open"}


def _with_secrecy(document):
    document["classification"]["secrecy"]["value"] = "mật"
    return document


def test_files_that_cannot_be_read_close_their_own_model_only(bundled, store, signer, clock, monkeypatch):
    install(bundled, store, signer, clock=clock)
    read_bytes = Path.read_bytes

    def failing(path: Path) -> bytes:
        if "vi-topic" in path.parts and path.name == "manifest.json":
            return read_bytes(path)
        if "vi-topic" in path.parts and "artifact" in path.parts:
            raise OSError(5, "Input/output error")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", failing)
    fresh = SqlStore(store._database, Trust((signer.public,)), read=Evidences().read)
    assert states(fresh, clock.now) == {"vi-segment@1.0.0": "open", "vi-topic@1.0.0": "altered"}
    assert "cannot be read" in fresh.entry("vi-topic", "1.0.0").reason
