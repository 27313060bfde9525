"""The clock, as far as this machine alone can tell: whether it is synchronised, and whether it went back."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from server.access.audit_head import HEAD_FILE
from server.doctor.results import Finding, Situation, ok, problem, warning
from server.settings import Settings
from server.times import shown_length

SUBJECT: Final = "clock"
TOLERANCE_S: Final = 60.0
ASK_S: Final = 3.0
PROGRAM: Final = "timedatectl"


def check_system_time(situation: Situation) -> Iterator[Finding]:
    """Look for files of the server from the future, and ask systemd about the time servers."""
    newest = newest_write(situation.settings)
    if newest is not None and (ahead_s := (newest - situation.now).total_seconds()) > TOLERANCE_S:
        found = f"The server last wrote its files {shown_length(ahead_s)} after the time that the clock shows."
        hint = "The clock was set back. Set it right before a start: the order of what is stored depends on it."
        yield problem(SUBJECT, found, hint)
    synchronised = asked_systemd()
    if synchronised is None:
        yield ok(SUBJECT, "This system does not say whether it is synchronised.")
    elif synchronised:
        yield ok(SUBJECT, "It is synchronised with a time server.")
    else:
        hint = "Run `timedatectl set-ntp true`. Tokens, certificates and the funnel need the right time."
        yield warning(SUBJECT, "It is not synchronised with a time server.", hint)


def newest_write(settings: Settings) -> datetime | None:
    """When the ledger or the end of the audit was last written; None if there is neither."""
    ledger = settings.ledger_path
    files = (ledger, ledger.with_name(ledger.name + ".wal"), settings.keys_dir / HEAD_FILE)
    times = [_time_of(path) for path in files if path.exists()]
    return max(times, default=None)


def _time_of(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def asked_systemd(program: str = PROGRAM) -> bool | None:
    """Whether systemd says that the clock is synchronised; None if it does not answer."""
    path = shutil.which(program)
    if path is None:
        return None
    command = [path, "show", "--property=NTPSynchronized", "--value"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(answer.stdout.strip())
