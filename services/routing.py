"""From a method and a path to an endpoint.

Decision: paths without parameters, which are all the hot ones, are one dictionary look-up; the others are a list of
regular expressions by number of segments; a last parameter written `{name...}` takes the whole rest of a path. There
is no normalising: a doubled slash or a trailing one is another path.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from models.errors import InvalidInputError, NotFoundError, PlatformError
from services.endpoints import Endpoint
from services.strict_json import Decoder

SEGMENT: Final = r"([^/\x00-\x1f\x7f]{1,200})"
NAME: Final = re.compile(r"\{([a-z_]+)\}")


class MethodNotAllowedError(PlatformError):
    """Phương thức không được phép | Method not allowed"""

    code = "method-not-allowed"


@dataclass(frozen=True, slots=True)
class Bound:
    """An endpoint with its decoder, ready to be called."""

    endpoint: Endpoint
    decoder: Decoder[Any] | None


@dataclass(frozen=True, slots=True)
class Route:
    """All methods of one path."""

    template: str
    methods: Mapping[str, Bound]
    allow: str


class Routes:
    """The table of one application."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        """Compile the rows. Raises ValueError when two rows claim the same method and path."""
        grouped: dict[str, dict[str, Bound]] = defaultdict(dict)
        for endpoint in endpoints:
            methods = grouped[endpoint.path]
            if endpoint.method in methods:
                raise ValueError(f"{endpoint.method} {endpoint.path} is declared twice")
            methods[endpoint.method] = Bound(endpoint, _decoder(endpoint))
        self._static: dict[str, Route] = {}
        self._patterns: dict[int, list[tuple[re.Pattern[str], tuple[str, ...], Route]]] = defaultdict(list)
        self._tails: list[tuple[str, str, Route]] = []
        for path, methods in grouped.items():
            if "GET" in methods:
                methods.setdefault("HEAD", methods["GET"])
            route = Route(path, methods, ", ".join(sorted({*methods, "OPTIONS"})))
            if "{" not in path:
                self._static[path] = route
                continue
            if path.endswith("...}"):
                prefix, _, name = path.removesuffix("...}").rpartition("{")
                self._tails.append((prefix, name, route))
                continue
            pattern = "".join(SEGMENT if i % 2 else re.escape(part) for i, part in enumerate(NAME.split(path)))
            self._patterns[path.count("/")].append((re.compile(pattern), tuple(NAME.findall(path)), route))

    def find(self, path: str) -> tuple[Route, Mapping[str, str]]:
        """The route of a path and its parameters. Raises NotFoundError."""
        route = self._static.get(path)
        if route is not None:
            return route, {}
        for pattern, names, found in self._patterns.get(path.count("/"), ()):
            match = pattern.fullmatch(path)
            if match:
                return found, dict(zip(names, match.groups(), strict=True))
        for prefix, name, found in self._tails:
            if path.startswith(prefix):
                return found, {name: path[len(prefix) :]}
        raise NotFoundError("Không có địa chỉ này.", "There is nothing at this address.")


def _decoder(endpoint: Endpoint) -> Decoder[Any] | None:
    if endpoint.request is None:
        return None
    return Decoder(endpoint.request, empty_allowed=endpoint.empty_allowed)


def choose(route: Route, method: str) -> Bound:
    """The endpoint for a method. Raises MethodNotAllowedError with the `allow` fact."""
    bound = route.methods.get(method)
    if bound is None:
        vi, en = f"Chỉ cho phép: {route.allow}.", f"Allowed methods: {route.allow}."
        raise MethodNotAllowedError(vi, en, allow=route.allow)
    return bound


def no_body(body: bytes) -> None:
    """A request that takes nothing was sent something. Raises InvalidInputError."""
    if body.strip() not in (b"", b"{}"):
        vi, en = "Yêu cầu này không nhận nội dung.", "This request takes no body."
        raise InvalidInputError.at("", vi, en, code="unexpected-body")
