"""Ray Serve's door (`services.executor` is Ray's door for jobs; no other file imports Ray).

Decisions, each measured or forced (Ray 2.60):
- HAProxy ingress and throughput mode together, set before Ray starts; one without the other is slower than neither.
- No hop on the fast path: each family is one Serve application whose replica answers by itself; the ASGI application
  is mounted raw, without FastAPI.
- `ray.init(address="local")` with an own temporary folder and token, so that two installations never meet.
- No websockets: uvicorn's handshake bypasses the doors, and leaves a POST that asks for an upgrade without any answer.
  Serve has no setting for it, so uvicorn's own table is told that there is no implementation; such requests are HTTP.
- Serve ignores unknown keys of a deployment silently, so `check_keys` refuses them before anything is deployed.
"""

from __future__ import annotations

import gc
import inspect
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import ray
import yaml
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import DeploymentSchema, ServeDeploySchema
from uvicorn.config import HTTP_PROTOCOLS, WS_PROTOCOLS

from models.errors import InvalidInputError, UnavailableError
from services.app import Family as FamilyName
from services.app import create_app
from services.house import build_house
from services.settings import Settings

CONFIGURATION = Path(__file__).resolve().parent.parent / "deploy" / "serve.yaml"
OBJECT_STORE_BYTES = 80_000_000
LOGICAL_CPUS = 8
COLLECTOR_THRESHOLDS = (20_000, 20, 20)
SWITCH_SECONDS = 0.0005
"""How long a computing thread may keep the interpreter lock from the event loop; Python's default is 5 ms."""


class Family:
    """One family of endpoints in one replica: builds its own house when the replica starts."""

    def __init__(self, family: FamilyName) -> None:
        """Keep the family's name; the house is built with the application."""
        self.family = family

    def __serve_build_asgi_app__(self) -> Any:
        """The raw ASGI application of this family."""
        sys.setswitchinterval(SWITCH_SECONDS)
        WS_PROTOCOLS["auto"] = None
        HTTP_PROTOCOLS["auto"] = "services.sockets:JoiningProtocol"
        house = build_house(Settings.read(), self.family)
        house.start()
        app = create_app(house, self.family, served_by_ray=True)
        settle_memory()
        return app


def settle_memory() -> None:
    """Keep the garbage collector from walking what lives as long as the process, and from running for every answer.

    Ray, the models and the registry are half a million objects; an answer of a thousand words is as many again, and
    a collection of the oldest generation in its middle costs more than the answer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def _application(family: FamilyName, options: Mapping[str, Any]) -> serve.Application:
    deployment = serve.deployment(name=family)(serve.ingress()(Family))
    return deployment.options(**options).bind(family)


nlp = _application("nlp", {})
timeseries = _application("timeseries", {})
platform = _application("platform", {})


def read_configuration(path: Path = CONFIGURATION) -> ServeDeploySchema:
    """The checked Serve configuration. Raises InvalidInputError naming a key that Serve would ignore."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    check_keys(document)
    return ServeDeploySchema.model_validate(document)


def check_keys(document: Mapping[str, Any]) -> None:
    """Refuse keys of applications and deployments that Serve does not know."""
    known = set(DeploymentSchema.model_fields)
    options = set(inspect.signature(serve.Deployment.options).parameters)
    for application in document.get("applications", []):
        for deployment in application.get("deployments", []):
            unknown = set(deployment) - (known & (options | {"name"}))
            actor = set(deployment.get("ray_actor_options", {})) - {"num_cpus", "num_gpus", "memory", "resources"}
            if unknown or actor:
                words = ", ".join(sorted(unknown | actor))
                raise InvalidInputError(
                    f"Khóa không được hỗ trợ trong cấu hình Serve: {words}.",
                    f"Keys that Serve would ignore in its configuration: {words}.",
                )


def start(settings: Settings, temporary: Path) -> None:
    """Start Ray and deploy every application of the configuration; returns when they run.

    Raises UnavailableError when Ray or one of the applications does not come up.
    """
    try:
        _start(settings, temporary)
    except (RayError, RayServeException, RuntimeError, TimeoutError, OSError) as error:
        raise UnavailableError(
            "Ray Serve không khởi động được.", "Ray Serve did not come up.", code="serve-start-failed"
        ) from error


def _start(settings: Settings, temporary: Path) -> None:
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    ray.init(
        address="local",
        num_cpus=LOGICAL_CPUS,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        _temp_dir=str(temporary),
        _node_ip_address="127.0.0.1",
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    configuration = read_configuration()
    http = configuration.http_options
    serve.start(
        http_options={
            "host": settings.http_host,
            "port": settings.http_port,
            "keep_alive_timeout_s": http.keep_alive_timeout_s,
        }
    )
    targets = []
    for application in configuration.applications:
        options = {
            key: value
            for deployment in application.deployments
            for key, value in deployment.model_dump(exclude_unset=True).items()
        }
        bound = _application(cast(FamilyName, application.name), options)
        targets.append(serve.RunTarget(bound, name=application.name, route_prefix=application.route_prefix))
    serve.run_many(targets)


def address() -> str:
    """Where the worker of the jobs finds this Ray."""
    found: str = ray.get_runtime_context().gcs_address
    return found


def stop() -> None:
    """Stop the applications and Ray."""
    try:
        serve.shutdown()  # type: ignore[no-untyped-call]
    finally:
        ray.shutdown()
