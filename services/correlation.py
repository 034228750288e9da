"""Ids that tie an answer to its log lines: request id and W3C trace context.

Decision: an id needs to be unique, not secret, so it is a random prefix of the process and a counter, without a
system call a request. A caller's own id is taken over only in a harmless alphabet, and never when it looks like a key:
it is written into logs.
"""

from __future__ import annotations

import re
from itertools import count
from os import urandom
from typing import Final

REQUEST_ID: Final = re.compile(rb"(?!.*aic_)[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")
TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
NO_TRACE: Final = "0" * 32
NO_SPAN: Final = "0" * 16


class Ids:
    """Makes ids: one instance a process."""

    def __init__(self, seed: bytes | None = None) -> None:
        """`seed` is 16 random bytes; given in tests only."""
        seed = urandom(16) if seed is None else seed
        self._prefix = seed.hex()[:20]
        self._span = seed.hex()[20:28]
        self._counter = count(1)

    def request(self, sent: bytes | None) -> str:
        """The caller's id when it is well-formed, else a new one (32 hexadecimal signs)."""
        if sent is not None and REQUEST_ID.fullmatch(sent):
            return sent.decode()
        return f"{self._prefix}{next(self._counter):012x}"

    def trace(self, sent: bytes | None) -> tuple[str, str, str]:
        """Trace id, our span id and flags: the caller's trace continued, or a new one."""
        span = f"{self._span}{next(self._counter):08x}"[:16]
        match = TRACEPARENT.fullmatch(sent) if sent is not None else None
        if match and match[1] != b"ff" and (match[1] != b"00" or not match[5]):
            trace, parent = match[2].decode(), match[3].decode()
            if trace != NO_TRACE and parent != NO_SPAN:
                return trace, span, "01" if int(match[4], 16) & 1 else "00"
        return f"{self._prefix}{next(self._counter):012x}", span, "00"
