"""Webhooks: signed as the standard says, never to an inner address, tried again, dead at the end."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from models.errors import InvalidInputError, UnavailableError
from registry.database import Database
from registry.deliveries import Deliveries
from registry.ledger import Ledger
from registry.objects import Objects
from services.addresses import AddressRefusedError, admit, parse_allowed, parse_target
from services.chores import Chores
from services.settings import Settings
from services.telemetry import Telemetry
from services.webhooks import PAUSES, Message, Outcome, headers, lockbox, pause_after, secret_text, send, sign

SECRET = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

BOX = lockbox(b"pepper")

INNER = [
    "https://127.0.0.1/", "https://127.1/", "https://0x7f000001/", "https://2130706433/", "https://017700000001/",
    "https://localhost/", "https://[::1]/", "https://[::]/", "https://0.0.0.0/", "https://10.1.2.3/",
    "https://172.16.0.1/", "https://192.168.1.1/", "https://169.254.169.254/latest/meta-data", "https://100.64.0.1/",
    "https://100.100.100.200/", "https://168.63.129.16/", "https://224.0.0.1/", "https://255.255.255.255/",
    "https://[fe80::1]/", "https://[fc00::1]/", "https://[fd00:ec2::254]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://192.0.0.192/",
    "https://198.18.0.1/", "http://8.8.8.8/",
]  # fmt: skip
MALFORMED = [
    "", "x", "ftp://a.vn/", "file:///etc/passwd", "//a.vn", "https:///x", "https://a b/", "https://u:p@a.vn/",
    "https://a.vn/#x", "https://a.vn\\@127.0.0.1/", "https://①②⑦.⓪.⓪.①/", "https://a.vn:0/", "https://a.vn:99999/",
    "javascript:alert(1)", "https://" + "a" * 3000, "https://a.vn/\r\nHost: b", "gopher://a.vn",
]  # fmt: skip


def answers(*addresses: str) -> Any:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


@pytest.mark.parametrize("url", INNER)
def test_an_inner_address_is_refused_however_it_is_spelled(url: str):
    with pytest.raises(AddressRefusedError):
        asyncio.run(admit(parse_target(url, ""), []))


@pytest.mark.parametrize("url", MALFORMED)
def test_what_is_no_plain_url_is_refused(url: str):
    with pytest.raises(InvalidInputError):
        parse_target(url, "/webhook/url")


def test_a_name_is_judged_by_every_address_that_it_has():
    target = parse_target("https://hook.example.vn/x", "")
    assert asyncio.run(admit(target, [], answers("8.8.8.8"))) == "8.8.8.8"
    for mixed in (("8.8.8.8", "10.0.0.1"), ("10.0.0.1",), ("::1",)):
        with pytest.raises(AddressRefusedError):
            asyncio.run(admit(target, [], answers(*mixed)))
    with pytest.raises(UnavailableError):
        asyncio.run(admit(target, [], answers()))


@pytest.mark.parametrize(
    ("entry", "url", "address", "open_"),
    [
        ("10.1.0.0/16", "http://hook.bo.vn/", "10.1.2.3", True),
        ("10.1.0.0/16", "http://hook.bo.vn/", "10.2.0.1", False),
        ("hook.bo.vn", "http://hook.bo.vn:9000/", "10.2.0.1", True),
        ("hook.bo.vn:9000", "http://hook.bo.vn:9000/", "10.2.0.1", True),
        ("hook.bo.vn:9000", "http://hook.bo.vn/", "10.2.0.1", False),
        ("bo.vn", "http://hook.bo.vn/", "10.2.0.1", False),
        ("127.0.0.1:81", "http://127.0.0.1:81/", "127.0.0.1", True),
        ("[::1]:81", "http://[::1]:81/", "::1", True),
    ],
)
def test_the_allow_list_opens_what_it_names_and_nothing_else(entry: str, url: str, address: str, open_: bool):
    allowed = parse_allowed([entry.upper()], "/allowed")
    coming = admit(parse_target(url, ""), allowed, answers(address))
    if open_:
        assert asyncio.run(coming) == address
    else:
        with pytest.raises(AddressRefusedError):
            asyncio.run(coming)


@pytest.mark.parametrize("entry", ["", "a b", "http://a", "10.0.0.0/99", "a:b", "*"])
def test_an_entry_that_cannot_be_read_is_refused(entry: str):
    with pytest.raises(InvalidInputError):
        parse_allowed([entry], "/allowed")


def test_the_signature_is_that_of_the_standard():
    """The example of the Standard Webhooks specification."""
    body = b'{"test": 2432232314}'
    assert secret_text(SECRET) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    found = sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    both = headers(Message("m", "https://a.vn", body), [SECRET, b"x" * 32], 5)
    assert both["webhook-signature"].count("v1,") == 2
    assert (both["webhook-id"], both["webhook-timestamp"]) == ("m", "5")


def test_pauses_grow_and_end():
    failed = Outcome(500, "refused")
    pauses = [pause_after(tries, failed) for tries in range(1, len(PAUSES) + 2)]
    assert pauses[-1] is None
    assert all(0.8 * p <= found <= 1.2 * p for p, found in zip(PAUSES, pauses[:-1], strict=True))
    assert pause_after(1, Outcome(410, "refused")) is None
    assert (pause_after(1, Outcome(429, "refused", 900.0)) or 0) >= 900


class Receiver(BaseHTTPRequestHandler):
    """A receiver whose answers are a list on its server."""

    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((dict(self.headers), body))
        status, extra = self.server.answers.pop(0) if self.server.answers else (200, {})
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        self.end_headers()
        if status == 299:
            try:
                for _ in range(2000):
                    self.wfile.write(b"x" * 65536)
            except OSError:
                pass

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture
def receiver() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.answers = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def message(receiver: Any) -> tuple[Message, list[str]]:
    place = f"127.0.0.1:{receiver.server_address[1]}"
    return Message("msg_1", f"http://{place}/hook?a=1", b'{"type":"job.succeeded"}'), [place]


def test_a_message_arrives_signed(receiver: Any):
    sent, allowed = message(receiver)
    assert asyncio.run(send(sent, [SECRET], 1_790_000_000, allowed)).delivered
    got, body = receiver.got[0]
    content = f"msg_1.1790000000.{body.decode()}".encode()
    expected = base64.b64encode(hmac.digest(SECRET, content, "sha256")).decode()
    assert {k.lower(): v for k, v in got.items()}["webhook-signature"] == f"v1,{expected}"


def test_redirects_are_not_followed_and_long_answers_not_read(receiver: Any):
    sent, allowed = message(receiver)
    receiver.answers += [(302, {"Location": "http://127.0.0.1:1/"}), (299, {})]
    assert asyncio.run(send(sent, [SECRET], 1, allowed)) == Outcome(302, "redirected")
    assert asyncio.run(send(sent, [SECRET], 1, allowed)).delivered


def test_a_message_is_not_sent_where_nothing_allows_it(receiver: Any):
    sent, _ = message(receiver)
    assert asyncio.run(send(sent, [SECRET], 1, [])) == Outcome(None, "address-refused")
    assert receiver.got == []


def test_a_silent_receiver_costs_a_bounded_time():
    server: Any = HTTPServer(("127.0.0.1", 0), Receiver)  # listens, never answers
    try:
        sent, allowed = message(server)
        started = time.monotonic()
        assert asyncio.run(send(sent, [SECRET], 1, allowed, seconds=0.3)) == Outcome(None, "timed-out")
        assert time.monotonic() - started < 60  # it would wait for ever
    finally:
        server.server_close()


def test_due_messages_are_tried_again_and_die_at_last(database: Database, receiver: Any, tmp_path: Any, clock: Any):
    with database.read() as connection:
        tenant = connection.exec_driver_sql("select id from tenants where code = '75'").scalar_one()
    ledger, telemetry = Ledger(database, "chores-test", clock=clock), Telemetry(tmp_path / "t", "platform")
    ledger.start()
    deliveries = Deliveries(database, BOX, clock)
    sent, allowed = message(receiver)
    deliveries.allow(tenant, allowed)
    chores = Chores(Settings(home=tmp_path / "t"), database, ledger, telemetry, BOX, clock)
    try:
        made = deliveries.ping(tenant, sent.url, {"type": "ping", "data": {}})
        receiver.answers += [(500, {})] * (len(PAUSES) + 1)
        for _ in range(len(PAUSES) + 1):
            assert chores.deliver() == 1
            assert chores.deliver() == 0
            clock.now += 90_000
        found = deliveries.page(tenant, 10)[0]
        assert (found.id, found.state, found.tries, found.fault) == (made.id, "dead", len(PAUSES) + 1, "http-500")
        deliveries.retry(tenant, made.id)
        assert chores.deliver() == 1
        assert deliveries.page(tenant, 10)[0].state == "delivered"
        ids = {{k.lower(): v for k, v in got.items()}["webhook-id"] for got, _ in receiver.got}
        assert ids == {made.id}
        assert json.loads(receiver.got[0][1])["type"] == "ping"
    finally:
        telemetry.close()
        ledger.close()


def test_retention_lets_go_of_what_has_passed_its_time(database: Database, tmp_path: Any, clock: Any):
    with database.read() as connection:
        tenant = connection.exec_driver_sql("select id from tenants where code = '75'").scalar_one()
    ledger, telemetry = Ledger(database, "chores-test", clock=clock), Telemetry(tmp_path / "t", "platform")
    ledger.start()
    settings = Settings(home=tmp_path / "t")
    chores = Chores(settings, database, ledger, telemetry, BOX, clock)
    try:
        stored = Objects(settings.objects).keep([b"a"])
        chores._files.add(tenant, "s", "analysis", "a.csv", stored)
        assert chores.sweep() == 0
        clock.now += 31 * 86_400
        assert chores.sweep() == 1
        assert not list(settings.objects.glob("??/*"))
    finally:
        telemetry.close()
        ledger.close()
