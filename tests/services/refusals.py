"""Every refusal of API.md that concerns the language and time series endpoints, as data.

The wire's tests run the table in process, the journeys over real HTTP against a started platform. `key` is a name of
the evaluation installation's keys, None for no key, or a literal. `body` is sent as JSON unless it is bytes.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import Any

SECRET = "bi-mat-khong-duoc-lap-lai"
"""Stands in refused input wherever text may stand; no answer may repeat it."""

SEGMENT = "/v1/nlp/segment"
TOPICS = "/v1/nlp/topics"
ANALYZE = "/v1/nlp/analyze"
FORECAST = "/v1/timeseries/forecast"
ANOMALIES = "/v1/timeseries/anomalies"
UNKNOWN_KEY = "aic_000000000000_" + "0" * 40


@dataclass(frozen=True)
class Refusal:
    """One request that must be refused, and how."""

    name: str
    path: str
    body: Any
    status: int
    code: str
    pointer: str | None = None
    method: str = "POST"
    key: str | None = "ministry"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The bytes that are sent."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def docs(*texts: str, **more: Any) -> dict[str, Any]:
    return {"documents": [{"id": f"d{i}", "text": text} for i, text in enumerate(texts)], **more}


def one(**more: Any) -> dict[str, Any]:
    """A legal series with some fields changed; None in `more` drops a field."""
    series = {"name": "s", "series": [1, 2, 3, 4, 5, 6], "frequency": "M", "start_timestamp": "2024-01", **more}
    return {name: value for name, value in series.items() if value is not ...}


def forecast(*series: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"inputs": list(series) or [one()], "options": {"horizon": 3, **options}}


def text_body(raw: bytes) -> bytes:
    return b'{"documents":[{"id":"a","text":' + raw + b"}]}"


def series_body(raw: bytes, options: bytes = b'{"horizon":3}') -> bytes:
    head = b'{"inputs":[{"name":"s","frequency":"M","start_timestamp":"2024-01","series":'
    return head + raw + b'}],"options":' + options + b"}"


KEYS = [
    Refusal("no key", SEGMENT, docs("a"), 401, "key-missing", key=None),
    Refusal("an unknown key", SEGMENT, docs("a"), 401, "unauthenticated", key=UNKNOWN_KEY),
    Refusal("a malformed key", SEGMENT, docs("a"), 401, "unauthenticated", key="x" * 9000),
    Refusal("no key on a time series", FORECAST, forecast(), 401, "key-missing", key=None),
    Refusal("an administrator's key", SEGMENT, docs("a"), 403, "forbidden", key="admin"),
    Refusal("an administrator's key on a time series", FORECAST, forecast(), 403, "forbidden", key="admin"),
    Refusal("two different keys", SEGMENT, docs("a"), 401, "unauthenticated", headers={"X-API-Key": UNKNOWN_KEY}),
]

JSON = [
    Refusal("an empty body", SEGMENT, b"", 400, "empty-body"),
    Refusal("not JSON", SEGMENT, b"{", 400, "malformed-json"),
    Refusal("trailing bytes", SEGMENT, json.dumps(docs("a")).encode() + b"x", 400, "malformed-json"),
    Refusal("a byte order mark", SEGMENT, b"\xef\xbb\xbf" + json.dumps(docs("a")).encode(), 400, "malformed-json"),
    Refusal("a duplicate key", SEGMENT, text_body(b'"a","text":"b"'), 400, "duplicate-key", "/documents/0/text"),
    Refusal(
        "a duplicate key in another spelling", SEGMENT, text_body(b'"a","\\u0074ext":"b"'), 400, "duplicate-key",
        "/documents/0/text",
    ),
    Refusal("too deep", SEGMENT, b'{"documents":' + b"[" * 80 + b"]" * 80 + b"}", 400, "too-deep"),
    Refusal("far too deep", FORECAST, b"[" * 200_000, 400, "too-deep"),
    Refusal("invalid UTF-8", SEGMENT, text_body(b'"\xff"'), 400, "not-utf-8"),
    Refusal("a lone surrogate", SEGMENT, text_body(b'"\\ud800"'), 422, "lone-surrogate", "/documents/0/text"),
    Refusal("a NUL", SEGMENT, text_body(b'"a\\u0000"'), 422, "nul-character", "/documents/0/text"),
    Refusal("form data", SEGMENT, b"a=1", 415, "unsupported-media-type",
            headers={"Content-Type": "application/x-www-form-urlencoded"}),
    Refusal("another charset", SEGMENT, docs("a"), 415, "unsupported-media-type",
            headers={"Content-Type": "application/json; charset=utf-16"}),
    Refusal("another encoding", SEGMENT, docs("a"), 415, "unsupported-content-encoding",
            headers={"Content-Encoding": "br"}),
    Refusal("broken gzip", SEGMENT, b"nothing", 400, "malformed-gzip", headers={"Content-Encoding": "gzip"}),
    Refusal("a gzip bomb", SEGMENT, gzip.compress(b" " * (8 << 20)), 413, "too-large",
            headers={"Content-Encoding": "gzip"}),
    Refusal("three megabytes", SEGMENT, docs("a" * (3 << 20)), 413, "too-large"),
]  # fmt: skip

VALUES = [
    Refusal("an unknown field", SEGMENT, docs("a", **{SECRET: 1}), 422, "unknown-field", ""),
    Refusal("an unknown field in a document", SEGMENT, {"documents": [{"id": "a", "text": "b", SECRET: 1}]}, 422,
            "unknown-field", "/documents/0"),
    Refusal("an unknown option", SEGMENT, docs("a", options={SECRET: True}), 422, "unknown-field", "/options"),
    Refusal("no documents field", SEGMENT, {}, 422, "missing-field", "/documents"),
    Refusal("no documents", SEGMENT, docs(), 422, "wrong-value", "/documents"),
    Refusal("a document without id", SEGMENT, {"documents": [{"text": SECRET}]}, 422, "missing-field",
            "/documents/0/id"),
    Refusal("a number for a text", SEGMENT, {"documents": [{"id": "a", "text": 3}]}, 422, "wrong-value",
            "/documents/0/text"),
    Refusal("a list", SEGMENT, [SECRET], 422, "wrong-value", ""),
    Refusal("1,001 documents", SEGMENT, docs(*["a"] * 1001), 413, "too-large", "/documents"),
    Refusal("a document over 100,000 characters", SEGMENT, docs("a" * 100_001), 413, "too-large", "/documents/0/text"),
    Refusal("an unknown offset unit", SEGMENT, docs("a", options={"offset_unit": SECRET}), 422, "wrong-value",
            "/options/offset_unit"),
    Refusal("an explanation that does not exist", SEGMENT, docs("a", options={"explain": True}), 422,
            "unsupported-option", "/options/explain"),
    Refusal("an unknown model", SEGMENT, docs("a", model=SECRET), 404, "unknown-model"),
    Refusal("an unknown version", SEGMENT, docs("a", model="vi-segment@9.9.9"), 404, "unknown-model"),
    Refusal("a model of another task", SEGMENT, docs("a", model="vi-topic"), 404, "unknown-model"),
    Refusal("a task without a model", "/v1/nlp/summarize", docs("a"), 404, "unknown-task"),
    Refusal("a task that nobody knows", "/v1/nlp/" + SECRET, docs("a"), 404, "unknown-task"),
    Refusal("an unknown task in an analysis", ANALYZE, docs("a", tasks=[{"task": SECRET}]), 422, "wrong-value",
            "/tasks/0/task"),
    Refusal("a task twice in an analysis", ANALYZE, docs("a", tasks=[{"task": "segment"}] * 2), 422, "duplicate-task",
            "/tasks"),
    Refusal("an analysis without tasks", ANALYZE, docs("a", tasks=[]), 422, "wrong-value", "/tasks"),
]  # fmt: skip

SERIES = [
    Refusal("NaN", FORECAST, series_body(b"[1,NaN]"), 422, "not-finite", "/inputs/0/series/1"),
    Refusal("Infinity", FORECAST, series_body(b"[-Infinity]"), 422, "not-finite", "/inputs/0/series/0"),
    Refusal("1e999", FORECAST, series_body(b"[1,2,1e999]"), 422, "not-finite", "/inputs/0/series/2"),
    Refusal("an absurd integer", FORECAST, series_body(b"[" + b"9" * 400 + b"]"), 422, "not-finite",
            "/inputs/0/series/0"),
    Refusal("a merely absurd integer", FORECAST, series_body(b"[1," + b"9" * 40 + b"]"), 422, "number-out-of-range",
            "/inputs/0/series/1"),
    Refusal("a string for a number", FORECAST, series_body(b'["3"]'), 422, "wrong-value", "/inputs/0/series/0"),
    Refusal("a truth value for a number", FORECAST, series_body(b"[true]"), 422, "wrong-value", "/inputs/0/series/0"),
    *[
        Refusal(f"horizon {value[:12].decode()}", FORECAST, series_body(b"[1,2,3]", b'{"horizon":' + value + b"}"), 422,
                code, "/options/horizon")
        for value, code in [
            (b"0", "wrong-value"), (b"-1", "wrong-value"), (b"1001", "wrong-value"), (b"1e308", "wrong-value"),
            (b"true", "wrong-value"), (b'"3"', "wrong-value"), (b"3.0", "wrong-value"), (b"null", "wrong-value"),
            (b"NaN", "not-finite"), (b"1" * 30, "wrong-value"),
        ]
    ],
    Refusal("no horizon", FORECAST, {"inputs": [one()], "options": {}}, 422, "missing-field", "/options/horizon"),
    Refusal("no options", FORECAST, {"inputs": [one()]}, 422, "missing-field", "/options"),
    Refusal("no inputs", FORECAST, {"inputs": [], "options": {"horizon": 1}}, 422, "wrong-value", "/inputs"),
    Refusal("a name twice", FORECAST, forecast(one(), one()), 422, "duplicate-name", "/inputs/1/name"),
    Refusal("an unknown frequency", FORECAST, forecast(one(frequency="fortnight")), 422, "bad-frequency",
            "/inputs/0/frequency"),
    Refusal("a malformed start", FORECAST, forecast(one(start_timestamp=SECRET)), 422, "bad-timestamp",
            "/inputs/0/start_timestamp"),
    Refusal("no start and no times", FORECAST, forecast(one(start_timestamp=...)), 422, "bad-timestamps",
            "/inputs/0/start_timestamp"),
    Refusal("both start and times", FORECAST, forecast(one(timestamps=["2024-01"] * 6)), 422, "bad-timestamps",
            "/inputs/0/start_timestamp"),
    Refusal("too few times", FORECAST, forecast(one(start_timestamp=..., timestamps=["2024-01"])), 422,
            "bad-timestamps", "/inputs/0/timestamps"),
    Refusal("another type", FORECAST, forecast(one(type=SECRET)), 422, "wrong-value", "/inputs/0/type"),
    Refusal("an unknown kind", FORECAST, forecast(one(kind=SECRET)), 422, "wrong-value", "/inputs/0/kind"),
    Refusal("an unknown field in a series", FORECAST, forecast(one(**{SECRET: 1})), 422, "unknown-field", "/inputs/0"),
    Refusal("a quantile of 1", FORECAST, forecast(quantiles=[0.5, 1]), 422, "wrong-value", "/options/quantiles/1"),
    Refusal("a quantile twice", FORECAST, forecast(quantiles=[0.5, 0.5]), 422, "duplicate-quantile",
            "/options/quantiles"),
    Refusal("holidays of another land", FORECAST, forecast(holidays="FR"), 422, "wrong-value", "/options/holidays"),
    Refusal("reconciliation", FORECAST, forecast(reconcile="mint"), 422, "unsupported-option", "/options/reconcile"),
    Refusal("known future values", FORECAST, forecast(one(known_future={"t": [1.0]})), 422, "unsupported-option",
            "/inputs/0/known_future"),
    Refusal("past covariates", FORECAST, forecast(one(past_covariates={"t": [1.0]})), 422, "unsupported-option",
            "/inputs/0/past_covariates"),
    Refusal("1,001 series", FORECAST, forecast(*[one(name=f"s{i}") for i in range(1001)]), 413, "too-large",
            "/inputs"),
    Refusal("an answer of millions of numbers", FORECAST,
            forecast(*[one(name=f"s{i}") for i in range(1000)], horizon=1000), 413, "too-large", "/options/horizon"),
    Refusal("21 series for forecast-prophet", FORECAST,
            {**forecast(*[one(name=f"s{i}") for i in range(21)]), "model": "forecast-prophet"}, 413, "too-large",
            "/inputs"),
    Refusal("a detector asked to forecast", FORECAST, {**forecast(), "model": "anomaly-series"}, 404, "unknown-model"),
    Refusal("sensitivity 100", ANOMALIES, {"inputs": [one()], "options": {"sensitivity": 100}}, 422, "wrong-value",
            "/options/sensitivity"),
    Refusal("two thresholds", ANOMALIES,
            {"inputs": [one()], "options": {"sensitivity": 5, "false_alarms_per_year": 1}}, 422, "exclusive-options",
            "/options"),
    *[
        Refusal(f"a budget of {name}", ANOMALIES, {"inputs": [one()], "options": {"alarm_budget": budget}}, 422, code,
                "/options/alarm_budget" + below)
        for name, budget, code, below in [
            ("less than nothing", -1, "wrong-value", ""), ("a fraction", 1.5, "wrong-value", ""),
            ("a truth value", True, "wrong-value", ""), ("a text", "5", "wrong-value", ""),
            ("no count", {"per": "week"}, "missing-field", "/count"),
            ("less than nothing a week", {"count": -1, "per": "week"}, "wrong-value", "/count"),
            ("another period", {"count": 1, "per": SECRET}, "wrong-value", "/per"),
            ("another scope", {"count": 1, "scope": SECRET}, "wrong-value", "/scope"),
            ("an unknown field", {"count": 1, SECRET: 1}, "unknown-field", ""),
        ]
    ],
    Refusal("a budget beside a sensitivity", ANOMALIES,
            {"inputs": [one()], "options": {"sensitivity": 5, "alarm_budget": {"count": 1}}}, 422, "exclusive-options",
            "/options"),
    Refusal("an unknown mode", ANOMALIES, {"inputs": [one()], "options": {"mode": SECRET}}, 422, "wrong-value",
            "/options/mode"),
]  # fmt: skip

PLACES = [
    Refusal("an unknown address", "/v1/nothing", b"", 404, "not-found", method="GET"),
    Refusal("an address with a doubled slash", "/v1//nlp/segment", docs("a"), 404, "not-found"),
    Refusal("an address with a trailing slash", "/v1/nlp/segment/", docs("a"), 404, "not-found"),
    Refusal("a GET where only POST is", SEGMENT, b"", 405, "method-not-allowed", method="GET"),
    Refusal("a DELETE where only POST is", FORECAST, b"", 405, "method-not-allowed", method="DELETE"),
    Refusal("an override of the method", SEGMENT, b"", 405, "method-not-allowed", method="GET",
            headers={"X-HTTP-Method-Override": "POST"}),
    Refusal("metrics for a caller", "/metrics", b"", 403, "forbidden", method="GET"),
    Refusal("metrics without a key", "/metrics", b"", 401, "key-missing", method="GET", key=None),
    Refusal("an unknown model's page", "/v1/registry/models/" + SECRET, b"", 404, "unknown-model", method="GET"),
    Refusal("an unknown version's card", "/v1/registry/models/vi-segment/versions/9.9.9/card", b"", 404,
            "unknown-model", method="GET"),
    Refusal("an unknown query parameter", "/v1/registry/models?" + SECRET + "=1", b"", 422, "unknown-parameter",
            method="GET"),
    Refusal("a malformed query", "/v1/registry/models?limit=1&limit=2", b"", 400, "malformed-query", method="GET"),
    Refusal("a caller who suspends", "/v1/registry/models/vi-segment/versions/1.0.0/suspend", {"reason": "thử xem"},
            403, "forbidden"),
]  # fmt: skip

REFUSALS: list[Refusal] = [*KEYS, *JSON, *VALUES, *SERIES, *PLACES]
