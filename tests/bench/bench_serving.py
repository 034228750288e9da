"""The whole path over HTTP: the started platform against its references, interleaved in one run.

    reference   FastAPI + pydantic echo in bare uvicorn          bare      our ingress, the platform's code removed
    platform    `aichung serve`: key, quota, gate, ledger, …     default   Ray Serve as it comes, FastAPI echo

The trivial call goes to a model that answers at once (`tests.bench.peers.trivial`: the whole house, one small model).
`vi-topic` on a short document stands beside it. With AICHUNG_BENCH_MLSERVER=<the command `mlserver` of another
environment> MLServer's echo is measured too.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from models.values import Document, TextOptions
from services.processes import installation_mark, marked_processes
from tests.bench.load import measure
from tests.bench.peers.work import Peer
from tests.journeys.conftest import ROOT, free_port, start

ROUNDS = int(os.environ.get("AICHUNG_BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("AICHUNG_BENCH_SECONDS", "4"))
SENTENCE = "Ủy ban nhân dân tỉnh đề nghị các sở, ban, ngành khẩn trương báo cáo kết quả thực hiện kế hoạch quý I. "


def body_of(text: str) -> bytes:
    return json.dumps({"documents": [{"id": "a1", "text": text}]}, ensure_ascii=False).encode()


def sized(task: str, seconds: float) -> str:
    """A text on which the task's model computes for about `seconds` on this machine."""
    peer, text = Peer(), SENTENCE
    model = peer._models[task]
    while True:
        items = [Document("1", text)]
        model.predict(items, TextOptions())
        took = statistics.median(_timed(model, items) for _ in range(9))
        if took >= seconds or len(text) > 90_000:
            return text
        text += SENTENCE * max(1, int((seconds - took) / max(took, 1e-6) * len(text) / len(SENTENCE)))


def _timed(model, items) -> float:
    started = time.perf_counter()
    model.predict(items, TextOptions())
    return time.perf_counter() - started


def wait_for(url: str, body: bytes, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            urllib.request.urlopen(request, timeout=5).read()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def peer(*arguments: str, python: str = sys.executable, cwd: Path = ROOT, **variables: str) -> subprocess.Popen:
    return subprocess.Popen(
        [python, *arguments],
        cwd=cwd,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def interleave(targets: dict[str, tuple[str, bytes, dict[str, str]]], clients: int, rate: float = 0) -> dict[str, dict]:
    """Median figures of each target over the rounds, measured in turn."""
    rounds: dict[str, list[dict]] = {name: [] for name in targets}
    for _ in range(ROUNDS):
        for name, (url, body, headers) in targets.items():
            figures = measure(url, body, headers, clients, SECONDS, rate)
            bad = {status: n for status, n in figures["statuses"].items() if status != "200"}
            if bad:
                print(f"  {name}: {bad}")
            rounds[name].append(figures)
    return {
        name: {key: statistics.median(r[key] for r in found) for key in ("rps", "p50_ms", "p99_ms")}
        for name, found in rounds.items()
    }


def table(title: str, found: dict[str, dict], base: str = "reference") -> None:
    print(f"\n{title}")
    for name, row in found.items():
        print(f"  {name:<12} {row['rps']:8.0f} rps   p50 {row['p50_ms']:7.2f} ms   p99 {row['p99_ms']:7.2f} ms   "
              f"{row['rps'] / found[base]['rps']:5.2f} × {base}")  # fmt: skip


def pss_megabytes(home: Path) -> float:
    """Proportional memory of the whole installation (the main process included)."""
    total = 0
    mark = installation_mark(home)
    pids = {process.pid for process in marked_processes(mark)}
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def main() -> None:
    """Start everything, measure, print."""
    home = Path(tempfile.mkdtemp(prefix="bench-"))
    platform = start(home)
    platform.stop()
    platform = start(home, platform.port)
    print(f"second start answers after {platform.ready_seconds:.1f} s")
    time.sleep(20)
    print(f"idle memory, tracking asleep: {pss_megabytes(home):.0f} MB PSS")
    processes = [
        peer("-m", "tests.bench.peers.fastapi_echo", str(port := free_port() + 400)),
        peer("-m", "tests.bench.peers.bare_ingress", str(port + 1), "tuned"),
        peer("-m", "tests.bench.peers.bare_ingress", str(port + 2), "default"),
    ]
    mlserver = os.environ.get("AICHUNG_BENCH_MLSERVER")
    here = Path(__file__).parent / "peers" / "mlserver_echo"
    if mlserver:
        processes.append(
            peer(
                "start",
                str(here),
                python=mlserver,
                cwd=here,
                MLSERVER_HTTP_PORT=str(port + 3),
                MLSERVER_GRPC_PORT=str(port + 4),
                MLSERVER_METRICS_PORT=str(port + 5),
                MLSERVER_PARALLEL_WORKERS="0",
                MLSERVER_HOST="127.0.0.1",
                MLSERVER_DEBUG="false",
            )
        )
    try:
        compare(platform, port, bool(mlserver))
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)
        platform.stop()


def compare(platform, port: int, with_mlserver: bool) -> None:
    """All comparisons of the issue."""
    key = {"Authorization": f"Bearer {platform.keys['ministry']}"}
    small = body_of("Giá vàng hôm nay tăng mạnh.")
    reference, bare = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}/v1/nlp"
    default = f"http://127.0.0.1:{port + 2}/v1/nlp/echo"
    wait_for(f"{reference}/echo", small)
    wait_for(f"{bare}/echo", small)
    wait_for(default, small)
    topics = f"{platform.url}/v1/nlp/topics"
    targets = {
        "reference": (f"{reference}/echo", small, {}),
        "platform": (topics, small, key),
        "bare": (f"{bare}/topics", small, {}),
        "bare echo": (f"{bare}/echo", small, {}),
        "default": (default, small, {}),
    }
    if with_mlserver:
        tensor = json.dumps(
            {"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ["Giá vàng"]}]}
        ).encode()
        url = f"http://127.0.0.1:{port + 3}/v2/models/echo/infer"
        wait_for(url, tensor)
        targets["mlserver"] = (url, tensor, {})
    found = interleave(targets, 16)
    table("16 clients, trivial call", found)
    print(f"  platform / bare {found['platform']['rps'] / found['bare']['rps']:.2f}   "
          f"platform / default {found['platform']['rps'] / found['default']['rps']:.1f}")  # fmt: skip
    three = {name: targets[name] for name in ("reference", "platform", "bare")}
    found = interleave(three, 1)
    table("one client", found)
    print(f"  added latency p50 {found['platform']['p50_ms'] - found['reference']['p50_ms']:.2f} ms to the reference, "
          f"{found['platform']['p50_ms'] - found['bare']['p50_ms']:.2f} ms to the bare ingress")  # fmt: skip
    found = interleave(three, 16, rate=500)
    table("500 requests a second (open loop)", found)
    print(f"  added latency p99 {found['platform']['p99_ms'] - found['reference']['p99_ms']:.2f} ms to the reference, "
          f"{found['platform']['p99_ms'] - found['bare']['p99_ms']:.2f} ms to the bare ingress")  # fmt: skip
    for milliseconds in (1, 5):
        heavy = body_of(sized("segment", milliseconds / 1000))
        found = interleave({
            "reference": (f"{reference}/segment", heavy, {}),
            "platform": (f"{platform.url}/v1/nlp/segment", heavy, key),
            "bare": (f"{bare}/segment", heavy, {}),
        }, 16)  # fmt: skip
        table(f"vi-segment computing for about {milliseconds} ms, both sides ({len(heavy)} bytes)", found)


if __name__ == "__main__":
    main()
