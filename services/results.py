"""What the client gives back: the answer as it came, its provenance at hand, and tables on request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.frames import frame


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer. A large call is sent in parts: `bodies` holds each part's answer as it came, in order."""

    bodies: tuple[Mapping[str, Any], ...]

    @property
    def model(self) -> Mapping[str, Any]:
        """The model behind the answer: name, version, card."""
        found: Mapping[str, Any] = self.bodies[0]["model"]
        return found

    @property
    def models(self) -> set[str]:
        """Every `name@version` that answered; more than one when a version changed between two parts."""
        return {f"{body['model']['name']}@{body['model']['version']}" for body in self.bodies}

    @property
    def notice(self) -> str:
        """That a machine proposed this."""
        return str(self.bodies[0]["notice"])

    @property
    def request_ids(self) -> list[str]:
        """The ids under which the ledger holds the calls."""
        return [body["request_id"] for body in self.bodies]

    @property
    def usage(self) -> dict[str, int]:
        """What was counted, summed over the parts."""
        sums: dict[str, int] = {}
        for body in self.bodies:
            for name, count in body["usage"].items():
                sums[name] = sums.get(name, 0) + count
        return sums

    def _all(self, member: str) -> list[Any]:
        return [one for body in self.bodies for one in body[member]]


@dataclass(frozen=True, slots=True)
class TextAnswer(Answer):
    """The answer of a language task."""

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The answered documents, in order."""
        return self._all("documents")

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The documents that failed, each with its problem."""
        return self._all("errors")

    def frame(self) -> Any:
        """A DataFrame: one row for each token, label, or restored text; failed documents have `error`."""
        rows = [row for document in self.documents for row in _rows_of(document)]
        rows += [{"id": one["id"], "error": one["error"]["code"]} for one in self.errors]
        return frame(rows)


def _rows_of(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    own = {"id": document["id"]}
    if "tokens" in document:
        for token in document["tokens"]:
            yield own | token
    elif "labels" in document:
        for place, label in enumerate(document["labels"]):
            yield own | {"rank": place + 1} | label | {"abstained": document.get("abstained", False)}
    else:
        yield own | {name: value for name, value in document.items() if name != "id"}


@dataclass(frozen=True, slots=True)
class AnalysisAnswer:
    """Several tasks over the same documents, as it came."""

    body: Mapping[str, Any]

    @property
    def tasks(self) -> list[Mapping[str, Any]]:
        """Each task's answer or problem, in the order asked."""
        found: list[Mapping[str, Any]] = self.body["tasks"]
        return found


@dataclass(frozen=True, slots=True)
class ForecastAnswer(Answer):
    """The answer of a forecast."""

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """One output for each series, in order."""
        return self._all("outputs")

    def frame(self) -> Any:
        """A DataFrame: one row for each series and period, with the mean and a column for each quantile."""
        rows: list[dict[str, Any]] = []
        for output in self.outputs:
            for content in output["content"]:
                quantiles = content["quantiles"]
                for step, period in enumerate(content["periods"]):
                    row = {"name": output["name"], "period": period, "mean": content["mean_forecast"][step]}
                    rows.append(row | {f"q{level}": values[step] for level, values in quantiles.items()})
            if output["status"] == "failed":
                rows.append({"name": output["name"], "error": output["error"]["code"]})
        return frame(rows)


@dataclass(frozen=True, slots=True)
class AnomalyAnswer(Answer):
    """The answer of a search for anomalies."""

    inputs: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """One output for each series, in order."""
        return self._all("outputs")

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events, each with its series' name."""
        return [{"name": output["name"]} | event for output in self.outputs for event in output.get("events", ())]

    def frame(self) -> Any:
        """A DataFrame: one row for each point as sent, with its value and what was found."""
        rows: list[dict[str, Any]] = []
        for given, output in zip(self.inputs, self.outputs, strict=True):
            points = output.get("points")
            if points is None:
                rows.append({"name": output["name"], "error": output["error"]["code"]})
                continue
            times: Sequence[Any] = given.get("timestamps") or range(len(given["series"]))
            for place, (moment, value) in enumerate(zip(times, given["series"], strict=True)):
                row = {"name": output["name"], "at": moment, "value": value}
                rows.append(row | {name: values[place] for name, values in points.items()})
        return frame(rows)


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list; `frame()` gives its rows as a table."""

    data: list[dict[str, Any]]
    has_more: bool = False
    last_id: str | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Listing:
        """From the API's list."""
        return cls(list(body["data"]), bool(body.get("has_more", False)), body.get("last_id"))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows of this page."""
        return iter(self.data)

    def __len__(self) -> int:
        """How many rows this page has."""
        return len(self.data)

    def frame(self) -> Any:
        """A DataFrame of this page."""
        return frame(self.data)
