"""The platform's full path with a model that answers at once, or after the computing that a text asks for ("spin 1.0":
one millisecond): `services.deployment` with one part exchanged.

The house, its doors, keys, quota, gate, ledger and telemetry are the product's; only the opener of `vi-topic`'s
approved artefact gives back a model that computes nothing. Runs as `python -m tests.bench.peers.trivial`, in the
environment that `services.launch` prepares, on a home of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from models.artifact import Artifact
from models.contract import Model
from models.values import Document, Labels, TextOptions
from services.app import create_app
from services.handles import Handles
from services.house import FAMILY_TASKS, build_house, weigh
from services.inference import Inference
from services.launch import environment
from services.settings import Settings
from tests.bench.peers.work import spin

ROOT = Path(__file__).resolve().parents[3]


class Trivial(Model[Document, TextOptions, Labels]):
    """Answers with one fixed label, after spinning for as long as the text says."""

    tasks = ("topics",)

    @classmethod
    def open(cls, artifact: Artifact) -> Self:
        return cls()

    def save(self, folder: Path) -> dict[str, Any]:
        return {}

    def prepare(self, items: Sequence[Document], options: TextOptions) -> Any:
        return items

    def compute(self, prepared: Any) -> Any:
        for document in prepared:
            spin(document.text)
        return prepared

    def finish(self, computed: Any) -> list[Any]:
        return [Labels([("Kinh doanh", 1.0)], False) for _ in computed]

    def samples(self) -> tuple[Sequence[Document], TextOptions]:
        return [Document("1", "Giá vàng hôm nay tăng mạnh.")], TextOptions()


class TrivialFamily:
    """`services.deployment.Family` with the trivial model."""

    def __init__(self, family: str) -> None:
        self.family = family

    def __serve_build_asgi_app__(self) -> Any:
        from services import deployment  # noqa: PLC0415 - Ray reads its switches when it is imported

        sys.setswitchinterval(deployment.SWITCH_SECONDS)
        deployment.HTTP_PROTOCOLS["auto"] = "services.sockets:JoiningProtocol"
        settings = Settings.read()
        house = build_house(settings, "nlp")
        handles = Handles(house.store, weigh, clock=house.clock, tasks=FAMILY_TASKS["nlp"], opener=Trivial.open)
        inference = Inference(handles, house.quota, house.recorder, house.telemetry)
        house = replace(house, handles=handles, inference=inference)
        house.start()
        app = create_app(house, "nlp", served_by_ray=True)
        deployment.settle_memory()
        return app


def main() -> int:
    """Prepare and become the embedded platform; the second time around, run it with the nlp family exchanged."""
    if "AICHUNG_INSTALLATION" not in os.environ:
        variables = {**os.environ, **environment(Settings.read()), "PYTHONPATH": str(ROOT)}
        os.execve(sys.executable, [sys.executable, "-m", "tests.bench.peers.trivial"], variables)
    from services import deployment, embedded  # noqa: PLC0415 - Ray reads its switches when it is imported
    from tests.bench.peers.trivial import TrivialFamily as Importable  # noqa: PLC0415 - not `__main__`'s

    original = deployment.Family
    deployment.Family = Importable  # type: ignore[misc,assignment]
    bind = deployment._application

    def exchanged(family: Any, options: Any) -> Any:
        deployment.Family = Importable if family == "nlp" else original  # type: ignore[misc,assignment]
        return bind(family, options)

    deployment._application = exchanged
    return embedded.main()


if __name__ == "__main__":
    sys.exit(main())
