"""Learns a model in a process of its own, which then ends.

    python -m server.risk.fit_process

scikit-learn takes 100 MB and, for a large ledger, half a minute of a core. Here neither is the server's: the process
has a lower priority, hard limits on CPU time and memory, and one thread. It reads one message from standard input and
writes the model as JSON to standard output. It opens no file and has no connection.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.child_python import child_python, import_path
from models.errors import Unavailable
from server.risk.model import RiskModel
from server.risk.reading import PastSessions
from server.runtime.own_process import LINUX, die_with_parent, limit

MODULE: Final = "server.risk.fit_process"
MEMORY_BYTES: Final = 2 * 1024**3
NICE: Final = 15
WAIT_FACTOR: Final = 20
"""On a busy machine, the time on the clock may be so many times the CPU time."""
_SEPARATOR: Final = "\n"
"""After each text of a column. No text holds it: they are machine words and JSON."""


async def fit_in_process(past: PastSessions, idle_s: float, least: int, now: datetime, cpu_s: int) -> RiskModel:
    """Learn a model in a process of its own, which ends with the task.

    Args:
        past: What to learn from.
        idle_s: Idle time after which the server ends a session.
        least: See ``fitting.Rules``.
        now: The time.
        cpu_s: CPU time that it may take.

    Raises:
        Unavailable: The process ended without a model: it hit a limit, or was killed.
    """
    times = {"begin": past.begin.isoformat(), "end": past.end.isoformat(), "now": now.isoformat()}
    message = await asyncio.to_thread(packed, past, times | {"idle_s": idle_s, "least": least, "cpu_s": cpu_s})
    try:
        return RiskModel.model_validate_json(await _answer(message, WAIT_FACTOR * cpu_s))
    except (OSError, ValueError) as error:  # it could not be started, or said nothing that is a model
        failure = type(error).__name__
    raise Unavailable(
        f"No model of the risk could be learnt: the process ended early ({failure}).",
        hint="It is tried again on schedule. VESTIBULE_RISK__CPU_SECONDS bounds its CPU time.",
    )


async def _answer(message: bytes, most_s: float) -> bytes:
    """What a process says to a message; nothing if it fails or takes too long."""
    process = await asyncio.create_subprocess_exec(
        *child_python("-m", MODULE),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={
            **import_path(),
            "HOME": str(Path.home()),
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        },
        start_new_session=True,
        umask=0o077,
    )
    answer = b""
    try:
        answer, _ = await asyncio.wait_for(process.communicate(message), most_s)
    except TimeoutError:
        pass  # it is killed below
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return b"" if process.returncode else answer


def packed(past: PastSessions, about: Mapping[str, Any]) -> bytes:
    """What the process gets: columns in NumPy's format, without objects."""
    columns = {
        f"{table}.{name}": _without_objects(column)
        for table, found in (("sessions", past.sessions), ("events", past.events))
        for name, column in found.items()
    }
    target = io.BytesIO()
    np.savez(target, allow_pickle=False, about=_bytes(json.dumps(dict(about))), **columns)
    return target.getvalue()


def unpacked(message: bytes) -> tuple[PastSessions, dict[str, Any]]:
    """The message again."""
    with np.load(io.BytesIO(message), allow_pickle=False) as found:
        about = json.loads(found["about"].tobytes())
        tables: dict[str, dict[str, npt.NDArray[Any]]] = {"sessions": {}, "events": {}}
        for key in found.files:
            table, _, name = key.partition(".")
            if table in tables:
                column = found[key]
                tables[table][name] = _texts(column) if column.dtype == np.uint8 else column
    begin, end = datetime.fromisoformat(about["begin"]), datetime.fromisoformat(about["end"])
    return PastSessions(begin, end, **tables), about


def _without_objects(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return _bytes("".join(text + _SEPARATOR for text in column)) if column.dtype == object else column


def _bytes(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _texts(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.array(column.tobytes().decode().split(_SEPARATOR)[:-1], dtype=object)


def main() -> None:
    """Read one message, answer with a model, and end."""
    die_with_parent()
    os.nice(NICE)
    past, about = unpacked(sys.stdin.buffer.read())
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_CPU, int(about["cpu_s"]))
    if LINUX:
        limit(resource.RLIMIT_DATA, MEMORY_BYTES)
    from server.risk.fitting import Rules, fit

    model = fit(past, Rules(about["idle_s"], about["least"]), datetime.fromisoformat(about["now"]))
    sys.stdout.buffer.write(model.model_dump_json().encode())


if __name__ == "__main__":
    main()
