"""Models and runs of the tracking server, fetched for a registration.

Decision: they are asked for through our own door (`services.tracking`) in the caller's workspace, so that an
organisation can register what it may see and nothing else; no address that a client gives is ever called. What comes
back is laid into one tar, as if the engineer had packed it, and judged like any other upload.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from models.errors import InvalidInputError, NotFoundError, UnavailableError
from services.tracking import PREFIX, Tracking

RUN: Final = re.compile(r"runs:/([0-9a-f]{32})/([\w.-]+(?:/[\w.-]+){0,4})")
LOGGED: Final = re.compile(r"models:/(m-[0-9a-f]{32})")
VERSIONED: Final = re.compile(r"models:/([^/@]{1,200})/([0-9]{1,9})")
STORE: Final = "mlflow-artifacts:/"
ANSWER_BYTES: Final = 4 << 20
MOST_BYTES: Final = 1 << 30
MOST_FILES: Final = 200
DEEPEST: Final = 6
SUBJECT: Final = "aichung.subject"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a model's run says: facts for the card, and figures as rows of an evaluation record."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    figures: list[dict[str, Any]] = field(default_factory=list)
    datasets: list[dict[str, Any]] = field(default_factory=list)


class Runs:
    """Reads one installation's tracking server for registrations."""

    def __init__(self, tracking: Tracking) -> None:
        """Ask through `tracking`."""
        self._tracking = tracking

    async def fetch(self, tenant: str, uri: str, to: Path) -> Fetched:
        """Write the model's files as a tar; what its run says.

        Raises InvalidInputError (no such form of address, too large), NotFoundError (not there, or another's).
        """
        root, run_id = await self._place(tenant, uri)
        files = await self._files(tenant, root)
        with tarfile.open(to, "w") as archive:
            for name, size in files:
                member = tarfile.TarInfo(name)
                member.size = size
                content = await self._bytes(tenant, f"{root}/{name}", size)
                archive.addfile(member, BytesIO(content))
        return await self._run(tenant, run_id) if run_id else Fetched()

    async def _place(self, tenant: str, uri: str) -> tuple[str, str | None]:
        """The folder of a model's files in the artefact store, and its run."""
        versioned, logged, run = VERSIONED.fullmatch(uri), LOGGED.fullmatch(uri), RUN.fullmatch(uri)
        if versioned is not None and not logged:
            asked = {"name": versioned[1], "version": versioned[2]}
            found = (await self._get(tenant, "/api/2.0/mlflow/model-versions/get", asked))["model_version"]
            logged, run = LOGGED.fullmatch(str(found.get("source"))), RUN.fullmatch(str(found.get("source")))
        if logged is not None:
            model = (await self._get(tenant, f"/api/2.0/mlflow/logged-models/{logged[1]}"))["model"]["info"]
            return _within(str(model["artifact_uri"])), model.get("source_run_id") or None
        if run is not None:
            found = (await self._get(tenant, "/api/2.0/mlflow/runs/get", {"run_id": run[1]}))["run"]["info"]
            return f"{_within(str(found['artifact_uri']))}/{run[2]}", run[1]
        raise InvalidInputError.at(
            "/model_uri", "model_uri có dạng models:/m-…, models:/tên/số hoặc runs:/mã/đường-dẫn.",
            "model_uri is models:/m-…, models:/name/number or runs:/id/path.", code="wrong-value",
        )  # fmt: skip

    async def _files(self, tenant: str, root: str) -> list[tuple[str, int]]:
        """Names and sizes of all files below a folder. Raises NotFoundError, InvalidInputError."""
        found: list[tuple[str, int]] = []
        folders = [""]
        while folders:
            folder = folders.pop()
            path = f"{root}/{folder}".rstrip("/")
            listed = await self._get(tenant, "/api/2.0/mlflow-artifacts/artifacts", {"path": path})
            for row in listed.get("files", ()):
                name = f"{folder}/{row['path'].rpartition('/')[2]}".lstrip("/")
                if not row.get("is_dir"):
                    found.append((name, int(row.get("file_size", 0))))
                elif name.count("/") < DEEPEST:
                    folders.append(name)
            if len(found) > MOST_FILES or sum(size for _, size in found) > MOST_BYTES:
                vi, en = "Mô hình có quá nhiều tệp hoặc quá lớn.", "The model has too many files or is too large."
                raise InvalidInputError.at("/model_uri", vi, en, code="too-large")
        if not found:
            raise _no_model()
        return sorted(found)

    async def _run(self, tenant: str, run_id: str) -> Fetched:
        run = (await self._get(tenant, "/api/2.0/mlflow/runs/get", {"run_id": run_id}))["run"]
        data, info = run.get("data", {}), run["info"]
        tags = {row["key"]: row["value"] for row in data.get("tags", ())}
        parameters = {row["key"]: row["value"] for row in data.get("params", ())}
        seconds = (int(info.get("end_time") or 0) - int(info.get("start_time") or 0)) / 1000
        seed = next((parameters[name] for name in ("seed", "random_state", "random_seed") if name in parameters), None)
        facts = {
            "id": run_id, "parameters": parameters, "seed": seed, "seconds": seconds if seconds > 0 else None,
            "code_commit": tags.get("code_commit") or tags.get("mlflow.source.git.commit"),
            "environment_digest": tags.get("environment_digest"), "hardware": tags.get("hardware"),
            "subject": tags.get(SUBJECT),
        }  # fmt: skip
        datasets = [_dataset(row) for row in run.get("inputs", {}).get("dataset_inputs", ())]
        measured = next((row for row in datasets if row["role"] == "evaluation"), {"id": None, "digest": None})
        figures = [
            {"name": row["key"], "value": row["value"], "slice": "all", "dataset": measured["id"],
             "dataset_digest": measured["digest"], "baseline": None}
            for row in data.get("metrics", ())
        ]  # fmt: skip
        return Fetched({name: value for name, value in facts.items() if value is not None}, figures, datasets)

    async def _get(self, tenant: str, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self._bytes_of(tenant, path, urlencode(query or {}), ANSWER_BYTES))
        return found

    async def _bytes(self, tenant: str, path: str, size: int) -> bytes:
        found = await self._bytes_of(tenant, f"/api/2.0/mlflow-artifacts/artifacts/{path}", "", size)
        if len(found) != size:
            raise _away()
        return found

    async def _bytes_of(self, tenant: str, path: str, query: str, most: int) -> bytes:
        """The body of an answer. Raises NotFoundError, UnavailableError."""
        response = await self._tracking.forward("GET", PREFIX + path, query.encode(), {}, _nothing(), tenant)
        try:
            if response.status_code in (400, 403, 404):
                raise _no_model()
            if response.status_code != 200:
                raise _away()
            content = bytearray()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > most:
                    raise _away()
            return bytes(content)
        finally:
            await response.aclose()


def _dataset(row: Mapping[str, Any]) -> dict[str, Any]:
    tags = {tag["key"]: tag["value"] for tag in row.get("tags", ())}
    name, context = row["dataset"].get("name"), tags.get("mlflow.data.context", "training")
    role = "evaluation" if context in ("evaluation", "eval", "test", "validation") else "training"
    return {"id": name, "role": role, "digest": tags.get("sha256") or row["dataset"].get("digest")}


def _within(uri: str) -> str:
    """A place inside the artefact store. Raises NotFoundError for any other, which no run of ours has."""
    if not uri.startswith(STORE) or ".." in uri.split("/"):
        raise _no_model()
    return uri.removeprefix(STORE).strip("/")


def _no_model() -> NotFoundError:
    vi, en = "Kho theo dõi không có mô hình này.", "The tracking server has no such model."
    return NotFoundError(vi, en, code="unknown-run")


def _away() -> UnavailableError:
    vi, en = "Máy chủ theo dõi trả lời không đọc được.", "The tracking server's answer cannot be read."
    return UnavailableError(vi, en, 5, code="tracking-away")


async def _nothing() -> AsyncIterator[bytes]:
    """An empty body."""
    for part in tuple[bytes, ...]():
        yield part
