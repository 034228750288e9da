"""From a name to a verified, warm model.

Decisions
- What the registry vouches for is held in memory as one immutable index, replaced whole when the store's revision
  moves; a thread polls that counter. A suspension therefore acts within a poll, in every process.
- The gate is asked on every call, from memory. There is no cache of its answer: time passes, approvals lapse.
- An artefact is opened, its every byte held against the digest that was approved, and warmed before it answers; opened
  artefacts are verified again every hour. The model that fails is closed and its calls are told so (`altered`).
- Open models stand on a shelf of bounded memory (`services.shelf`); one that may no longer answer leaves it at once.
- An engineer may call the draft he made, by its version, to try it; for everybody else its gate is closed.
- `INFER` is the task of who asks for a model by name, whatever it does (Open Inference Protocol).
- A model that the caller may not see is the same `NotFoundError` as one that does not exist.
- When a task's default model may not answer, no other one steps in unasked: the refusal names it, the caller decides.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from models.artifact import Artifact, open_artifact
from models.catalog import model_class, open_model
from models.contract import Measurement, Model
from models.errors import GateClosedError, IntegrityError, NotFoundError, PlatformError, UnavailableError
from registry.entries import Entry, Stage
from registry.gate import holds, may_serve
from registry.rules import may_try
from registry.store import Store
from registry.trials import takes
from services.callers import Caller
from services.memory import settled_bytes
from services.shelf import Shelf

POLL_SECONDS: Final = 0.4
STALE_SECONDS: Final = 10.0
CLASSIFIERS: Final = ("text.classify/", "onnx.text-classify/")
DETECTORS: Final = ("onnx.tabular/",)
CLASSIFY: Final = "classify"
TABULAR: Final = "tabular-anomalies"
INFER: Final = "infer"
CLOSED_STAGES: Final = frozenset({Stage.SUSPENDED, Stage.EXPIRED, Stage.REJECTED, Stage.REVOKED, Stage.RETIRED})
MEMORY_BYTES: Final = 1 << 31
IDLE_SECONDS: Final = 3600.0
VERIFY_SECONDS: Final = 3600.0
REVIEW_URL: Final = "/v1/registry/models/{name}/versions/{version}"


@dataclass(frozen=True, slots=True)
class Handle:
    """A model that may answer: its entry, the opened model, and what warm-up measured.

    `unit_seconds` is the time for one unit (character, point) in a batch, `fixed_seconds` what any call costs,
    `bytes_held` what the process grew by when it was opened.
    """

    entry: Entry
    model: Model[Any, Any, Any]
    measured: Measurement
    fixed_seconds: float
    unit_seconds: float
    bytes_held: int = 0


@dataclass(frozen=True, slots=True)
class Index:
    """All entries at one revision: by name (newest version first), and by task."""

    revision: int = -1
    by_name: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    by_task: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    trials: tuple[Entry, ...] = ()

    @classmethod
    def of(cls, revision: int, entries: Iterable[Entry]) -> Index:
        """Sort the entries; a task's default model comes first among those that answer it."""
        names: dict[str, list[Entry]] = defaultdict(list)
        tasks: dict[str, list[Entry]] = defaultdict(list)
        for entry in sorted(entries, key=_version, reverse=True):
            names[entry.name].append(entry)
            for task in answers(entry):
                tasks[task].append(entry)
        for task, found in tasks.items():
            found.sort(key=lambda entry, task=task: task not in entry.is_default)  # type: ignore[misc]
        trials = tuple(e for found in names.values() for e in found if e.stage in (Stage.SHADOW, Stage.CANARY))
        return cls(revision, {n: tuple(e) for n, e in names.items()}, {t: tuple(e) for t, e in tasks.items()}, trials)

    def all(self) -> list[Entry]:
        """Every entry, by name, newest version first."""
        return [entry for name in sorted(self.by_name) for entry in self.by_name[name]]


def answers(entry: Entry) -> tuple[str, ...]:
    """The tasks of an entry; every text classifier also answers `classify`, every graph over tables its task."""
    also = CLASSIFY if entry.kind.startswith(CLASSIFIERS) else TABULAR if entry.kind.startswith(DETECTORS) else None
    return entry.tasks if also is None or also in entry.tasks else (*entry.tasks, also)


def can(entry: Entry, task: str) -> bool:
    """Whether an entry answers a task."""
    return task == INFER or task in answers(entry)


def _version(entry: Entry) -> tuple[int, ...]:
    return tuple(int(part) for part in entry.version.split(".") if part.isdigit())


Weigh = Callable[[Any], int]


class Handles:
    """The models of one process. Safe for threads. `weigh` gives the units of one item."""

    def __init__(
        self,
        store: Store,
        weigh: Weigh,
        *,
        clock: Callable[[], float] = time.time,
        capacity: int = 1_000,
        memory_bytes: int = MEMORY_BYTES,
        idle_seconds: float = IDLE_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        tasks: frozenset[str] | None = None,
        opener: Callable[[Artifact], Model[Any, Any, Any]] = open_model,
    ) -> None:
        """Read the registry once. `tasks` limits what `warm` opens: the tasks of this process's family.

        At most `capacity` models of `memory_bytes` together stay open, unused ones for `idle_seconds`.
        """
        self._store = store
        self._weigh = weigh
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._tasks = tasks
        self._opener = opener
        self._open: Shelf[Handle] = Shelf(count=capacity, bytes_held=memory_bytes, idle_seconds=idle_seconds)
        self._altered: dict[str, IntegrityError] = {}
        self._loading = threading.Lock()
        self._opening: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._fresh_until = float("inf")
        self._verified_at = time.monotonic()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._warm = threading.Event()
        self.index = Index()
        self.refresh()

    # --- on the way of a request ----------------------------------------------------------------------------

    def allow(self, caller: Caller, task: str, name: str | None) -> Entry:
        """The entry that a call means (`name`, `name@version`, or the task's default), once the gate let it pass.

        Raises NotFoundError (`unknown-task`, `unknown-model`), the same for what the caller may not see,
        GateClosedError with what is missing, UnavailableError when the gate cannot decide.
        """
        if name is None:
            able = self.index.by_task.get(task, ())
            candidates = tuple(e for e in able if task in e.is_default) or able
            word, vi, en = "unknown-task", "Chưa có mô hình nào cho tác vụ này.", "No model answers this task."
        else:
            plain, _, version = name.partition("@")
            known = self.index.by_name.get(plain, ())
            candidates = tuple(e for e in known if can(e, task) and (not version or e.version == version))
            word, vi, en = "unknown-model", "Không có mô hình này cho tác vụ.", "No such model for this task."
        seen = [entry for entry in candidates if caller.sees(entry)]
        if not seen:
            raise NotFoundError(vi, en, code=word)
        now = self._clock()
        entry = self._canary(caller, task, seen, name, now) if self.index.trials else None
        if entry is None:
            entry = next((entry for entry in seen if may_serve(entry, now).allowed), None)
        if entry is None and name is not None and "@" in name and may_try(seen[0], now, caller.subject.id):
            entry = seen[0]
        if entry is None:
            verdict = may_serve(seen[0], now)
            raise self._closed(caller, seen[0], verdict.state, verdict.missing)
        if time.monotonic() > self._fresh_until:
            raise UnavailableError(
                "Chưa kiểm tra được phê duyệt: không đọc được sổ đăng ký.",
                "Approvals cannot be verified: the registry cannot be read.",
                code="registry-stale",
            )
        if entry.digests.artifact in self._altered:
            raise self._closed(caller, entry, "altered", ("altered",))
        return entry

    def _canary(self, caller: Caller, task: str, seen: Sequence[Entry], name: str | None, now: float) -> Entry | None:
        """The canary that answers this caller in the place of the serving version, or nothing."""
        pinned = name is not None and "@" in name
        for entry in seen if pinned else self.index.by_name[seen[0].name]:
            chosen = entry.stage is Stage.CANARY and takes(entry, caller.tenant, caller.subject.id)
            if chosen and can(entry, task) and caller.sees(entry) and holds(entry, now):
                return entry
        return None

    def ready(self, entry: Entry) -> Handle | None:
        """The open handle of an entry, or None when it has to be opened first (`open`, not on an event loop)."""
        handle = self._open.get(entry.digests.artifact)
        return handle if handle is None or handle.entry is entry else replace(handle, entry=entry)

    def open(self, entry: Entry) -> Handle:
        """Open, verify and warm an entry's artefact. Raises GateClosedError when its bytes were altered."""
        with self._opening[entry.digests.artifact]:
            handle = self.ready(entry)
            if handle is not None:
                return handle
            try:
                handle = self._load(entry)
            except IntegrityError as error:
                self._altered[entry.digests.artifact] = error
                raise self._closed(None, entry, "altered", ("altered",)) from error
            except OSError as error:
                raise UnavailableError(
                    "Chưa đọc được tệp của mô hình.", "The model's files cannot be read.", 5, code="model-unreadable"
                ) from error
            self._open.put(entry.digests.artifact, handle)
            return handle

    def _load(self, entry: Entry) -> Handle:
        artifact = open_artifact(artifact_folder(entry))
        if artifact.digest != entry.digests.artifact or artifact.name != entry.name:
            raise IntegrityError(
                f"Mô hình {entry.name} khác bản đã được phê duyệt.",
                f"Model {entry.name} differs from what was approved.",
            )
        if self._opener is open_model:
            model_class(artifact.kind)  # its libraries are imported now: they are no model's weight
        stored = sum((artifact.folder / path).stat().st_size for path in artifact.files)
        with self._loading:  # one at a time, so that each is measured alone
            self._open.make_room(stored)
            before = settled_bytes()
            model = self._opener(artifact)
            measured = model.warm()
            grown = settled_bytes() - before
        items, _ = model.samples()
        units = [max(1, self._weigh(item)) for item in items]
        unit_seconds = len(items) / measured.items_per_second / sum(units)
        fixed_seconds = max(0.0, measured.single_seconds - unit_seconds * units[0])
        return Handle(entry, model, measured, fixed_seconds, unit_seconds, max(stored, grown))

    def _closed(self, caller: Caller | None, entry: Entry, state: str, missing: tuple[str, ...]) -> GateClosedError:
        """The refusal, with another model that may answer the same task when there is one."""
        now = self._clock()
        fallback = next(
            (
                other.reference
                for task in answers(entry)
                for other in self.index.by_task.get(task, ())
                if other is not entry and caller is not None and caller.sees(other) and may_serve(other, now).allowed
            ),
            None,
        )
        return GateClosedError(
            f"Mô hình {entry.reference} chưa được phép trả lời ({state}).",
            f"Model {entry.reference} may not answer ({state}).",
            model=entry.reference,
            state=state,
            missing=list(missing),
            **({"fallback": fallback} if fallback else {}),
            review_url=REVIEW_URL.format(name=entry.name, version=entry.version),
        )

    # --- beside it ------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the registry again when its revision moved. Raises what the store raises."""
        revision = self._store.revision()
        if revision != self.index.revision:
            self._take_over(revision)

    def _take_over(self, revision: int) -> None:
        index = Index.of(revision, self._store.entries())
        known = {entry.digests.artifact: entry for entry in index.all() if entry.stage not in CLOSED_STAGES}
        self._open.close([digest for digest, _ in self._open.items() if digest not in known])
        for digest, handle in self._open.items():
            if digest in known:
                self._open.replace(digest, replace(handle, entry=known[digest]))
        self._altered.clear()  # judged anew: the next call opens the files again
        self.index = index

    def warm(self) -> list[PlatformError]:
        """Open what this process will be asked for; what could not be opened. Call from a thread at start."""
        faults: list[PlatformError] = []
        for entry in self.index.all():
            wanted = self._tasks is None or self._tasks.intersection(entry.tasks)
            if wanted and entry.is_default and may_serve(entry, self._clock()).allowed:
                try:
                    self.open(entry)
                except PlatformError as error:
                    faults.append(error)
        self._warm.set()
        return faults

    def start(self) -> None:
        """Begin to poll and warm; from now on calls are refused when polling fails for `STALE_SECONDS`."""
        self._fresh_until = time.monotonic() + STALE_SECONDS
        self._thread = threading.Thread(target=self._run, name="handles", daemon=True)
        self._thread.start()
        threading.Thread(target=self.warm, name="warming", daemon=True).start()

    def close(self) -> None:
        """End the polling thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            try:
                self.refresh()
                if time.monotonic() - self._verified_at > VERIFY_SECONDS:
                    self.verify()
                self._open.close_idle(self._kept())
            except Exception:  # noqa: S112 - told by readiness and by the gate when it lasts
                continue
            self._fresh_until = time.monotonic() + STALE_SECONDS

    def verify(self) -> None:
        """Read the registry and hold every open artefact against its digest once more; close what was altered."""
        self._take_over(self._store.revision())
        for digest, handle in self._open.items():
            try:
                if open_artifact(artifact_folder(handle.entry)).digest != digest:
                    raise IntegrityError("Mô hình đã bị thay đổi.", "The model was altered.")
            except (IntegrityError, OSError) as error:
                self._altered[digest] = error if isinstance(error, IntegrityError) else _gone(error)
                self._open.close([digest])
        self._verified_at = time.monotonic()

    def _kept(self) -> set[str]:
        """What stays open however quiet it is: the default models of this process's family."""
        mine = self._tasks
        return {
            entry.digests.artifact for entry in self.index.all()
            if entry.is_default and (mine is None or mine.intersection(entry.tasks))
        }  # fmt: skip

    @property
    def loaded(self) -> int:
        """How many models are open."""
        return len(self._open)

    @property
    def bytes_held(self) -> int:
        """What the open models weigh together, as measured when they were opened."""
        return self._open.bytes_held

    def reasons(self) -> list[str]:
        """Why this process cannot answer yet, as words; empty when it can."""
        found = [] if self._warm.is_set() or self._thread is None else ["warming"]
        if time.monotonic() > self._fresh_until:
            found.append("registry-unreadable")
        return found


def _gone(error: OSError) -> IntegrityError:
    return IntegrityError("Thiếu tệp của mô hình.", "Files of the model are missing.", detail=type(error).__name__)


def artifact_folder(entry: Entry) -> Path:
    """Where an entry's artefact lies."""
    return Path(entry.folder) / "artifact"
