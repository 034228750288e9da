"""Webhooks: a message to a caller's own address, signed by Standard Webhooks 1.0.

Decision: the message says that something happened and where to read it (ids, states, counts), never what was found:
an address that was mistyped or taken over learns nothing, and the receiver asks with its own key.

Decision: an organisation's signing secret is random and kept sealed under a key made of the installation's pepper.
After a change both secrets sign until the overlap ends, as the standard foresees.

Decision: no redirects, no proxy of the environment, the resolved address is the one connected to
(`services.addresses`), and the whole exchange is bounded in time and in bytes read.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import random
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from models.errors import PlatformError
from registry.lockbox import Lockbox
from services.addresses import Resolve, Target, admit, parse_target, system_resolve

SECONDS: Final = 15.0
REPLY_BYTES: Final = 65_536
PAUSES: Final = (5.0, 60.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0)
"""Seconds before the second and each further try; after the last one a message is dead."""

LONGEST_PAUSE: Final = 86_400.0
GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Message:
    """One message on its way: `id` stays the same over all tries, so that a receiver can drop a repetition."""

    id: str
    url: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try ended: the receiver's status, or a word of ours; `retry_after_seconds` is what it asked for."""

    status: int | None
    word: str
    retry_after_seconds: float | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver took the message."""
        return self.word == "delivered"


def lockbox(pepper: bytes) -> Lockbox:
    """What seals the signing secrets of an installation."""
    return Lockbox(hmac.digest(pepper, b"webhook secrets", "sha256"))


def secret_text(secret: bytes) -> str:
    """A secret as receivers' libraries take it."""
    return "whsec_" + base64.b64encode(secret).decode()


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature of one try (`v1`, symmetric)."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, content, "sha256")).decode()


def headers(message: Message, secrets: Sequence[bytes], timestamp: int) -> dict[str, str]:
    """The headers of one try."""
    return {
        "content-type": "application/json",
        "user-agent": "aichung-webhooks/1",
        "webhook-id": message.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, message.id, timestamp, message.body) for secret in secrets),
    }


def pause_after(tries: int, outcome: Outcome) -> float | None:
    """Seconds until the next try after so many; None when the message is dead."""
    if outcome.status == GONE or tries > len(PAUSES):
        return None
    pause = PAUSES[tries - 1] * (0.8 + 0.4 * random.random())  # noqa: S311 - against marching in step
    return min(max(pause, outcome.retry_after_seconds or 0.0), LONGEST_PAUSE)


async def send(
    message: Message,
    secrets: Sequence[bytes],
    timestamp: int,
    allowed: Sequence[str],
    *,
    resolve: Resolve = system_resolve,
    seconds: float = SECONDS,
) -> Outcome:
    """Try once to deliver. Never raises for anything that the receiver or the network does."""
    try:
        target = parse_target(message.url, "")
        async with asyncio.timeout(seconds):
            address = await admit(target, allowed, resolve)
            return await _post(target, address, message.body, headers(message, secrets, timestamp))
    except PlatformError as error:
        return Outcome(None, error.word)
    except TimeoutError:
        return Outcome(None, "timed-out")
    except (httpx.HTTPError, OSError, ValueError):
        return Outcome(None, "connection-failed")


async def _post(target: Target, address: str, body: bytes, sent: dict[str, str]) -> Outcome:
    """One exchange with the address that was admitted; the name stays in Host and in the certificate's check."""
    url = httpx.URL(target.url)
    sent["host"] = url.netloc.decode("ascii")
    pinned = url.copy_with(host=address, port=target.port)
    client = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=SECONDS, verify=_context(target))
    async with (
        client,
        client.stream(
            "POST", pinned, content=body, headers=sent, extensions={"sni_hostname": target.host}
        ) as response,
    ):  # fmt: skip
        read = 0
        async for part in response.aiter_raw():
            read += len(part)
            if read > REPLY_BYTES:
                break
        return _judge(response)


def _context(target: Target) -> ssl.SSLContext | bool:
    """The system's certificates; plain http needs none."""
    return ssl.create_default_context() if target.scheme == "https" else False


def _judge(response: httpx.Response) -> Outcome:
    status = response.status_code
    if 200 <= status < 300:
        return Outcome(status, "delivered")
    asked = response.headers.get("retry-after", "")
    seconds = float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else None
    return Outcome(status, "redirected" if 300 <= status < 400 else "refused", seconds)
