"""What the process that owns Ray writes to its standard error while it starts."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from models.errors import Unavailable
from models.reasons import Reason

log = logging.getLogger(__name__)

KEPT_BYTES: Final = 16 * 1024
FRAMES: Final = 6
LINE_LENGTH: Final = 200
END_S: Final = 1.0
"""How long its end is waited for. Another process that has the same standard error may keep it open."""

# Python's own code of ``-m`` has no file, but a name such as <frozen runpy>.
_FRAME: Final = re.compile(r'^ +File "([^"<\n]*)", line (\d+)', re.MULTILINE)
_ERROR: Final = re.compile(r"^([A-Za-z_][\w.]*)(?::|$)")


@dataclass(frozen=True, slots=True)
class StartFailure:
    """How a start ended.

    Attributes:
        error_type: Of the exception that ended it; empty if none did.
        frames: Where it was raised, as ``folder/file:line``, innermost last.
        last_line: The last line of the output, at most ``LINE_LENGTH`` characters; empty if it wrote nothing.
    """

    error_type: str
    frames: list[str]
    last_line: str


class ErrorOutput:
    """Keeps the end of the output until the workers serve. From then on a line may hold what somebody said, so
    nothing is kept.

    Args:
        source: The output.
        end: Our end of it; nothing is written to it.
    """

    def __init__(self, source: asyncio.StreamReader, end: asyncio.StreamWriter) -> None:
        self._source = source
        self._end = end
        self._kept = b""
        self._serving = False
        self._ended = asyncio.Event()

    async def read(self) -> None:
        """Read until it ends, so that the process never waits for room in the pipe."""
        while data := await self._source.read(KEPT_BYTES):
            if not self._serving:
                self._kept = (self._kept + data)[-KEPT_BYTES:]
        self._ended.set()

    def close(self) -> None:
        """Close our end."""
        self._end.close()

    def forget(self) -> None:
        """Keep nothing any more."""
        self._serving, self._kept = True, b""

    async def ended_at_start(self, process: asyncio.subprocess.Process) -> Unavailable:
        """Log how a process ended that did not get to serve; returns the error that says so."""
        with suppress(TimeoutError):  # then it is what came so far
            async with asyncio.timeout(END_S):
                await self._ended.wait()
                await process.wait()
        failure = start_failure(self._kept.decode(errors="replace"))
        values = {"error_type": failure.error_type, "frames": failure.frames, "exit_code": process.returncode}
        log.error("ray_process_ended_at_start", extra={"values": values})
        said = f": {failure.last_line.rstrip('.')}" if failure.last_line else ""
        return Unavailable(f"The process that owns Ray ended at its start{said}.", reason=Reason.CLUSTER_LOST)


def start_failure(output: str) -> StartFailure:
    """What the end of an output, such as a traceback, tells."""
    lines = [line for line in output.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    frames = ["/".join(path.split("/")[-2:]) + f":{number}" for path, number in _FRAME.findall(output)]
    error = _ERROR.match(last) if frames else None
    shown = "".join(letter if letter.isprintable() else " " for letter in last[:LINE_LENGTH])
    return StartFailure(error.group(1) if error else "", frames[-FRAMES:], shown.strip())
