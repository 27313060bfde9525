"""The risk of a running session, and what the model's page says of itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from uuid import uuid4

import pytest

from models.errors import Overloaded
from models.reasons import Reason
from server.access.caller import Scope
from server.ledger import events, sessions
from server.ledger.columns import Cursor
from server.ledger.types import EventRow, SessionRow, SessionState
from server.risk.model import Group, RiskModel, StageStatus
from server.services.risk import RiskService
from tests.unit.console.harness import Harness
from tests.unit.ledger.makers import NOW
from tests.unit.risk.test_model import QUALITY, ready

RUNNING, ENDED = "0b0f8a3e-5d5c-4c59-9f0e-0a9b4c5d6e7f", "1c1f9b4f-6e6d-4d6a-8a1f-1bac5d6e7f80"


def two_sessions(cursor: Cursor) -> None:
    """One that is running and was not understood, and one that has ended."""
    opened = NOW - timedelta(seconds=20)
    for session_id, state in ((RUNNING, SessionState.STARTED), (ENDED, SessionState.ABANDONED)):
        row = SessionRow(session_id, "app", str(uuid4()), state, opened, opened)
        sessions.insert_or_get(cursor, replace(row, language="en"))
        events.append(cursor, EventRow(str(uuid4()), session_id, "app", "no_speech", NOW - timedelta(seconds=5)))


async def test_a_running_session_shows_its_risk_and_what_may_help(tmp_path: Path, model: RiskModel) -> None:
    harness = Harness(tmp_path, risk_model=model)
    await harness.ledger.write(two_sessions)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = unescape((await browser.get(f"/sessions/{RUNNING}")).text)
        assert "The risk that this session is abandoned is " in page
        assert "no speech was recognized: 1 time" in page
        assert "Offer to type, and show the level of the microphone." in page
        assert "The risk that" not in (await browser.get(f"/sessions/{ENDED}")).text
        german = unescape((await browser.get(f"/sessions/{RUNNING}?lang=de")).text)
        assert "Das Risiko, dass diese Sitzung abgebrochen wird," in german
    harness.close()


async def test_a_risk_that_cannot_be_told_leaves_the_rest_of_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(self: RiskService, request: object, context: object) -> None:
        raise Overloaded("Too many calls.", reason=Reason.CALLS_TOO_FAST, retry_after_s=1)

    monkeypatch.setattr(RiskService, "GetSessionRisk", refused)
    harness = Harness(tmp_path)
    await harness.ledger.write(two_sessions)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        answer = await browser.get(f"/sessions/{RUNNING}")
        assert (answer.status_code, "no_speech" in answer.text) == (200, True)
        assert "The risk of this session cannot be told now (CALLS_TOO_FAST)." in answer.text
    harness.close()


async def test_the_model_shows_how_well_it_foretold_later_sessions(tmp_path: Path, model: RiskModel) -> None:
    harness = Harness(tmp_path, risk_model=model)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = unescape((await browser.get("/risk")).text)
        assert "It was learnt at " in page
        assert "Foretold and what came, for “Started”" in page
        assert "the one that was abandoned had the higher risk" in page
        assert "Correlation, not proof" in page
        assert "All together" in page
        assert "groups, the foretold share lies outside the interval." in page
        assert "A session counts in each group in which it has a moment" in page
        assert 'class="mark open"' in page, "the foretold share stands beside that which came"
    async with harness.browser(await harness.key(Scope.ANALYST, client_id="app")) as browser:
        assert 'href="/risk"' not in (await browser.get("/funnel")).text
        assert (await browser.get("/risk")).status_code == 403
    harness.close()


async def test_a_group_outside_its_interval_is_marked(tmp_path: Path) -> None:
    off = Group(sessions=80, predicted=0.77, abandoned=0.66, low=0.60, high=0.72)
    quality = QUALITY.model_copy(update={"groups": (off, *QUALITY.groups)})
    made = ready(status=StageStatus.NOT_CALIBRATED, formula=None, quality=quality)
    harness = Harness(tmp_path, risk_model=made)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = unescape((await browser.get("/risk")).text)
        assert page.count("outside the interval</strong>") == 1
        assert "In 1 of 3 groups, the foretold share lies outside the interval." in page
        assert "the foretold risks were off by more than chance, so the model is not used" in page
    harness.close()


@pytest.mark.parametrize("path", ["/risk", f"/sessions/{RUNNING}"])
async def test_without_a_model_the_pages_say_so(tmp_path: Path, path: str) -> None:
    harness = Harness(tmp_path)
    await harness.ledger.write(two_sessions)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        assert "Nothing was learnt yet" in (await browser.get(path)).text
    harness.close()
