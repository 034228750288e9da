"""Work in a process of its own: a fresh interpreter with one request, fenced in memory, time and what it may write.

Decision: what a stranger's file or a very large result could do to a process (memory, crashes, an endless loop, the
interpreter lock held from everybody else) it does to a process that serves nobody else, knows no key and no database,
and ends with its one request. A third of a second for each is the price.

Decision: the request goes in as JSON, the answer comes back as bytes in a nameless file of bounded size; nothing that
the inside says is ever executed or unpickled.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

import pipelines
from models.errors import Fault, InvalidInputError, PlatformError

THREADS: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
FRAMES_SHOWN: Final = 8
TOLD_BYTES: Final = 1 << 20
REFUSED: Final = 3
FAILED: Final = 4
LATE: Final = frozenset({-signal.SIGXCPU, -signal.SIGKILL})


class BrokenProcessError(PlatformError):
    """Tiến trình xử lý gặp lỗi | The process apart failed"""

    code = "process-failed"

    def __init__(self, places: list[str]) -> None:
        """Keep the places in our code; what was worked on is not repeated."""
        super().__init__("Tiến trình xử lý gặp lỗi; đã được ghi lại.", "The process failed; it was recorded.")
        self.places = places


class EndedError(Exception):
    """The process was ended: `late` when by the clock, else by the fence or by a crash."""

    def __init__(self, late: bool) -> None:
        super().__init__("late" if late else "ended")
        self.late = late


class Apart:
    """Runs one of our modules in processes of their own. Blocks: call it in a thread. Safe for threads."""

    def __init__(
        self, module: str, *, seconds: float, memory_bytes: int, answer_bytes: int, folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """`environment` is all that a process is told besides where the code lies; answers are kept in `folder`."""
        self._module = module
        self._seconds = seconds
        self._limits = {"memory_bytes": memory_bytes, "seconds": int(seconds) + 1, "answer_bytes": answer_bytes}
        self._folder = folder
        root = str(Path(pipelines.__file__).resolve().parents[1])
        self._environment = {"PYTHONPATH": root, "LC_ALL": "C.UTF-8", **THREADS, **(environment or {})}

    def ask(self, task: str, facts: Mapping[str, Any]) -> IO[bytes]:
        """The answer, from its beginning; the caller closes it.

        Raises InvalidInputError (what the inside refused), BrokenProcessError, EndedError.
        """
        request = json.dumps({"task": task, "limits": self._limits, "facts": dict(facts)}).encode()
        answer: IO[bytes] = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - handed on
        try:
            status = self._run(request, answer)
            answer.seek(0)
            if status == 0:
                return answer
            told: Any = json.loads(answer.read(TOLD_BYTES)) if status in (REFUSED, FAILED) else None
        except BaseException:
            answer.close()
            raise
        answer.close()
        if status == REFUSED:
            raise _refusal(told)
        if status == FAILED:
            raise BrokenProcessError(told["failed"])
        raise EndedError(status in LATE)

    def _run(self, request: bytes, answer: IO[bytes]) -> int:
        """Run the inside to its end; its exit status, negative for a signal."""
        with subprocess.Popen(  # noqa: S603 - fixed arguments
            [sys.executable, "-P", "-s", "-m", self._module],
            stdin=subprocess.PIPE, stdout=answer, stderr=subprocess.DEVNULL, env=self._environment, cwd="/",
        ) as process:  # fmt: skip
            try:
                process.communicate(request, timeout=self._seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                return -signal.SIGKILL
            except BaseException:
                process.kill()
                raise
            return process.returncode


# --- the inside ---------------------------------------------------------------------------------------------

Task = Callable[..., None]


def answer_one(tasks: Mapping[str, Task]) -> None:
    """Answer the one request on the standard input and end; a task writes its answer `to` a binary stream."""
    request = json.load(sys.stdin)
    _fence(**request["limits"])
    out = sys.stdout.buffer
    try:
        tasks[request["task"]](to=out, **request["facts"])
        out.flush()
    except InvalidInputError as error:
        _end(out, REFUSED, _told(error))
    except (MemoryError, RecursionError):
        vi, en = "Nội dung quá phức tạp để xử lý.", "The content is too complex to be worked on."
        _end(out, REFUSED, _told(InvalidInputError.at("", vi, en, code="file-too-complex")))
    except Exception as error:  # its message may repeat the content
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES_SHOWN:]
        places = [f"{Path(frame.filename).name}:{frame.lineno}:{frame.name}" for frame in frames]
        _end(out, FAILED, {"failed": [type(error).__name__, *places]})


def _end(out: BinaryIO, status: int, told: Mapping[str, Any]) -> None:
    """Say why there is no answer, in its place."""
    out.flush()
    out.seek(0)
    out.truncate()
    out.write(json.dumps(told).encode())
    out.flush()
    sys.exit(status)


def _fence(memory_bytes: int, seconds: int, answer_bytes: int) -> None:
    """Limit this process for good."""
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_FSIZE, answer_bytes),
        (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        resource.setrlimit(what, (most, most))


def _told(error: InvalidInputError) -> dict[str, Any]:
    faults = [{"pointer": fault.pointer, "vi": fault.vi, "en": fault.en} for fault in error.faults]
    return {"vi": error.note.vi, "en": error.note.en, "code": error.word, "faults": faults}


def _refusal(told: Mapping[str, Any]) -> InvalidInputError:
    faults = [Fault(fault["pointer"], fault["vi"], fault["en"]) for fault in told["faults"]]
    return InvalidInputError(told["vi"], told["en"], faults, code=told["code"])
