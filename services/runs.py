"""Models and runs of the tracking server, fetched for a registration.

Decision: they are asked for through our own door (`services.tracking`) in the caller's workspace, so that an
organisation can register what it may see and nothing else; no address that a client gives is ever called. What comes
back is laid into one tar, as if the engineer had packed it, and judged like any other upload. A version's source is
followed only into the organisation's own part of the artefact store.
"""

from __future__ import annotations

import asyncio
import json
import re
import tarfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlencode

import httpx

from models.errors import InvalidInputError, NotFoundError, UnavailableError
from services.stamps import SUBJECT
from services.tracking import PREFIX, Tracking, workspace_of

RUN: Final = re.compile(r"runs:/([0-9a-f]{32})/([\w.-]+(?:/[\w.-]+){0,4})")
LOGGED: Final = re.compile(r"models:/(m-[0-9a-f]{32})")
VERSIONED: Final = re.compile(r"models:/([^/@]{1,200})/([0-9]{1,9})")
STORE: Final = "mlflow-artifacts:/"
ANSWER_BYTES: Final = 4 << 20
MOST_BYTES: Final = 1 << 30
MOST_FILES: Final = 200
DEEPEST: Final = 6
PART_BYTES: Final = 1 << 20
MOST_MODELS: Final = 50
COMMITTER: Final = "committer"
"""The tag of a run's dataset input that names who prepared the data: a subject's id or name."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a model's run says: facts for the card, and figures as rows of an evaluation record.

    `subjects` made the run, the logged model or its version, as our own door stamped them; `committers` are named by
    the run as those who prepared its data.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    figures: list[dict[str, Any]] = field(default_factory=list)
    datasets: list[dict[str, Any]] = field(default_factory=list)
    subjects: frozenset[str] = frozenset()
    committers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder of the artefact store, the run behind it, and who made what lies there."""

    root: str
    run: str | None
    subjects: frozenset[str]


class Runs:
    """Reads one installation's tracking server for registrations."""

    def __init__(self, tracking: Tracking) -> None:
        """Ask through `tracking`."""
        self._tracking = tracking

    async def fetch(self, tenant: str, uri: str, to: Path) -> Fetched:
        """Write the model's files as a tar, part by part as they come; what its run says.

        Raises InvalidInputError (no such form of address, too large), NotFoundError (not there, or another's).
        """
        place = await self._place(tenant, uri)
        root, files = await self._files(tenant, place.root)
        with to.open("wb", buffering=PART_BYTES) as archive:
            for name, size in files:
                member = tarfile.TarInfo(name)
                member.size = size
                archive.write(member.tobuf())
                await self._copy(tenant, f"{root}/{name}", size, archive)
                archive.write(bytes(-size % tarfile.BLOCKSIZE))
            archive.write(bytes(2 * tarfile.BLOCKSIZE))
        told = await self._run(tenant, place.run) if place.run else Fetched()
        return replace(told, subjects=told.subjects | place.subjects)

    # --- where the files are --------------------------------------------------------------------------------

    async def _place(self, tenant: str, uri: str) -> _Place:
        """The folder that an address means. Raises InvalidInputError, NotFoundError."""
        if logged := LOGGED.fullmatch(uri):
            return await self._logged(tenant, logged[1])
        if versioned := VERSIONED.fullmatch(uri):
            return await self._version(tenant, versioned[1], versioned[2])
        run = RUN.fullmatch(uri)
        if run is not None and not {".", ".."} & set(run[2].split("/")):
            return await self._of_run(tenant, run[1], run[2])
        raise InvalidInputError.at(
            "/model_uri", "model_uri có dạng models:/m-…, models:/tên/số hoặc runs:/mã/đường-dẫn.",
            "model_uri is models:/m-…, models:/name/number or runs:/id/path.", code="wrong-value",
        )  # fmt: skip

    async def _version(self, tenant: str, name: str, number: str) -> _Place:
        """A registered version's folder; its source is followed only within the store of the organisation."""
        asked = {"name": name, "version": number}
        found = (await self._get(tenant, "/api/2.0/mlflow/model-versions/get", asked))["model_version"]
        source = str(found.get("source"))
        if LOGGED.fullmatch(source) or RUN.fullmatch(source):
            place = await self._place(tenant, source)
        else:
            place = _Place(_within(tenant, source), found.get("run_id") or None, frozenset())
        return replace(place, subjects=place.subjects | _stamped(found))

    async def _logged(self, tenant: str, id_: str) -> _Place:
        model = (await self._get(tenant, f"/api/2.0/mlflow/logged-models/{id_}"))["model"]["info"]
        return _Place(_within(tenant, str(model["artifact_uri"])), model.get("source_run_id") or None, _stamped(model))

    async def _of_run(self, tenant: str, id_: str, path: str) -> _Place:
        """The newest model that a run logged under that name, else what lies at that path among its artefacts."""
        run = (await self._get(tenant, "/api/2.0/mlflow/runs/get", {"run_id": id_}))["run"]
        outputs = run.get("outputs", {}).get("model_outputs", ())
        for output in sorted(outputs, key=lambda row: int(row.get("step") or 0), reverse=True)[:MOST_MODELS]:
            model = await self._get(tenant, f"/api/2.0/mlflow/logged-models/{output['model_id']}")
            if model["model"]["info"].get("name") == path:
                return replace(await self._logged(tenant, output["model_id"]), run=id_)
        return _Place(f"{_within(tenant, str(run['info']['artifact_uri']))}/{path}", id_, frozenset())

    async def _files(self, tenant: str, root: str) -> tuple[str, list[tuple[str, int]]]:
        """The folder, and names and sizes of all files below it. Raises NotFoundError, InvalidInputError."""
        found: list[tuple[str, int]] = []
        folders = [""]
        seen = 0
        while folders:
            folder = folders.pop()
            for name, size in await self._list(tenant, f"{root}/{folder}".rstrip("/")):
                seen += 1
                path = f"{folder}/{name}".lstrip("/")
                if size is None:
                    folders.append(path)
                else:
                    found.append((path, size))
                if seen > MOST_FILES or path.count("/") > DEEPEST or sum(size for _, size in found) > MOST_BYTES:
                    vi, en = "Mô hình có quá nhiều tệp hoặc quá lớn.", "The model has too many files or is too large."
                    raise InvalidInputError.at("/model_uri", vi, en, code="too-large")
        if not found:  # the path may be that of one file
            root, _, leaf = root.rpartition("/")
            listed = await self._list(tenant, root)
            found = [(name, size) for name, size in listed if name == leaf and size is not None and size <= MOST_BYTES]
        if not found:
            raise _no_model()
        return root, sorted(found)

    async def _list(self, tenant: str, path: str) -> list[tuple[str, int | None]]:
        """Names in a folder with their sizes; None for a folder."""
        listed = await self._get(tenant, "/api/2.0/mlflow-artifacts/artifacts", {"path": path})
        return [
            (str(row["path"]).rpartition("/")[2], None if row.get("is_dir") else int(row.get("file_size") or 0))
            for row in listed.get("files", ())
        ]

    # --- what is read ---------------------------------------------------------------------------------------

    async def _run(self, tenant: str, run_id: str) -> Fetched:
        run = (await self._get(tenant, "/api/2.0/mlflow/runs/get", {"run_id": run_id}))["run"]
        data, info = run.get("data", {}), run["info"]
        tags = _tags(data)
        parameters = {row["key"]: row["value"] for row in data.get("params", ())}
        seconds = (int(info.get("end_time") or 0) - int(info.get("start_time") or 0)) / 1000
        seed = next((parameters[name] for name in ("seed", "random_state", "random_seed") if name in parameters), None)
        facts = {
            "id": run_id, "parameters": parameters, "seed": seed, "seconds": seconds if seconds > 0 else None,
            "code_commit": tags.get("code_commit") or tags.get("mlflow.source.git.commit"),
            "environment_digest": tags.get("environment_digest"), "hardware": tags.get("hardware"),
        }  # fmt: skip
        inputs = run.get("inputs", {}).get("dataset_inputs", ())
        datasets = [_dataset(row) for row in inputs]
        committers = (_tags(row).get(COMMITTER) for row in inputs)
        measured = next((row for row in datasets if row["role"] == "evaluation"), {"id": None, "digest": None})
        figures = [
            {"name": row["key"], "value": row["value"], "slice": "all", "dataset": measured["id"],
             "dataset_digest": measured["digest"], "baseline": None}
            for row in data.get("metrics", ())
        ]  # fmt: skip
        known = {name: value for name, value in facts.items() if value is not None}
        return Fetched(known, figures, datasets, _stamped(data), frozenset(name for name in committers if name))

    async def _get(self, tenant: str, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        content = BytesIO()
        async for part in self._parts(tenant, path, urlencode(query or {}), ANSWER_BYTES):
            content.write(part)
        try:
            found: dict[str, Any] = json.loads(content.getvalue())
        except ValueError as error:
            raise _away() from error
        return found

    async def _copy(self, tenant: str, path: str, size: int, to: IO[bytes]) -> None:
        """Write a file of exactly that size. Raises NotFoundError, UnavailableError."""
        written = 0
        async for part in self._parts(tenant, f"/api/2.0/mlflow-artifacts/artifacts/{path}", "", size):
            written += len(part)
            await asyncio.to_thread(to.write, part)
        if written != size:
            raise _away()

    async def _parts(self, tenant: str, path: str, query: str, most: int) -> AsyncIterator[bytes]:
        """The body of an answer as it comes, of at most so many bytes. Raises NotFoundError, UnavailableError."""
        response = await self._tracking.forward("GET", PREFIX + path, query.encode(), {}, _nothing(), tenant)
        try:
            if response.status_code in (400, 403, 404):
                raise _no_model()
            if response.status_code != 200:
                raise _away()
            size = 0
            async for part in response.aiter_bytes(PART_BYTES):
                size += len(part)
                if size > most:
                    raise _away()
                yield part
        except httpx.TransportError as error:
            raise _away() from error
        finally:
            await response.aclose()


def _tags(row: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in row.get("tags", ())}


def _stamped(row: Mapping[str, Any]) -> frozenset[str]:
    """Whom our door stamped on a run, a logged model or a version as its maker."""
    subject = _tags(row).get(SUBJECT)
    return frozenset((subject,)) if subject else frozenset()


def _dataset(row: Mapping[str, Any]) -> dict[str, Any]:
    tags = _tags(row)
    name, context = row["dataset"].get("name"), tags.get("mlflow.data.context", "training")
    role = "evaluation" if context in ("evaluation", "eval", "test", "validation") else "training"
    return {"id": name, "role": role, "digest": tags.get("sha256") or row["dataset"].get("digest")}


def _within(tenant: str, uri: str) -> str:
    """A place inside the organisation's part of the artefact store. Raises NotFoundError for any other."""
    place = uri.removeprefix(STORE).strip("/")
    own = f"workspaces/{workspace_of(tenant)}/"
    if not uri.startswith(STORE) or not place.startswith(own) or ".." in place.split("/"):
        raise _no_model()
    return place


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
