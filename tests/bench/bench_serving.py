"""The whole path over HTTP: the started platform against its references, interleaved in one run.

    reference   FastAPI + pydantic echo in bare uvicorn          ingress   the same application behind our ingress:
    platform    the whole house: key, quota, gate, ledger, …               Ray Serve as configured, our code removed

The path is measured with a model that answers at once or computes for exactly 1 ms (`tests.bench.peers.trivial`), and
with the bundled segmenter. `raw ingress` is the smallest ASGI application behind our ingress, `Ray default` Ray Serve
as it comes. With AICHUNG_BENCH_MLSERVER=<the command `mlserver` of another environment> MLServer's is too.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from models.values import Document, TextOptions
from services.processes import installation_mark, marked_processes
from tests.bench.load import measure
from tests.bench.peers.work import Peer
from tests.journeys.conftest import ROOT, Platform, free_port, start

ROUNDS = int(os.environ.get("AICHUNG_BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("AICHUNG_BENCH_SECONDS", "4"))
SENTENCE = "Ủy ban nhân dân tỉnh đề nghị các sở, ban, ngành khẩn trương báo cáo kết quả thực hiện kế hoạch quý I. "


def body_of(text: str) -> bytes:
    return json.dumps({"documents": [{"id": "a1", "text": text}]}, ensure_ascii=False).encode()


SMALL: Final = body_of("Giá vàng hôm nay tăng mạnh.")


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


def launch(*, command: tuple[str, ...], cwd: Path = ROOT, **variables: str) -> subprocess.Popen:
    return subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def peer(*arguments: str) -> subprocess.Popen:
    return launch(command=(sys.executable, *arguments))


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
    """Start what is compared, measure, print; never more than two Ray clusters at a time on a small machine."""
    home = Path(tempfile.mkdtemp(prefix="bench-"))
    platform = start(home)
    platform.stop()
    platform = start(home, platform.port)
    print(f"second start answers after {platform.ready_seconds:.1f} s")
    time.sleep(20)
    print(f"idle memory, tracking asleep: {pss_megabytes(home):.0f} MB PSS")
    port = free_port() + 400
    reference = peer("-m", "tests.bench.peers.fastapi_echo", str(port))
    try:
        compare_models(f"http://127.0.0.1:{port}", platform)
        platform.stop()
        trivial = start(Path(tempfile.mkdtemp(prefix="bench-")), command=("tests.bench.peers.trivial",))
        try:
            compare_path(f"http://127.0.0.1:{port}", trivial, port + 1)
        finally:
            trivial.stop()
    finally:
        reference.terminate()
        reference.wait(30)
        platform.stop()


def compare_path(reference: str, platform: Platform, port: int) -> None:
    """The whole path around a model that answers at once."""
    wait_for(f"{reference}/echo", SMALL)
    key = {"Authorization": f"Bearer {platform.keys['ministry']}"}
    ours = (f"{platform.url}/v1/nlp/topics", SMALL, key)
    targets = {"reference": (f"{reference}/echo", SMALL, {}), "platform": ours}
    with running(ingress(port, "fastapi")):
        echo = f"http://127.0.0.1:{port}/v1/nlp/echo"
        wait_for(echo, SMALL)
        three = targets | {"ingress": (echo, SMALL, {})}
        found = interleave(three, 16)
        table("16 clients, a model that answers at once; ingress = the reference behind our ingress", found)
        print(f"  platform / ingress {found['platform']['rps'] / found['ingress']['rps']:.2f}")
        added("one client", interleave(three, 1), "p50_ms")
        added("500 requests a second (open loop)", interleave(three, 16, rate=500), "p99_ms")
    spinning = {name: (url, body_of("spin 1.0"), headers) for name, (url, _, headers) in targets.items()}
    table("16 clients, a model that computes for 1 ms on both sides", interleave(spinning, 16))
    for name, arguments, url, body in others(port + 10):
        with running(arguments):
            wait_for(url, body)
            found = interleave(targets | {name: (url, body, {})}, 16)
            table(f"16 clients, against {name}", found)
            print(f"  platform / {name} {found['platform']['rps'] / found[name]['rps']:.2f}")


def compare_models(reference: str, platform: Platform) -> None:
    """The bundled segmenter on texts that take it 1 and 5 ms."""
    wait_for(f"{reference}/echo", SMALL)
    key = {"Authorization": f"Bearer {platform.keys['ministry']}"}
    for milliseconds in (1, 5):
        heavy = body_of(sized("segment", milliseconds / 1000))
        found = interleave({
            "reference": (f"{reference}/segment", heavy, {}),
            "platform": (f"{platform.url}/v1/nlp/segment", heavy, key),
        }, 16)  # fmt: skip
        table(f"16 clients, vi-segment computing for about {milliseconds} ms, both sides ({len(heavy)} bytes)", found)


def others(port: int) -> Iterator[tuple[str, dict, str, bytes]]:
    """Peers that are measured one at a time: name, how to start it, its echo's address, its body."""
    yield "raw ingress", ingress(port, "raw"), f"http://127.0.0.1:{port}/v1/nlp/echo", SMALL
    yield "Ray default", ingress(port + 20, "default"), f"http://127.0.0.1:{port + 20}/v1/nlp/echo", SMALL
    if "AICHUNG_BENCH_MLSERVER" in os.environ:
        here = Path(__file__).parent / "peers" / "mlserver_echo"
        doors = {"HTTP": port + 40, "GRPC": port + 41, "METRICS": port + 42}
        variables = {f"MLSERVER_{name}_PORT": str(number) for name, number in doors.items()}
        variables |= {"MLSERVER_PARALLEL_WORKERS": "0", "MLSERVER_HOST": "127.0.0.1", "MLSERVER_DEBUG": "false"}
        started = {"command": (os.environ["AICHUNG_BENCH_MLSERVER"], "start", str(here)), "cwd": here, **variables}
        tensor = {"name": "x", "shape": [1], "datatype": "BYTES", "data": ["Giá vàng"]}
        body = json.dumps({"inputs": [tensor]}).encode()
        yield "MLServer", started, f"http://127.0.0.1:{port + 40}/v2/models/echo/infer", body


def ingress(port: int, mode: str) -> dict:
    """How to start one of `peers.bare_ingress`."""
    return {"command": (sys.executable, "-m", "tests.bench.peers.bare_ingress", str(port), mode)}


@contextmanager
def running(arguments: dict) -> Iterator[None]:
    """A peer's process while it is measured."""
    process = launch(**arguments)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def added(title: str, found: dict[str, dict], figure: str) -> None:
    """A table, and what the platform adds to the latency of the two others."""
    table(title, found)
    ours = found["platform"][figure]
    print(f"  added {figure}: {ours - found['reference'][figure]:.2f} to the reference, "
          f"{ours - found['ingress'][figure]:.2f} to the ingress")  # fmt: skip


if __name__ == "__main__":
    main()
