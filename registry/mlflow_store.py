"""MLflow's door: the one file that imports it. Runs are recorded here for ML engineers.

Decision: MLflow mirrors what happened, it is never the authority on what may serve (that is `registry.gate`). The
store is SQLite under `<home>/mlflow` with artefacts beside it; a client with explicit paths is used, so nothing of
MLflow's process-wide state (active run, tracking URI, autologging) is touched, and the artefact folder is logged as
plain files: no model flavour, so no pickle.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# MLflow reports its use over the network from the moment it is imported; a State platform does not call out.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# It tells of every table it creates; a command's output belongs to the command.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from sqlalchemy.exc import SQLAlchemyError

from models.errors import NotFoundError, PlatformError, UnavailableError

DATABASE = "mlflow.db"
ARTIFACTS = "artifacts"
_BATCH = 100
_KEY_CHARACTERS = 250
_PARAMETER_CHARACTERS = 6000


@dataclass(frozen=True, slots=True)
class Input:
    """A data set that a run used: catalogue id, `sha256:…` digest, origin, and `training` or `evaluation`."""

    dataset: str
    digest: str
    origin: str
    role: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of a run."""

    name: str
    value: float


class Run:
    """An open run."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        """Opened by Tracking.run only."""
        self._client = client
        self.id = run_id

    def inputs(self, inputs: Sequence[Input]) -> None:
        """Record the data sets with their digests."""
        rows = [
            DatasetInput(
                Dataset(name=one.dataset, digest=one.digest.removeprefix("sha256:")[:36], source_type="catalogue",
                        source=f"{one.origin} {one.digest}"),
                [InputTag("mlflow.data.context", one.role), InputTag("sha256", one.digest)],
            )
            for one in inputs
        ]  # fmt: skip
        with _translated():
            self._client.log_inputs(self.id, rows)

    def parameters(self, parameters: Mapping[str, object]) -> None:
        """Record parameters, each once."""
        rows = [Param(_key(name), str(value)[:_PARAMETER_CHARACTERS]) for name, value in parameters.items()]
        with _translated():
            for start in range(0, len(rows), _BATCH):
                self._client.log_batch(self.id, params=rows[start : start + _BATCH])

    def figures(self, figures: Sequence[Figure]) -> None:
        """Record metrics."""
        now = int(time.time() * 1000)
        rows = [Metric(_key(one.name), one.value, now, 0) for one in figures]
        with _translated():
            for start in range(0, len(rows), _BATCH):
                self._client.log_batch(self.id, metrics=rows[start : start + _BATCH])

    def tags(self, tags: Mapping[str, str]) -> None:
        """Record tags."""
        with _translated():
            self._client.log_batch(self.id, tags=[RunTag(_key(name), value) for name, value in tags.items()])

    def files(self, folder: Path, under: str) -> None:
        """Keep a folder's files with the run."""
        with _translated():
            self._client.log_artifacts(self.id, str(folder), under)


@dataclass(frozen=True, slots=True)
class Record:
    """A finished run as read back."""

    id: str
    status: str
    parameters: Mapping[str, str]
    figures: Mapping[str, float]
    tags: Mapping[str, str]
    inputs: tuple[Input, ...]


class Tracking:
    """The tracking store of one installation."""

    def __init__(self, folder: Path) -> None:
        """`folder` is `<home>/mlflow`; created, with its database, when it is not there."""
        self._folder = folder.resolve()
        self._folder.mkdir(parents=True, exist_ok=True)
        with _translated():
            self._client = MlflowClient(f"sqlite:///{self._folder / DATABASE}")

    @contextmanager
    def run(self, experiment: str, name: str, tags: Mapping[str, str]) -> Iterator[Run]:
        """An open run in that experiment; FINISHED when the block ends, FAILED when it raises."""
        with _translated():
            created = self._client.create_run(
                self._experiment(experiment), tags={_key(name): value for name, value in tags.items()}, run_name=name
            )
        run = Run(self._client, created.info.run_id)
        status = "FAILED"
        try:
            yield run
            status = "FINISHED"
        finally:
            with _translated():
                self._client.set_terminated(run.id, status)

    def read(self, run_id: str) -> Record:
        """A run as recorded. Raises NotFoundError."""
        with _translated():
            run = self._client.get_run(run_id)
        inputs = tuple(
            Input(one.dataset.name, tags["sha256"], one.dataset.source.rpartition(" ")[0], tags["mlflow.data.context"])
            for one in (run.inputs.dataset_inputs if run.inputs else ())
            for tags in [{tag.key: tag.value for tag in one.tags}]
        )
        return Record(
            run_id, run.info.status, dict(run.data.params), dict(run.data.metrics), dict(run.data.tags), inputs
        )

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(name, artifact_location=(self._folder / ARTIFACTS).as_uri()))


def _key(name: str) -> str:
    """A name that MLflow accepts: letters, digits and `_-./: `; others become `_`."""
    return "".join(c if (c.isalnum() and c.isascii()) or c in "_-./: " else "_" for c in name)[:_KEY_CHARACTERS]


@contextmanager
def _translated() -> Iterator[None]:
    """MLflow's errors and those of its database as ours."""
    try:
        yield
    except MlflowException as error:
        raise _platform_error(error) from error
    except (SQLAlchemyError, OSError) as error:
        raise UnavailableError(
            "Kho theo dõi thí nghiệm không đọc hoặc ghi được.", "The tracking store cannot be read or written."
        ) from error


def _platform_error(error: MlflowException) -> PlatformError:
    if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
        return NotFoundError("Không có lần chạy này trong kho theo dõi.", "The tracking store has no such run.")
    return UnavailableError("Kho theo dõi thí nghiệm từ chối yêu cầu.", "The tracking store refused the request.")
