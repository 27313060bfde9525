"""Keys and tokens that are whole, readable by others, damaged, and lost."""

from __future__ import annotations

import stat
from contextlib import closing
from pathlib import Path

import pytest

from server.access.audit import load_or_create_key, load_or_create_subjects_key
from server.doctor.checks import NamedCheck
from server.doctor.private_files import check_private_files
from server.doctor.results import Situation
from server.doctor.run import run_checks
from server.ledger import sessions
from server.uploads.keys import load_or_create_spool_keys
from tests.unit.doctor.situations import lines, only, situation
from tests.unit.ledger.makers import session
from tests.unit.ledger.migrated import open_ledger


@pytest.fixture
def started(tmp_path: Path) -> Situation:
    """As after a first start: keys as the server makes them, and a ledger."""
    looked_at = situation(tmp_path)
    load_or_create_key(tmp_path / "state")
    load_or_create_subjects_key(tmp_path / "state")
    load_or_create_spool_keys("", tmp_path / "state" / "spool.key")
    (tmp_path / "data").mkdir()
    looked_at.settings.ledger_path.touch()
    return looked_at


def test_before_the_first_start_no_key_is_missing(tmp_path: Path) -> None:
    assert lines(check_private_files(situation(tmp_path))) == [("ok", "keys")]


def test_keys_as_the_server_makes_them_are_fine(started: Situation) -> None:
    assert "3 files" in only(check_private_files, started).found


@pytest.mark.parametrize("name", ["audit.key", "quack.token", "workers/carry.key"])
def test_a_key_that_others_may_read_is_a_problem_and_stays_as_it_is(started: Situation, name: str) -> None:
    exposed = started.settings.state_dir / name
    exposed.parent.mkdir(exist_ok=True)
    exposed.touch()
    exposed.chmod(0o640)
    found = only(check_private_files, started)
    assert found.level == "problem"
    assert f"chmod 600 {exposed}" in found.hint
    assert stat.S_IMODE(exposed.stat().st_mode) == 0o640


def test_a_key_that_cannot_be_read_is_a_problem(started: Situation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, _mode: not str(path).endswith("spool.key"))
    found = only(check_private_files, started)
    assert found.level == "problem"
    assert "spool.key cannot be read" in found.found


@pytest.mark.parametrize("name", ["audit.key", "subjects.key", "spool.key"])
def test_a_ledger_whose_keys_are_lost_is_a_problem(started: Situation, name: str) -> None:
    (started.settings.state_dir / name).unlink()
    found = list(check_private_files(started))
    assert [(each.level, name in each.found) for each in found] == [("problem", True)]
    assert not (started.settings.state_dir / name).exists(), "a doctor makes no key"


def test_a_ledger_that_no_server_has_worked_with_needs_no_keys_yet(tmp_path: Path) -> None:
    looked_at = situation(tmp_path)
    looked_at.settings.data_dir.mkdir()
    with closing(open_ledger(looked_at.settings.ledger_path)):
        pass  # as a first start whose port is in use
    assert lines(check_private_files(looked_at)) == [("ok", "keys")]
    with closing(open_ledger(looked_at.settings.ledger_path)) as ledger:
        ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    assert [found.level for found in check_private_files(looked_at)] == ["problem"]


@pytest.mark.parametrize(("name", "reason"), [("audit.key", "AUDIT_KEY_INVALID"), ("spool.key", "SPOOL_KEY_INVALID")])
async def test_a_damaged_key_is_a_problem(started: Situation, name: str, reason: str) -> None:
    (started.settings.state_dir / name).write_text("not a key", encoding="ascii")
    found = await run_checks(started, [NamedCheck("keys", check_private_files)])
    assert [each.reason for each in found] == [reason]


def test_a_secret_that_every_user_may_read_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    secret = tmp_path / "secrets" / "vestibule_llm_api_key"
    secret.write_text("k", encoding="ascii")
    (tmp_path / "secrets" / "of-others").touch(mode=0o644)
    secret.chmod(0o600)
    looked_at = situation(tmp_path, secrets_dir=tmp_path / "secrets")
    fine = only(check_private_files, looked_at, "secrets")
    assert (fine.level, fine.found) == ("ok", "1 file in VESTIBULE_SECRETS_DIR.")
    secret.chmod(0o644)
    found = only(check_private_files, looked_at, "secrets")
    assert found.level == "warning"
    assert "of-others" not in found.found
