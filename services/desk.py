"""The desk for files and jobs: the parts behind `/v1/files`, `/v1/readings`, `/v1/jobs`, `/v1/webhooks`.

Decision: reading a stranger's file and rendering a result each take a process of their own (`pipelines.apart`); how
many run at once and how many wait is bounded, the next one hears 503.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from models.errors import PlatformError, UnavailableError
from pipelines.apart import BrokenProcessError
from pipelines.quarantine import Quarantine
from pipelines.rendering import Renderer
from registry.deliveries import Deliveries
from registry.files import Files
from registry.jobs import Jobs
from registry.objects import Objects
from registry.readings import Readings
from registry.storage import Storage
from services.endpoints import Call
from services.events import Feed, latest_of
from services.handles import Handles
from services.house import House
from services.identity import Identity
from services.processes import MARK, installation_mark
from services.quota import Quota
from services.telemetry import Telemetry
from services.uploads import Uploads

AT_ONCE: Final = 2
WAITING: Final = 16

T = TypeVar("T")


class Bounded:
    """Slow work in threads: few at once, a bounded number that waits."""

    def __init__(self, telemetry: Telemetry, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        """What breaks inside is told to `telemetry`."""
        self._telemetry = telemetry
        self._turn = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self.busy = 0

    async def do(self, call: Call, work: Callable[..., T], *arguments: Any) -> T:
        """Do it when its turn comes. Raises UnavailableError when too much waits, and what the work raises."""
        if self.busy >= self._most:
            vi, en = "Đang có quá nhiều tệp chờ xử lý; thử lại sau.", "Too many files are waiting; try again later."
            raise UnavailableError(vi, en, 5, code="overloaded")
        self.busy += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work, *arguments)
        except BrokenProcessError as error:
            self._telemetry.log.error("process-failed", request_id=call.request_id, at=error.places)
            raise
        finally:
            self.busy -= 1


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts."""

    objects: Objects
    storage: Storage
    files: Files
    readings: Readings
    jobs: Jobs
    deliveries: Deliveries
    uploads: Uploads
    quarantine: Quarantine
    renderer: Renderer
    bounded: Bounded
    feed: Feed
    handles: Handles
    quota: Quota
    identity: Identity

    def alive(self, call: Call) -> Callable[[], bool]:
        """Whether the call's key is still in force, to be asked again and again."""
        bearer, key = call.header("authorization"), call.header("x-api-key")

        def asked() -> bool:
            try:
                self.identity.authenticate(bearer, key)
            except PlatformError:
                return False
            return True

        return asked


def open_desk(house: House) -> Desk:
    """Put the parts together over a house; nothing is started."""
    home = house.settings.home
    objects = Objects(house.settings.objects)
    storage = Storage(house.database)
    files = Files(house.database, objects, storage, house.clock)
    jobs = Jobs(house.database, objects, storage, house.clock, most_queued=house.settings.jobs_queued)
    mark = {MARK: installation_mark(home)}
    uploads, bounded, feed = Uploads(files), Bounded(house.telemetry), Feed(latest_of(house.database))
    for name, read in (
        ("aichung_uploads_running", lambda: float(uploads.running)),
        ("aichung_upload_bytes", lambda: float(uploads.bytes)),
        ("aichung_files_waiting", lambda: float(bounded.busy)),
        ("aichung_event_streams", lambda: float(feed.streams)),
    ):
        house.telemetry.watch(name, {}, read)
    return Desk(
        objects=objects, storage=storage, files=files, readings=Readings(house.database, house.clock), jobs=jobs,
        deliveries=Deliveries(house.database, house.lockbox, house.clock), uploads=uploads, quarantine=Quarantine(mark),
        renderer=Renderer(objects.partial, mark), bounded=bounded,
        feed=feed, handles=house.handles, quota=house.quota, identity=house.identity,
    )  # fmt: skip
