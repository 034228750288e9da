"""What the process holds of the machine's memory, and giving it back.

Decision: a model weighs what the process grew by when it was opened and warmed: weights, tables, buffers, whatever its
library keeps. The allocator keeps freed memory for later; after a model was closed it is asked to hand it back, so
that what was measured is also what becomes free.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

STATM: Final = Path("/proc/self/statm")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_TRIM: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""The C library's call; other libraries than glibc's have none."""


def settled_bytes() -> int:
    """The memory that this process holds once what nothing uses was given back."""
    give_back()
    return resident_bytes()


def resident_bytes() -> int:
    """The memory that this process holds now; 0 where the system does not tell."""
    try:
        return int(STATM.read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0


def give_back() -> None:
    """Hand memory that nothing uses back to the system."""
    if _TRIM is not None:
        _TRIM(0)
