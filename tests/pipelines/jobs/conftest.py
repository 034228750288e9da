"""A small house for jobs: a real database, objects in a folder, and a type of work that does as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from models.errors import GateClosedError, InvalidInputError, UnavailableError
from pipelines.jobs.compute import ComputeLostError, InProcess, Pool
from pipelines.jobs.engine import Engine
from pipelines.jobs.sources import Sources
from pipelines.jobs.work import Bench, as_facts, perform
from registry.claims import Claims
from registry.database import Database
from registry.entries import Digests, Entry, Stage
from registry.founding import found
from registry.jobs import Job, Jobs, NewJob
from registry.objects import Objects
from registry.readings import Readings
from registry.storage import Storage
from registry.tables import tenants

MODEL = {"name": "toy", "version": "1.0.0", "card": "sha256:c", "artifact": "sha256:a", "tier": "T1"}
ENTRY = Entry(
    name="toy", version="1.0.0", kind="toy/1", tasks=("toy",), tenant="platform", public=True, tier="T1",
    stage=Stage.SERVING, digests=Digests("sha256:a", "", "sha256:c", "", "", "", ""), folder="/nowhere", approval=None,
    reason=None, created_at=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


class Toy:
    """Numbers doubled, one chunk for each; `parameters` say what goes wrong."""

    task, unit = "toy", "numbers"

    def __init__(self) -> None:
        self.computed: list[int] = []
        self.orders: dict[int, Callable[[], None]] = {}
        self.lock = threading.Lock()

    def plan(self, bench: Bench, facts: Mapping[str, Any]) -> dict[str, Any]:
        asked = facts["parameters"].get("ask")
        if asked and not facts.get("pattern"):
            return {"questions": [{"code": asked}], "reading": {"tables": []}, "fingerprint": "f1"}
        count = int(facts["parameters"]["count"])
        if count < 0:
            raise InvalidInputError.at("/count", "Số âm.", "Negative.", code="negative")
        chunks = [{"items": 1, **as_facts(bench.objects.keep([str(n).encode()]))} for n in range(count)]
        return {"chunks": chunks, "unit": self.unit, "reading": facts.get("pattern")}

    def chunk(self, bench: Bench, facts: Mapping[str, Any]) -> dict[str, Any]:
        number = int(bench.objects.check(facts["input"]["object"], facts["input"]["sha256"]).read_bytes())
        with self.lock:
            self.computed.append(number)
            order = self.orders.get(number)
        if order is not None:
            order()
        output = as_facts(bench.objects.keep([str(2 * number).encode() + b"\n"]))
        return {"output": output, "summary": {"succeeded": 1, "failed": 0}}

    def finish(self, bench: Bench, facts: Mapping[str, Any]) -> dict[str, Any]:
        content = b"".join(b"".join(bench.objects.parts(chunk["output"]["object"])) for chunk in facts["chunks"])
        stored, told = bench.objects.keep([content]), bench.objects.keep([content])
        result = {**as_facts(stored), "json": told.name, "bytes": 2 * stored.bytes, "rows": len(facts["chunks"])}
        return {"result": result, "counts": {"succeeded": len(facts["chunks"]), "failed": 0}, "held_back": 0}


class OpenGate:
    """A gate that a test can close."""

    def __init__(self) -> None:
        self.closed: GateClosedError | None = None
        self.asked = 0

    def permit(self, model: Mapping[str, Any]) -> Entry:
        self.asked += 1
        if self.closed is not None:
            raise self.closed
        return ENTRY


@dataclass
class Shop:
    """Everything that jobs need, at hand for a test."""

    database: Database
    objects: Objects
    storage: Storage
    jobs: Jobs
    claims: Claims
    toy: Toy = field(default_factory=Toy)
    gate: OpenGate = field(default_factory=OpenGate)
    stopping: threading.Event = field(default_factory=threading.Event)
    remembered: list[tuple[str, int]] = field(default_factory=list)
    ledger_away: bool = False
    pools: list[Pool] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)

    def pool(self, places: int = 2) -> Pool:
        bench = Bench(self.objects)

        def do(kind: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
            answer = perform(bench, {"toy": self.toy}, kind, facts)
            if answer.get("refused", {}).get("code") == ComputeLostError.code:
                raise ComputeLostError("", "")
            return answer

        self.pools.append(Pool([InProcess(do) for _ in range(places)]))
        return self.pools[-1]

    def remember(self, claim: Any, chunk: Any, entry: Any, summary: Any) -> bool:
        if self.ledger_away:
            return False
        self.remembered.append((claim.id, chunk.number))
        return True

    def engine(self, pool: Pool | None = None, claims: Claims | None = None) -> Engine:
        sources = Sources(self.database, Readings(self.database, time.time))
        return Engine(
            claims or self.claims, self.objects, pool or self.pool(), self.gate, sources, self.remember,
            stopping=self.stopping,
        )  # fmt: skip

    def new(self, tenant: str = "ten_a", count: int = 3, **more: Any) -> Job:
        parameters = {"count": count, **more.pop("parameters", {})}
        return self.jobs.create(
            NewJob(
                tenant=tenant, actor={"id": "sub_1"}, request_id="req_1", type="toy", parameters=parameters,
                model=MODEL, input_sha256="0" * 64, data=self.objects.keep([b"data"]), **more,
            )
        )[0]  # fmt: skip

    def get(self, job: Job) -> Job:
        return self.jobs.get([job.tenant], job.id)

    def outcome(self, job: Job) -> bytes:
        result = self.get(job).result or {}
        return b"".join(self.objects.parts(str(result["object"])))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    database = found(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    with database.write() as connection:
        for tenant in ("ten_a", "ten_b"):
            row = {
                "id": tenant,
                "code": tenant,
                "vintage": "x",
                "name": "Đồng Nai",
                "kind": "state",
                "level": "province",
            }
            connection.execute(insert(tenants).values(row | {"created_at": datetime.now(UTC)}))
    objects, storage = Objects(tmp_path / "objects"), Storage(database)
    made = Shop(
        database, objects, storage, Jobs(database, objects, storage, time.time),
        Claims(database, storage, time.time, "embedded"),
    )  # fmt: skip
    yield made
    made.stopping.set()
    for pool in made.pools:
        pool.close()
    database.close()


def away() -> None:
    raise UnavailableError("", "")
