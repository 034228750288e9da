import subprocess
import sys

import pytest

from models.errors import NotFoundError, UnavailableError
from registry.mlflow_store import Figure, Input, Tracking

# MLflow 3.17 still uses a loader that SQLAlchemy 2.1 deprecates; its answers are checked below.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")

DIGEST = "sha256:" + "ab" * 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One store for the whole session: MLflow takes seconds to create its tables."""
    return tmp_path_factory.getbasetemp() / "mlflow"


def test_a_run_is_read_back_as_it_was_recorded(folder, tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    tracking = Tracking(folder)
    with tracking.run("vi-topic", "vi-topic 1.0.0", {"code_commit": "unknown"}) as run:
        run.inputs([Input("nlp/x/train.txt", DIGEST, "https://example.org/x @ 1", "training")])
        run.parameters({"seed": 7, "layers": 2})
        run.figures([Figure("accuracy", 0.5)])
        run.tags({"artifact_digest": DIGEST})
        run.files(tmp_path, "artifact")
    record = Tracking(folder).read(run.id)
    assert record.status == "FINISHED"
    assert record.parameters == {"seed": "7", "layers": "2"}
    assert record.figures == {"accuracy": 0.5}
    assert record.tags["artifact_digest"] == DIGEST
    assert record.tags["code_commit"] == "unknown"
    assert record.inputs == (Input("nlp/x/train.txt", DIGEST, "https://example.org/x @ 1", "training"),)
    assert len(list(folder.glob(f"artifacts/{run.id}/**/manifest.json"))) == 1


def test_names_that_mlflow_refuses_are_recorded_in_letters_it_takes(folder):
    tracking = Tracking(folder)
    with tracking.run("vi-topic", "names", {"overlap#a": "1"}) as run:
        run.tags({"x#held-back (ở phần giữ lại)": "2"})
        run.parameters({"số lớp": 3})
        run.figures([Figure("model/accuracy/x.xz#part/all", 0.25)])
    record = tracking.read(run.id)
    assert record.figures == {"model/accuracy/x.xz_part/all": 0.25}
    assert record.parameters == {"s_ l_p": "3"}
    assert record.tags["overlap_a"] == "1"


def test_a_run_whose_work_fails_is_recorded_as_failed(folder):
    tracking = Tracking(folder)
    with pytest.raises(ZeroDivisionError), tracking.run("vi-topic", "broken", {}) as run:
        run.figures([Figure("accuracy", 1 / 0)])
    assert tracking.read(run.id).status == "FAILED"


def test_a_run_that_does_not_exist_is_not_found(folder):
    with pytest.raises(NotFoundError):
        Tracking(folder).read("0" * 32)


def test_a_tracking_folder_that_cannot_be_written_is_a_platform_error(tmp_path):
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(UnavailableError):
        Tracking(tmp_path / "mlflow").read("0" * 32)


def test_a_new_store_says_nothing_of_its_tables(tmp_path):
    """The lines of a command are the command's own."""
    script = f"from pathlib import Path; from registry.mlflow_store import Tracking; Tracking(Path({str(tmp_path)!r}))"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (tmp_path / "mlflow.db").exists()
    assert "INFO" not in said.stdout + said.stderr
