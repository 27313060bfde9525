"""A server that keeps no mirror of PostgreSQL deletes the one of an earlier start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("psycopg")

from models.errors import Unavailable
from models.reasons import Reason
from server.ledger.embedded import EmbeddedLedger
from server.ledger.errors import ledger_full
from server.ledger.opened import opened, opened_mirror

_HOLDS = """import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The mirror of an earlier start."""
    path = tmp_path / "data" / "mirror.duckdb"
    opened_mirror(path).close()
    path.with_name("mirror.fresh.duckdb").touch()
    return path


def test_it_is_deleted_where_the_disk_is_full(left: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> EmbeddedLedger:
        raise ledger_full()

    monkeypatch.setattr(EmbeddedLedger, "open", full)
    with opened(left, postgres_url, mirror=False) as ledgers:
        assert ledgers.views is None
        assert list(left.parent.iterdir()) == []
    with opened(left, postgres_url, mirror=False):
        assert list(left.parent.iterdir()) == [], "none was there"


def test_it_stays_while_another_process_has_it(left: Path, postgres_url: str) -> None:
    command = [sys.executable, "-c", _HOLDS, str(left)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(Unavailable) as refused, opened(left, postgres_url, mirror=False):
            pass
        assert refused.value.reason == Reason.LEDGER_LOCKED
        assert left.exists()
        other.communicate()
    with opened(left, postgres_url, mirror=False):
        assert not left.exists()
