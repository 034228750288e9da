"""Our own ingress with the platform's code removed: Ray Serve in the same configuration, and nothing of ours behind it.

    python -m tests.bench.peers.bare_ingress PORT fastapi|raw|default

`fastapi`: the reference's own application (FastAPI and pydantic echo). `raw`: the smallest ASGI application with
decode → model → encode. `default`: Ray Serve as it comes, with FastAPI, without our configuration.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from services.launch import environment
from services.settings import Settings

PORT = int(sys.argv[1]) if __name__ == "__main__" else 0
FOLDER = Path(tempfile.mkdtemp(prefix="bench-")) if __name__ == "__main__" else Path()

if __name__ == "__main__" and sys.argv[2] != "default":
    os.environ.update(environment(Settings.read({"AICHUNG_HOME": str(FOLDER), "AICHUNG_HTTP_PORT": str(PORT)})))
    os.environ.pop("AICHUNG_HOME")
os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[3])  # where the replicas find `tests`

import ray  # noqa: E402 - Ray reads its switches when it is imported
from ray import serve  # noqa: E402

from tests.bench.peers.bare_app import Default, Echo, Raw  # noqa: E402


def main() -> None:
    """Serve until a signal comes."""
    applications = {"fastapi": Echo, "raw": Raw, "default": Default}
    ray.init(
        address="local", num_cpus=8, include_dashboard=False, object_store_memory=80_000_000,
        _temp_dir=str(FOLDER / "r"), log_to_driver=False,
    )  # fmt: skip
    (FOLDER / "p").mkdir(exist_ok=True)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(applications[sys.argv[2]].bind(), name="nlp", route_prefix="/v1/nlp")
    print("ready", flush=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
