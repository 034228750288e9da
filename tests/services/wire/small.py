"""A whole house in one process for the wire's tests: every part is real, only the models are small.

The models do what can be checked by eye (split at spaces, repeat the last value), behind sealed artefacts, short
cards and a real bootstrap approval.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx
import numpy as np

from models.artifact import Artifact, seal
from models.calendar import Axis
from models.contract import Measurement, Model
from models.errors import InvalidInputError, PlatformError
from models.tabular.detector import Calibration, fit
from models.values import (
    AnomalyOptions,
    Column,
    Contribution,
    Document,
    Event,
    Explanation,
    Findings,
    Forecast,
    ForecastOptions,
    Labels,
    Note,
    Restoration,
    RowFindings,
    Segmentation,
    Series,
    Table,
    TabularOptions,
    TextOptions,
)  # fmt: skip
from registry.approvals import Trust, bootstrap, sign
from registry.database import Database
from registry.entries import Digests, Entry, Stage
from registry.evidence import digests_of, read_evidence
from registry.founding import found
from registry.ledger import Ledger
from registry.persons import Persons
from registry.releases import Releases
from registry.reviews import Reviews
from registry.signatures import Signer
from registry.sql_store import SqlStore
from services.app import Family, create_app
from services.evaluation import found_evaluation, read_keys
from services.handles import Handles
from services.house import House, weigh
from services.idempotency import Idempotency
from services.identity import Identity
from services.inference import Inference
from services.keys import open_pepper
from services.quota import Quota
from services.records import Recorder
from services.settings import Settings
from services.shadows import Shadows
from services.telemetry import Telemetry
from services.webhooks import lockbox

POISON = "poison"


class Small(Model[Any, Any, Any]):
    """A model whose arithmetic is one method, `one`."""

    tasks: ClassVar[tuple[str, ...]] = ()
    sample: ClassVar[tuple[Any, Any]]

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.computed = 0

    @classmethod
    def open(cls, artifact: Artifact) -> Self:
        return cls(artifact.config.get("seconds", 0.0))

    def save(self, folder: Path) -> dict[str, Any]:
        return {"seconds": self.seconds}

    def prepare(self, items: Sequence[Any], options: Any) -> Any:
        return items, options

    def compute(self, prepared: Any) -> Any:
        if self.seconds:
            time.sleep(self.seconds)
        self.computed += len(prepared[0])
        return prepared

    def finish(self, computed: Any) -> list[Any]:
        items, options = computed
        return [self._safe(item, options) for item in items]

    def _safe(self, item: Any, options: Any) -> Any:
        text = getattr(item, "text", getattr(item, "name", ""))
        if text == POISON:
            return InvalidInputError("Không dùng được.", "This item cannot be used.", code="unusable")
        if text == "crash":
            raise RuntimeError("the secret is crash")
        return self.one(item, options)

    def one(self, item: Any, options: Any) -> Any:
        raise NotImplementedError

    def warm(self, rounds: int = 3) -> Measurement:
        """A slow model says that it is slow instead of sleeping through its warm-up."""
        return Measurement(self.seconds, 1 / self.seconds) if self.seconds else super().warm(rounds)

    def samples(self) -> tuple[Sequence[Any], Any]:
        item, options = self.sample
        return [item] * 4, options


class Splitter(Small):
    sample = (Document("s", "xin chào"), TextOptions())

    def one(self, item: Document, options: TextOptions) -> Segmentation:
        tokens, at = [], 0
        for word in item.text.split(" "):
            if word:
                tokens.append((at, at + len(word)))
            at += len(word) + 1
        return Segmentation(tokens, [(0, len(item.text))])


class Sorter(Small):
    sample = (Document("s", "xin chào"), TextOptions())

    def one(self, item: Document, options: TextOptions) -> Labels:
        explanation = Explanation(
            "The thao", 0.5, [Contribution(item.text[:3], (0, min(3, len(item.text))), 1.0)], 0.25, 1.75
        )
        return Labels([("The thao", 0.75), ("Van hoa", 0.25)], False, explanation if options.explain else None)


class Marker(Small):
    sample = (Document("s", "xin chao"), TextOptions())

    def one(self, item: Document, options: TextOptions) -> Restoration:
        return Restoration(item.text.replace("chao", "chào"))


class Repeater(Small):
    sample = (Series("s", np.arange(24.0), Axis.parse("M", "2020-01")), ForecastOptions(3))

    def one(self, item: Series, options: ForecastOptions) -> Forecast | PlatformError:
        if not np.isfinite(item.values).any():
            return InvalidInputError("Chuỗi rỗng.", "The series is empty.", code="empty-series")
        last = np.full(options.horizon, item.values[np.isfinite(item.values)][-1])
        quantiles = {q: last + q for q in options.quantiles}
        return Forecast(item.name, last, quantiles, item.axis.shift(len(item.values)), "repeat")


class Watcher(Small):
    sample = (Series("s", np.arange(24.0), Axis.parse("M", "2020-01")), AnomalyOptions())

    def one(self, item: Series, options: AnomalyOptions) -> Findings:
        flags = item.values > 100
        nothing = np.full(len(flags), np.nan)
        events = tuple(
            Event(
                "e1",
                int(i),
                int(i),
                "spike",
                "up",
                3,
                None,
                float(item.values[i]),
                0.001,
                "world",
                Note("cao", "high"),
                False,
            )
            for i in np.flatnonzero(flags)[:1]
        )
        return Findings(
            item.name, np.nan_to_num(item.values), nothing, nothing, nothing, nothing, flags, events, item.axis
        )


class Sifter(Small):
    sample = (Table((Column("a", "number"),), (np.arange(20.0),), ((),), 20), TabularOptions())

    def one(self, item: Table, options: TabularOptions) -> RowFindings:
        return fit(item, Calibration()).judge(item, options)


KINDS: dict[str, tuple[type[Small], tuple[str, ...]]] = {
    "text.segment/1": (Splitter, ("segment",)),
    "text.classify/1": (Sorter, ("topics",)),
    "text.diacritics/1": (Marker, ("diacritics",)),
    "forecast.core/1": (Repeater, ("forecast",)),
    "forecast.additive/1": (Repeater, ("forecast",)),
    "anomaly.series/1": (Watcher, ("anomalies",)),
    "tabular.anomaly/1": (Sifter, ("tabular-anomalies",)),
}
BUNDLED = {
    "vi-segment": "text.segment/1", "vi-topic": "text.classify/1", "vi-diacritics": "text.diacritics/1",
    "forecast-core": "forecast.core/1", "forecast-prophet": "forecast.additive/1", "anomaly-series": "anomaly.series/1",
    "anomaly-tabular": "tabular.anomaly/1",
}  # fmt: skip
DEFAULTS = tuple(name for name in BUNDLED if name != "forecast-prophet")


def papers(artifact: Artifact) -> tuple[dict[str, Any], dict[str, Any]]:
    """A short card and evaluation record; that cards are complete is the registry's own test."""
    row = {"value": 0.97, "n": 10, "dataset": "a/b", "slice": "all"}
    figures = {"metrics": [{"name": "word_f1", **row}], "load_test": [{"name": "syllables_per_second", **row}]}
    card = {
        "schema": "model-dossier/1", "name": artifact.name, "version": artifact.version,
        "identity": {"artifact_digest": field(artifact.digest), "id": field(f"{artifact.name}@{artifact.version}")},
        "purpose": {"intended_use": field("thử nghiệm")},
        "data": {"datasets": field([{"id": "a/b"}])},
        "evaluation": {name: field(rows) for name, rows in figures.items()},
        "fairness": {"bias_report": {"not_evaluated": "chưa | not yet"}},
    }  # fmt: skip
    about = {"name": artifact.name, "version": artifact.version, "artifact_digest": artifact.digest}
    return card, {"schema": "evaluation/1", "model": about, "metrics": figures["metrics"]}


def field(value: Any) -> dict[str, Any]:
    return {"value": value, "source": "auto", "by": "test", "at": "2026-11-24T00:00:00Z", "evidence": []}


@cache
def founded() -> Path:
    """An evaluation installation's home, made once and copied for each house."""
    home = Path(tempfile.mkdtemp(prefix="aichung-small-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    database = found(f"sqlite:///{home / 'aichung.db'}")
    pepper = open_pepper(home / "keys" / "pepper", create=True)
    found_evaluation(database, pepper, home, datetime.fromtimestamp(time.time() - 60, UTC))
    database.close()
    return home


def open_small(artifact: Artifact) -> Model[Any, Any, Any]:
    return KINDS[artifact.kind][0].open(artifact)


@dataclass
class Registry:
    """A store with the means to fill it."""

    store: SqlStore
    signer: Signer
    folder: Path
    clock: Callable[[], float]

    def add(
        self, name: str, kind: str, *, version: str = "1.0.0", tenant: str = "platform", public: bool = True,
        tier: str = "T1", approve: bool = True, default: bool = False, seconds: float = 0.0,
    ) -> Entry:  # fmt: skip
        """Seal, register, approve and release a model."""
        place = self.folder / name / version
        (place / "artifact").mkdir(parents=True)
        (place / "artifact" / "weights.json").write_text("{}")
        artifact = seal(
            place / "artifact",
            name=name,
            version=version,
            kind=kind,
            licence="CC-BY-SA-4.0",
            config={"seconds": seconds},
        )
        card, evaluation = papers(artifact)
        (place / "card.json").write_text(json.dumps(card, ensure_ascii=False))
        (place / "evaluation.json").write_text(json.dumps(evaluation))
        blank = Digests("", "", "", "", "", "", "")
        entry = Entry(
            name, version, kind, KINDS[kind][1], tenant, public, tier, Stage.DRAFT, blank, str(place), None, None,
            datetime.fromtimestamp(self.clock(), UTC),
        )  # fmt: skip
        entry = self.store.register(replace(entry, digests=digests_of(read_evidence(place), entry)))
        if not approve:
            return entry
        for stage in (Stage.CHECKING, Stage.IN_REVIEW):
            entry = self.store.move(name, version, stage, "test")
        if tier in ("T0", "T1"):
            approval = bootstrap(entry, self.signer, self.clock())
            steps = (Stage.SERVING,)
        else:
            approval = sign(
                entry, self.signer, kind="review", role="tech_reviewer", person="p", tiers=(tier,),
                valid_from=self.clock(), days=30,
            )  # fmt: skip
            steps = (Stage.SHADOW, Stage.CANARY, Stage.SERVING)
        self.store.approve(name, version, approval.statement, "test")
        for stage in steps:
            entry = self.store.move(name, version, stage, "test")
        if default:
            for task in entry.tasks:
                entry = self.store.set_default(task, name, version, "test")
        return entry


@dataclass
class Place:
    """A house, its registry, its keys, and a way to call it."""

    house: House
    registry: Registry
    keys: dict[str, str]
    app: Any
    runner: asyncio.Runner

    def call(
        self, method: str, path: str, *, key: str | None = "ministry", json: Any = None, content: bytes | None = None,
        headers: dict[str, str] | None = None, bearer: bool = True,
    ) -> httpx.Response:  # fmt: skip
        """One request through the ASGI application."""
        sent = dict(headers or {})
        if key is not None:
            text = self.keys.get(key, key)
            sent |= {"Authorization": f"Bearer {text}"} if bearer else {"X-API-Key": text}
        if content is not None and not any(name.lower() == "content-type" for name in sent):
            sent["Content-Type"] = "application/json"

        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://aichung") as client:
                return await client.request(method, path, json=json, content=content, headers=sent)

        return self.runner.run(go())

    def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return self.call("POST", path, json=body, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.call("GET", path, **more)

    def records(self) -> list[dict[str, Any]]:
        """Everything in the ledger, oldest first, once it is durable."""
        assert self.house.ledger.note({"event": "test.mark"}).wait(5)
        with self.house.database.read() as connection:
            rows = connection.exec_driver_sql("select record from ledger order by ts, seq").scalars().all()
        return [json.loads(row) for row in rows]

    def close(self) -> None:
        self.house.close()
        self.runner.close()


def small_house(
    home: Path, family: Family = "all", *, clock: Callable[[], float] = time.time, threads: int = 2, queue: int = 8,
    deadline_seconds: float = 10.0, models: dict[str, str] = BUNDLED, tenant_models: bool = True,
) -> Place:  # fmt: skip
    """A house with small models, started."""
    shutil.copytree(founded(), home, dirs_exist_ok=True)
    settings = Settings(home=home)
    database = Database.open(settings.database)
    pepper = open_pepper(home / "keys" / "pepper", create=False)
    ledger = Ledger(database, f"{family}-test", clock=clock)
    ledger.start()
    signer = Signer.load_or_create(home / "keys" / "bootstrap.key", "bootstrap")
    platform = Signer.load_or_create(home / "keys" / "review" / "platform.key", "platform")
    store = SqlStore(database, Trust((signer.public,), (signer.public, platform.public)), note=ledger.note, clock=clock)
    persons = Persons(database, home / "keys" / "persons", clock)
    registry = Registry(store, signer, home / "models", clock)
    for name, kind in models.items():
        registry.add(name, kind, default=name in DEFAULTS)
    telemetry = Telemetry(home, family, clock=clock)
    handles = Handles(store, weigh, clock=clock, opener=open_small)
    assert handles.warm() == []
    quota = Quota(database, clock=clock)
    recorder = Recorder(ledger)
    identity = Identity(database, pepper, clock)
    inference = Inference(
        handles,
        quota,
        recorder,
        telemetry,
        threads=threads,
        queue=queue,
        deadline_seconds=deadline_seconds,
        shadows=Shadows(handles, database, clock),
    )
    house = House(
        settings=settings, clock=clock, database=database, identity=identity, quota=quota,
        idempotency=Idempotency(database, pepper, clock), store=store, handles=handles, ledger=ledger,
        recorder=recorder, inference=inference, telemetry=telemetry, tracking=None,
        lockbox=lockbox(pepper), persons=persons,
        reviews=Reviews(database, store, persons, platform, note=ledger.note, clock=clock),
        releases=Releases(database, store, note=ledger.note, clock=clock),
    )  # fmt: skip
    return Place(house, registry, read_keys(home), create_app(house, family), asyncio.Runner())
