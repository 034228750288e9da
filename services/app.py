"""Which endpoints a process serves: one ASGI application for each family of routes.

Decision: the families are cut by route prefix, so each scales alone and no request hops; `platform` takes everything
else, also all unknown addresses; `all` serves everything from one process. The description (`/openapi.json`) covers all
families, whichever process shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal

from registry.packets import Packets
from services.desk import open_desk
from services.doors import Doors
from services.endpoints import Endpoint
from services.house import House, trust
from services.registrar import Registrar
from services.retention import forget_readings
from services.routes import nlp, oip, tabular, timeseries, tracking
from services.routes.audit import AuditRoutes
from services.routes.bias import BiasRoutes
from services.routes.catalog import CatalogRoutes
from services.routes.console import open_console
from services.routes.evidence import EvidenceRoutes
from services.routes.files import FileRoutes
from services.routes.jobs import JobRoutes
from services.routes.keys import KeyRoutes
from services.routes.me import MeRoutes
from services.routes.models import ModelRoutes
from services.routes.platform import PlatformRoutes
from services.routes.readings import ReadingRoutes
from services.routes.registration import RegistrationRoutes
from services.routes.releases import ReleaseRoutes
from services.routes.reviews import ReviewRoutes
from services.routes.tenants import TenantRoutes
from services.routes.usage import UsageRoutes
from services.routes.webhooks import WebhookRoutes
from services.runs import Runs
from services.sightings import sightings

Family = Literal["nlp", "timeseries", "platform", "all"]
MODEL_FAMILIES: Final = ("nlp", "timeseries")
RECORD_STATES: Final = ("noted", "written", "dropped")


def create_app(house: House, family: Family, *, served_by_ray: bool = False) -> Doors:
    """The ASGI application of one process. Every part stands in `house`; nothing is started here.

    The house is closed when the server shuts the application down.
    """
    tables = endpoints_by_family(house, family)
    rows = [row for name, table in tables.items() if family in (name, "all") for row in table]
    _watch(house, family)
    return Doors(
        rows, identity=house.identity, quota=house.quota, recorder=house.recorder, telemetry=house.telemetry,
        clock=house.clock, closing=house.close, server_echoes_ids=served_by_ray,
    )  # fmt: skip


def endpoints_by_family(house: House, family: Family) -> dict[str, list[Endpoint]]:
    """All endpoints of the installation by family."""
    shown = PlatformRoutes(
        house.telemetry,
        version=_version(),
        profile=house.settings.profile,
        expected=MODEL_FAMILIES if family == "platform" else (),
        reasons=lambda: reasons(house),
    )
    desk = open_desk(house)
    packets = Packets(house.database, house.settings.home, trust(house.settings))
    platform: Sequence[list[Endpoint]] = (
        shown.endpoints(),
        CatalogRoutes(house.handles, house.telemetry, house.clock).endpoints(),
        ModelRoutes(house.handles, house.clock).endpoints(),
        ReleaseRoutes(house.releases, house.handles, house.clock).endpoints(),
        ReviewRoutes(
            house.reviews, house.releases, house.persons, house.handles, house.idempotency, house.clock
        ).endpoints(),
        BiasRoutes(house.handles).endpoints(),
        EvidenceRoutes(house.handles, house.reviews, packets).endpoints(),
        open_registration(house).endpoints(),
        KeyRoutes(house.identity, house.idempotency).endpoints(),
        TenantRoutes(house.identity, house.idempotency).endpoints(),
        MeRoutes(house.quota).endpoints(),
        AuditRoutes(house.database, house.settings.home).endpoints(),
        UsageRoutes(house.database, house.identity, house.settings.home).endpoints(),
        tabular.endpoints(house.inference),
        oip.endpoints(
            oip.OpenInference(
                house.inference, house.handles, version=_version(), reasons=lambda: reasons(house), clock=house.clock
            )
        ),
        FileRoutes(desk.files, desk.uploads, house.idempotency, partial(forget_readings, house.database)).endpoints(),
        ReadingRoutes(desk, house.idempotency).endpoints(),
        JobRoutes(desk).endpoints(),
        WebhookRoutes(desk.deliveries, house.identity).endpoints(),
        open_console(house).endpoints(),
        tracking.endpoints(house.tracking) if house.tracking is not None else [],
    )
    tables = {
        "nlp": nlp.endpoints(house.inference),
        "timeseries": timeseries.endpoints(house.inference, house.clock),
        "platform": [sightings(house.reviews, house.handles, row) for table in platform for row in table],
    }
    shown.describe([row for table in tables.values() for row in table])
    return tables


def open_registration(house: House) -> RegistrationRoutes:
    """Registration with the parts of this house."""
    registrar = Registrar(house.settings.home, house.database, house.store, house.ledger.note, house.clock)
    runs = Runs(house.tracking) if house.tracking else None
    return RegistrationRoutes(registrar, runs, house.idempotency, house.handles.refresh)


def reasons(house: House) -> list[str]:
    """Why a process cannot answer now, as words; empty when it can."""
    found = house.handles.reasons()
    if house.ledger.fault is not None:
        found.append(house.ledger.fault.word)
    return found


def _watch(house: House, family: Family) -> None:
    """Gauges that are read at every flush; `aichung_ready` is what `/readyz` reads of the other processes."""
    telemetry = house.telemetry
    telemetry.watch("aichung_ready", {"process": family}, lambda: float(not reasons(house)))
    telemetry.watch("aichung_models_loaded", {"process": family}, lambda: house.handles.loaded)
    telemetry.watch("aichung_models_bytes", {"process": family}, lambda: house.handles.bytes_held)
    telemetry.watch("aichung_queue_waiting", {"process": family}, lambda: house.inference.waiting)
    telemetry.watch("aichung_ledger_waiting", {"process": family}, lambda: house.ledger.counts().waiting)
    for state in RECORD_STATES:
        labels = {"process": family, "state": state}
        telemetry.watch("aichung_ledger_records", labels, partial(_records, house, state))


def _records(house: House, state: str) -> float:
    return float(getattr(house.ledger.counts(), state))


def _version() -> str:
    try:
        return version("aichung")
    except PackageNotFoundError:
        return "0"
