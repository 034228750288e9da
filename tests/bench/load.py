"""A small load generator: keep-alive HTTP/1.1 over raw sockets, one process, one thread, no library.

Closed loop (`clients` connections, each sends as soon as it is answered) or open loop (`rate` requests a second,
latency counted from the moment a request was due, so that a stall is not hidden by the waiting client).

    python -m tests.bench.load URL --clients 16 --seconds 5 --body FILE --header 'Authorization: Bearer …' [--rate 500]
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from pathlib import Path
from urllib.parse import urlsplit


class Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, host: str, port: int, request: bytes) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.request = request
        self.since = 0.0
        self.buffer = b""

    def send(self, since: float) -> None:
        """Send the request; its latency counts from `since`."""
        self.since, self.buffer = since, b""
        self.socket.setblocking(True)
        self.socket.sendall(self.request)
        self.socket.setblocking(False)

    def receive(self) -> int:
        """Read what is there; the status when the response is complete, 0 when it is not, -1 when it broke."""
        try:
            part = self.socket.recv(1 << 18)
        except BlockingIOError:
            return 0
        if not part:
            return -1
        self.buffer += part
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return 0
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        if at < 0:
            return -1
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        return int(self.buffer[9:12]) if len(self.buffer) >= end + 4 + length else 0


def run(url: str, body: bytes, headers: dict[str, str], clients: int, seconds: float, rate: float = 0.0) -> dict:
    """Load one URL; figures of the requests that ended inside the time."""
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Content-Type: application/json",
             f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]  # fmt: skip
    request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    selector = selectors.DefaultSelector()
    free: deque[Connection] = deque()
    for _ in range(clients):
        connection = Connection(parts.hostname or "127.0.0.1", parts.port or 80, request)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        free.append(connection)
    started = time.perf_counter()
    stop, due, latencies, statuses = started + seconds, started, [], Counter()
    while (now := time.perf_counter()) < stop:
        while free and (not rate or due <= now):
            free.popleft().send(due if rate else now)
            due += 1 / rate if rate else 0.0
        for key, _ in selector.select(max(0.0, min(0.05, due - now)) if rate and free else 0.05):
            connection = key.data
            status = connection.receive()
            if status:
                latencies.append(time.perf_counter() - connection.since)
                statuses[status] += 1
                if status < 0:
                    selector.unregister(connection.socket)
                else:
                    free.append(connection)
    took = time.perf_counter() - started
    latencies.sort()
    quantile = lambda q: latencies[min(len(latencies) - 1, int(q * len(latencies)))] * 1e3  # noqa: E731
    return {
        "requests": len(latencies),
        "rps": len(latencies) / took,
        "p50_ms": statistics.median(latencies) * 1e3 if latencies else None,
        "p99_ms": quantile(0.99) if latencies else None,
        "statuses": dict(statuses),
    }


def measure(url: str, body: bytes, headers: dict[str, str], clients: int, seconds: float, rate: float = 0.0) -> dict:
    """The same in a process of its own, so that the generator does not share the caller's interpreter lock."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(body)
        command = [sys.executable, "-m", "tests.bench.load", url, "--clients", str(clients), "--seconds", str(seconds),
                   "--rate", str(rate), "--body", file.name]  # fmt: skip
        for name, value in headers.items():
            command += ["--header", f"{name}: {value}"]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--body", type=Path, required=True)
    parser.add_argument("--header", action="append", default=[])
    given = parser.parse_args()
    headers = dict(line.split(": ", 1) for line in given.header)
    print(json.dumps(run(given.url, given.body.read_bytes(), headers, given.clients, given.seconds, given.rate)))


if __name__ == "__main__":
    main()
