"""DBOS starts every job's workflow, and takes up what a killed process left behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys, time
from pathlib import Path
from pipelines.jobs.driver import driving
from registry.claims import Waiting

folder, mode = Path(sys.argv[1]), sys.argv[2]

def run(job_id, runs):
    with (folder / "runs").open("a") as out:
        out.write(f"{mode} {job_id} {runs}\\n")
    if mode == "first" and job_id != "job_1":
        time.sleep(60)
    return "succeeded"

with driving(f"sqlite:///{folder / 'dbos.db'}", "embedded", run) as driver:
    if mode == "first":
        for number in (1, 2, 3):
            assert driver.start(Waiting(f"job_{number}", "a" if number < 3 else "b", 1))
            driver.start(Waiting(f"job_{number}", "a" if number < 3 else "b", 1))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        time.sleep(0.1)
        lines = (folder / "runs").read_text().splitlines() if (folder / "runs").exists() else []
        if mode == "second" and len([l for l in lines if l.startswith("second")]) >= 2:
            time.sleep(0.5)
            print(driver.start(Waiting("job_1", "a", 1)), driver.start(Waiting("job_1", "a", 2)))
            break
"""


def test_workflows_of_a_killed_worker_are_taken_up_and_finished_ones_are_not_repeated(tmp_path: Path):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    first = subprocess.Popen([*command, "first"], cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    runs = tmp_path / "runs"
    while time.monotonic() < deadline and (not runs.exists() or len(runs.read_text().splitlines()) < 3):
        time.sleep(0.05)
    time.sleep(0.3)
    first.kill()
    first.wait()
    assert sorted(runs.read_text().splitlines()) == ["first job_1 1", "first job_2 1", "first job_3 1"]
    second = subprocess.run([*command, "second"], cwd=ROOT, capture_output=True, text=True, timeout=40, check=True)
    taken_up = sorted(line for line in runs.read_text().splitlines() if line.startswith("second"))
    assert [line for line in taken_up if "job_1" not in line] == ["second job_2 1", "second job_3 1"]
    assert second.stdout.split() == ["False", "True"]
