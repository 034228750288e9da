"""/v1/usage and /v1/kpis: figures computed from the log, never typed in (founding regulation, chapter II.5).

Decision: a figure that this version of the platform cannot measure stands there as `not_measured` with its reason: a
reader must not take silence for zero.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct

from models.errors import Note
from registry import tallies
from registry.checkpoints import read_recent
from registry.database import Database
from registry.signatures import PublicKey
from registry.tables import from_micros, to_micros
from registry.trail import Filter
from services.endpoints import Call, Endpoint, Parameter, Reply
from services.identity import Identity
from services.pages import refused
from services.roles import KPIS_READ, USAGE_READ
from services.routes.audit import CHECKPOINTS, PUBLIC_KEY, TIME, asked_filter

LONGEST: Final = timedelta(days=31)
DEFAULT: Final = timedelta(days=1)
PERIOD: Final = (
    Parameter("from", Note("Từ thời điểm (mặc định: 24 giờ qua)", "From this time on (default: last 24 hours)"), TIME),
    Parameter("to", Note("Trước thời điểm", "Before this time"), TIME),
    Parameter("tenant", Note("Đơn vị (cần audit:all)", "Organisation (needs audit:all)")),
)
LATER: Final[tuple[tuple[str, str, str], ...]] = (
    ("card_completeness", "Độ đầy đủ của thẻ mô hình", "Completeness of cards"),
    ("median_days_to_decision", "Số ngày trung vị từ nộp đến quyết định", "Median days from submission to decision"),
    ("fairness_failures", "Tỷ lệ không đạt công bằng theo trục", "Share of fairness failures by axis"),
    ("declared_purpose_share", "Tỷ lệ lượt gọi có khai mục đích", "Share of calls with a declared purpose"),
    ("human_override_rate", "Tỷ lệ con người bác kết quả", "Human override rate"),
    ("appeals", "Khiếu nại: số lượng, thời gian, tỷ lệ đảo ngược", "Appeals: count, days, overturn rate"),
    ("incidents_on_time", "Sự cố báo cáo đúng hạn", "Incidents reported on time"),
)
"""Figures whose records do not exist yet (GOVERNANCE 4.7)."""


class UsageRow(Struct):
    """What was asked of one model in one task; units are documents or points."""

    task: str
    model: str | None
    answered: int
    refused: int
    units: int
    bytes: int


class UsageOut(Struct, kw_only=True, rename={"from_": "from"}):
    """Consumption in a time, from the ledger."""

    request_id: str
    from_: datetime
    to: datetime
    tenant: str | None
    data: list[UsageRow]
    totals: UsageRow


class Kpi(Struct, kw_only=True):
    """One figure; `n` is how many records stand behind it."""

    name: str
    vi: str
    en: str
    status: Literal["measured", "not_measured"]
    value: float | int | str | dict[str, int] | None = None
    unit: str | None = None
    n: int | None = None


class KpisOut(Struct, kw_only=True, rename={"from_": "from"}):
    """Governance figures in a time, from the ledger."""

    request_id: str
    from_: datetime
    to: datetime
    tenant: str | None
    data: list[Kpi]


class UsageRoutes:
    """The endpoints and the parts they need."""

    def __init__(self, database: Database, identity: Identity, home: Path) -> None:
        """`home` holds the checkpoint files and, under `keys`, the public key that checks them."""
        self._database = database
        self._identity = identity
        self._checkpoints = home / CHECKPOINTS
        self._public_key = home / "keys" / PUBLIC_KEY

    def endpoints(self) -> list[Endpoint]:
        """The rows for the table of endpoints."""
        return [
            Endpoint(
                method="GET", path="/v1/usage", handler=self.usage, tag="audit", scope=USAGE_READ, response=UsageOut,
                event="usage.read", query=PERIOD, summary=Note("Mức sử dụng, tính từ nhật ký", "Usage, from the log"),
            ),
            Endpoint(
                method="GET", path="/v1/kpis", handler=self.kpis, tag="audit", scope=KPIS_READ, response=KpisOut,
                event="kpis.read", query=PERIOD,
                summary=Note("Chỉ số quản trị, tính từ nhật ký", "Governance figures, from the log"),
            ),
        ]  # fmt: skip

    async def usage(self, call: Call, body: None) -> Reply:
        """What the caller's organisation consumed."""
        wanted, frame = self._asked(call)
        rows = await asyncio.to_thread(self._consumption, wanted)
        totals = UsageRow(
            "", None, sum(r.answered for r in rows), sum(r.refused for r in rows), sum(r.units for r in rows),
            sum(r.bytes for r in rows),
        )  # fmt: skip
        return Reply(UsageOut(data=rows, totals=totals, **frame))

    async def kpis(self, call: Call, body: None) -> Reply:
        """The governance figures of the caller's organisation, or of all with `audit:all`."""
        wanted, frame = self._asked(call)
        return Reply(KpisOut(data=await asyncio.to_thread(self._figures, wanted), **frame))

    def _asked(self, call: Call) -> tuple[Filter, dict[str, Any]]:
        """The filter and the answer's frame. Raises InvalidInputError for a time longer than 31 days or reversed."""
        query: Mapping[str, str] = call.query(*(parameter.name for parameter in PERIOD))
        wanted = asked_filter(call.who, query)
        until = to_micros(self._identity.now()) if wanted.until is None else wanted.until
        since = until - DEFAULT // timedelta(microseconds=1) if wanted.since is None else wanted.since
        if not 0 <= until - since <= LONGEST // timedelta(microseconds=1):
            days = LONGEST.days
            raise refused("from", f"Khoảng thời gian tối đa là {days} ngày.", f"The time is at most {days} days.")
        frame = {
            "request_id": call.request_id, "from_": from_micros(since), "to": from_micros(until),
            "tenant": wanted.tenant,
        }  # fmt: skip
        return Filter(wanted.tenant, since=since, until=until), frame

    def _consumption(self, wanted: Filter) -> list[UsageRow]:
        with self._database.read() as connection:
            return [
                UsageRow(row.task, row.model, row.answered, row.refused, row.units, row.bytes)
                for row in tallies.consumption(connection, wanted)
            ]

    def _figures(self, wanted: Filter) -> list[Kpi]:
        everywhere = Filter(since=wanted.since, until=wanted.until)
        with self._database.read() as connection:
            approvals = tallies.answers_by_approval(connection, wanted)
            refusals = tallies.refusals_by_code(connection, wanted)
            speed = tallies.latencies(connection, wanted, (0.5, 0.99))
            records = sum(tallies.events(connection, wanted).values())
            drops = tallies.dropped(connection, everywhere)
        answers = sum(approvals.values())
        return [
            *_approval_figures(approvals, answers),
            _measured("answers_refused", "Lượt gọi bị từ chối hoặc lỗi, theo mã", "Calls refused or failed, by code",
                      refusals, None, sum(refusals.values())),
            *_speed_figures(speed, answers),
            _measured("log_records", "Số bản ghi nhật ký", "Ledger records", records, None, records),
            _measured("log_drops", "Bản ghi bị mất (đo được, toàn hệ thống)", "Records dropped (measured, everywhere)",
                      drops, None, records),
            self._checkpoint_figure(),
            *(Kpi(name=name, vi=vi, en=en, status="not_measured") for name, vi, en in LATER),
        ]  # fmt: skip

    def _checkpoint_figure(self) -> Kpi:
        vi, en = "Điểm kiểm đã ký gần nhất", "Last signed checkpoint"
        if not self._public_key.exists():
            return Kpi(name="last_checkpoint", vi=vi, en=en, status="not_measured")
        key = PublicKey.load(self._public_key)
        history = read_recent(self._checkpoints, {key.key_id: key})
        if history.problems or not history.checkpoints:
            return Kpi(name="last_checkpoint", vi=vi, en=en, status="not_measured")
        last = history.checkpoints[-1]
        return _measured("last_checkpoint", vi, en, last.at, None, last.number)


def _approval_figures(approvals: Mapping[str, int], answers: int) -> list[Kpi]:
    rows = (
        ("approved_answers_share", "Tỷ lệ câu trả lời có phê duyệt hợp lệ", "Share of answers under a valid approval",
         answers - approvals.get("", 0)),
        ("bootstrap_answers_share", "Tỷ lệ trả lời theo phê duyệt khởi tạo", "Share of answers under a bootstrap one",
         approvals.get("bootstrap", 0)),
    )  # fmt: skip
    return [
        _measured(name, vi, en, count / answers, "share", answers)
        if answers
        else Kpi(name=name, vi=vi, en=en, status="not_measured", n=0)
        for name, vi, en, count in rows
    ]


def _speed_figures(speed: list[float] | None, answers: int) -> list[Kpi]:
    rows = (("latency_p50", "Độ trễ trung vị", "Median latency"), ("latency_p99", "Độ trễ p99", "Latency p99"))
    if speed is None:
        return [Kpi(name=name, vi=vi, en=en, status="not_measured", n=0) for name, vi, en in rows]
    return [_measured(name, vi, en, value, "ms", answers) for (name, vi, en), value in zip(rows, speed, strict=True)]


def _measured(
    name: str, vi: str, en: str, value: float | int | str | Mapping[str, int], unit: str | None, n: int
) -> Kpi:
    kept = dict(value) if isinstance(value, Mapping) else value
    return Kpi(name=name, vi=vi, en=en, status="measured", value=kept, unit=unit, n=n)
