"""The machine's facts, printed beside every figure."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def facts() -> str:
    """One line: processor, cores, memory, load, Python."""
    cpu = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, load {load:.2f}, Python {platform.python_version()}"
