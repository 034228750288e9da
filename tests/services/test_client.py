"""The client against a whole house over real sockets, and against a line that breaks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpx
import numpy as np
import pandas as pd
import pytest

from models.errors import (
    ConflictError,
    DeadlineError,
    ForbiddenError,
    GateClosedError,
    InvalidInputError,
    NotFoundError,
    PlatformError,
    QuotaExceededError,
    UnauthenticatedError,
    UnavailableError,
)
from services.client import Client
from services.client_models import card_of
from services.frames import documents_of, series_of
from services.transport import Transport
from tests.services.wire.small import Place

# --- a whole house ------------------------------------------------------------------------------------------


@pytest.fixture
def connect(place: Place, address: str) -> Iterator[Callable[[str], Client]]:
    """A client with a named key."""
    opened: list[Client] = []

    def client(name: str) -> Client:
        opened.append(Client(address, place.keys.get(name, name), language="en", progress=False))
        return opened[-1]

    yield client
    for one in opened:
        one.close()


By = Callable[[str], Client]


class TestLanguage:
    def test_texts_come_back_in_order_with_their_model(self, connect: By) -> None:
        answer = connect("ministry").segment(["xin chào", "bạn"])
        assert [document["id"] for document in answer.documents] == ["0", "1"]
        assert answer.models == {"vi-segment@1.0.0"}
        assert answer.model["card"].startswith("sha256:")
        assert "AI" in answer.notice
        assert answer.frame().to_dict("records")[0] == {"id": "0", "text": "xin", "start": 0, "end": 3}

    def test_a_large_call_is_cut_and_put_together_again(self, connect: By) -> None:
        texts = [f"văn bản {number}" for number in range(1001)]
        answer = connect("ministry").segment(texts)
        assert [document["id"] for document in answer.documents] == [str(number) for number in range(1001)]
        assert len(answer.request_ids) == 6
        assert answer.usage["documents"] == 1001

    def test_a_table_goes_in_and_comes_out(self, connect: By) -> None:
        table = pd.DataFrame({"id": ["a", "b"], "text": ["xin chào", "poison"]})
        found = connect("ministry").topics(table).frame()
        assert list(found.loc[found["id"] == "a", "label"]) == ["The thao", "Van hoa"]
        assert list(found.loc[found["id"] == "b", "error"]) == ["unusable"]
        labels = connect("ministry").topics(pd.Series(["xin"], index=["k"]), explain=True).documents[0]
        assert labels["id"] == "k"
        assert "explanation" in labels

    def test_diacritics_and_an_analysis(self, connect: By) -> None:
        ai = connect("ministry")
        assert ai.diacritics("xin chao").documents[0]["text"] == "xin chào"
        analysis = ai.analyze(["xin chào"], ["segment", {"task": "topics"}])
        assert [task["task"] for task in analysis.tasks] == ["segment", "topics"]
        assert ai.classify(["xin"], model="vi-topic").documents[0]["labels"]


class TestSeries:
    def test_a_table_of_months_is_forecast(self, connect: By) -> None:
        index = pd.period_range("2020-01", periods=24, freq="M")
        table = pd.DataFrame({"ca": np.arange(24.0), "tử vong": np.ones(24)}, index=index)
        answer = connect("ministry").forecast(table, 3, quantiles=[0.1, 0.9])
        found = answer.frame()
        assert list(found.columns) == ["name", "period", "mean", "q0.1", "q0.9"]
        assert list(found["period"][:3]) == ["2022-01", "2022-02", "2022-03"]
        assert list(found["mean"]) == [23.0] * 3 + [1.0] * 3

    def test_lists_with_gaps_and_anomalies(self, connect: By) -> None:
        values = [1.0, float("nan"), 3.0, 500.0] * 6
        answer = connect("ministry").anomalies({"ca": values}, frequency="M", start="2020-01", sensitivity=50)
        assert answer.events[0]["name"] == "ca"
        found = answer.frame()
        assert list(found["is_anomaly"]) == [False, False, False, True] * 6

    def test_prophet_gets_no_more_than_it_takes(self, connect: By) -> None:
        many = {f"s{number}": [1.0] * 24 for number in range(45)}
        answer = connect("ministry").forecast(many, 2, frequency="M", start="2020-01", model="forecast-prophet")
        assert (len(answer.outputs), len(answer.bodies)) == (45, 3)


class TestAdministration:
    def test_keys_and_tenants(self, connect: By) -> None:
        admin = connect("admin")
        tenant = admin.create_tenant("26041", "2025-07-01", "Phường Trấn Biên", level="commune")
        assert tenant["id"] in [one["id"] for one in admin.pages(admin.tenants, limit=2)]
        made = admin.create_key("Một cửa", "service", tenant=tenant["id"], limits={"requests_per_minute": 9})
        caller = connect(made["key"])
        assert caller.me()["tenant"]["name"] == "Phường Trấn Biên"
        successor = caller.rotate_key(made["id"], overlap_seconds=5)
        assert successor["replaces"] == made["id"]
        admin.revoke_key(successor["id"])
        assert len(list(admin.pages(admin.keys, limit=5))) == len(admin.keys(limit=1000)) >= 19
        with pytest.raises(UnauthenticatedError):
            connect(successor["key"]).me()

    def test_models_cards_and_suspension(self, connect: By, place: Place) -> None:
        place.registry.add("vi-other", "text.segment/1")
        place.house.handles.refresh()
        ai = connect("ministry")
        assert "vi-topic" in [row["name"] for row in ai.catalog()]
        assert ai.model("vi-topic")["versions"][0]["approval"]["kind"] == "bootstrap"
        assert ai.model("vi-topic", "1.0.0")["state"] == "open"
        assert isinstance(ai.card("vi-topic", "1.0.0"), dict)
        assert "vi-topic" in str(ai.card("vi-topic", "1.0.0", "markdown"))
        assert ai.evaluation("vi-topic", "1.0.0")
        assert ai.bias_report("vi-topic", "1.0.0")
        with pytest.raises(ForbiddenError):
            ai.suspend("vi-other", "1.0.0", "thử")
        assert connect("operator").suspend("vi-other", "1.0.0", "diễn tập")["state"] == "suspended"
        place.house.handles.refresh()
        with pytest.raises(GateClosedError) as closed:
            ai.segment("xin", model="vi-other")
        assert closed.value.facts["state"] == "suspended"

    def test_the_log(self, connect: By, place: Place) -> None:
        ai = connect("ministry")
        ai.segment("xin")
        place.records()
        rows = ai.audit_records(event="inference", limit=1)
        assert rows.data[0]["record"]["event"] == "inference"
        with pytest.raises(ConflictError):
            ai.audit_proof(rows.data[0]["seq"])
        assert ai.usage()["totals"]["answered"] >= 1
        assert connect("inspector").kpis()["data"]

    def test_the_platform_itself(self, connect: By) -> None:
        ai = connect("ministry")
        assert ai.version()["version"]
        assert ai.health()["status"]


class TestErrors:
    def test_they_are_the_platforms_own_types_with_pointers(self, connect: By) -> None:
        ai = connect("ministry")
        with pytest.raises(InvalidInputError) as refused:
            ai.forecast({"x": [1.0, 2.0]}, 0, frequency="M", start="2020-01")
        assert refused.value.faults[0].pointer == "/options/horizon"
        assert refused.value.facts["status"] == 422
        assert refused.value.facts["request_id"]
        with pytest.raises(NotFoundError):
            ai.segment("xin", model="nothing")
        with pytest.raises(UnauthenticatedError):
            connect("aic_000000000000_" + "A" * 40).me()

    @pytest.mark.parametrize("texts", [[1, 2], [{"id": "a"}], pd.DataFrame({"words": ["a"]}), {"a": None}])
    def test_what_holds_no_texts_is_refused_here(self, texts: object) -> None:
        with pytest.raises(InvalidInputError):
            documents_of(texts)

    def test_a_table_without_times_is_refused_here(self) -> None:
        with pytest.raises(InvalidInputError):
            series_of(pd.DataFrame({"x": [1.0, 2.0]}), None, None)
        with pytest.raises(InvalidInputError):
            series_of({"x": [1.0]}, None, None)

    @pytest.mark.parametrize(
        ("freq", "word"),
        [
            ("MS", "M"),
            ("ME", "M"),
            ("D", "D"),
            ("h", "H"),
            ("W-SUN", "W-SUN"),
            ("QS", "Q"),
            ("YS", "Y"),
            ("30min", "30min"),
        ],
    )
    def test_the_frequency_is_read_from_the_index(self, freq: str, word: str) -> None:
        table = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=pd.date_range("2020-01-01", periods=3, freq=freq))
        assert series_of(table, None, None)[0]["frequency"] == word


# --- a line that breaks -------------------------------------------------------------------------------------

Step = tuple[int, dict[str, str], bytes]
PROBLEM = {"Content-Type": "application/problem+json"}
OK: Step = (200, {"Content-Type": "application/json"}, b'{"done":true}')
BUSY: Step = (503, PROBLEM | {"Retry-After": "1"}, b'{"code":"unavailable","detail":"later"}')
LIMITED: Step = (429, PROBLEM | {"Retry-After": "2"}, b'{"code":"quota-exceeded","detail":"later"}')
PROXY: Step = (502, {"Content-Type": "text/html"}, b"<html>")
OURS: Step = (500, PROBLEM, b'{"code":"internal-error","detail":"sorry"}')
IN_FLIGHT: Step = (409, PROBLEM, b'{"code":"idempotency-in-flight","detail":"wait"}')
CUT: Step = (0, {}, b"")


class Script(BaseHTTPRequestHandler):
    """Plays steps; CUT closes the connection without an answer."""

    protocol_version = "HTTP/1.1"
    steps: ClassVar[list[Step]] = []
    seen: ClassVar[list[tuple[str, dict[str, str], bytes]]] = []

    def play(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.seen.append((self.path, dict(self.headers), self.rfile.read(length)))
        status, headers, body = self.steps.pop(0)
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = play

    def log_message(self, *arguments: object) -> None:
        """Stay silent."""


class TestABrokenLine:
    @pytest.fixture(scope="class", autouse=True)
    @staticmethod
    def server() -> Iterator[str]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Script)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        server.server_close()
        thread.join()

    @pytest.fixture
    def slept(self) -> list[float]:
        return []

    @pytest.fixture
    def line(self, server: str, slept: list[float]) -> Iterator[Transport]:
        line = Transport(server, "aic_x", tries=4, patience_seconds=20, sleep=slept.append)
        yield line
        line.close()

    def play(self, *steps: Step) -> None:
        Script.steps[:] = steps
        Script.seen.clear()

    @pytest.mark.parametrize("trouble", [CUT, BUSY, LIMITED, PROXY])
    def test_a_prediction_is_repeated(self, line: Transport, trouble: Step) -> None:
        self.play(trouble, trouble, OK)
        assert line.predict("/p", {}) == {"done": True}
        assert len(Script.seen) == 3

    def test_the_platforms_own_pause_is_kept(self, line: Transport, slept: list[float]) -> None:
        self.play(LIMITED, BUSY, OK)
        line.predict("/p", {})
        assert slept[0] == 2
        assert slept[1] == 1

    def test_pauses_grow(self, line: Transport, slept: list[float]) -> None:
        self.play(CUT, CUT, CUT, OK)
        line.predict("/p", {})
        assert slept[0] < 0.31
        assert 0.39 < slept[2] < 1.21

    def test_tries_are_bounded(self, line: Transport) -> None:
        self.play(*[CUT] * 9)
        with pytest.raises(UnavailableError) as failed:
            line.predict("/p", {})
        assert failed.value.word == "connection-failed"
        assert isinstance(failed.value.__cause__, httpx.TransportError)
        assert len(Script.seen) == 4

    def test_patience_is_bounded(self, line: Transport, slept: list[float]) -> None:
        self.play((429, PROBLEM | {"Retry-After": "3600"}, b'{"code":"quota-exceeded","detail":"x"}'), OK)
        with pytest.raises(QuotaExceededError) as refused:
            line.predict("/p", {})
        assert refused.value.retry_after_seconds == 3600
        assert slept == []

    @pytest.mark.parametrize("trouble", [CUT, PROXY])
    def test_what_may_have_acted_is_not_repeated(self, line: Transport, trouble: Step) -> None:
        self.play(trouble, OK)
        with pytest.raises(PlatformError):
            line.act("POST", "/suspend", {"reason": "x"})
        assert len(Script.seen) == 1

    def test_our_own_fault_is_not_repeated(self, line: Transport) -> None:
        self.play(OURS, OK)
        with pytest.raises(PlatformError) as failed:
            line.predict("/p", {})
        assert failed.value.word == "internal-error"
        assert len(Script.seen) == 1

    def test_a_creation_keeps_its_idempotency_key_over_all_tries(self, line: Transport) -> None:
        self.play(CUT, IN_FLIGHT, OK)
        line.create("/v1/keys", {})
        keys = {headers["Idempotency-Key"] for _, headers, _ in Script.seen}
        assert len(Script.seen) == 3
        assert len(keys) == 1

    def test_a_first_conflict_is_told(self, line: Transport) -> None:
        self.play(IN_FLIGHT, OK)
        with pytest.raises(ConflictError):
            line.create("/v1/keys", {})

    def test_an_answer_that_never_comes_is_a_deadline(self, server: str) -> None:
        line = Transport(server, "k", timeout_seconds=0.05)
        with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:
            line._http.base_url = httpx.URL(f"http://127.0.0.1:{silent.server_address[1]}")
            with pytest.raises(DeadlineError):
                line.predict("/p", {})
        line.close()

    def test_nobody_there_is_told_in_both_languages(self, slept: list[float]) -> None:
        line = Transport("http://127.0.0.1:1", "k", tries=2, sleep=slept.append)
        with pytest.raises(UnavailableError) as failed:
            line.act("POST", "/x")
        assert "kết nối" in failed.value.note.vi
        assert len(slept) == 1  # a connection that was never made is always worth another try
        line.close()

    @pytest.mark.parametrize(
        ("status", "kind"),
        [(400, InvalidInputError), (401, UnauthenticatedError), (403, ForbiddenError), (404, NotFoundError),
         (409, ConflictError), (410, InvalidInputError), (413, InvalidInputError), (415, InvalidInputError),
         (500, PlatformError), (504, DeadlineError)],
    )  # fmt: skip
    def test_every_status_has_its_type(self, line: Transport, status: int, kind: type[PlatformError]) -> None:
        self.play(
            (status, PROBLEM, b'{"code":"some-word","detail":"because","errors":[{"pointer":"/a","detail":"d"}]}')
        )
        with pytest.raises(kind) as failed:
            line.act("POST", "/x", {})
        assert type(failed.value) is kind
        assert (failed.value.word, failed.value.note.en) == ("some-word", "because")


def test_the_client_is_light_and_needs_no_pandas() -> None:
    """Held by tests/laws for the import; here: an answer is useful without a table."""
    given: Any = documents_of(["a"])
    assert given == [{"id": "0", "text": "a"}]


def test_a_card_given_as_a_mapping_may_hold_dates_like_one_from_a_file():
    assert card_of({"data": {"collected": date(2026, 11, 24)}}) == {"data": {"collected": "2026-11-24"}}
    assert card_of({"rate": 1e-05}) == {"rate": 1e-05}
