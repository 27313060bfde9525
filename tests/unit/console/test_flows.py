"""The pages of flows show what new sessions are asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx2
import pytest

from server.access.api_keys import ApiKeys
from server.access.audit import AuditTrail
from server.access.authenticator import Authenticator
from server.access.caller import Scope
from server.console.app import Console
from server.console.calls import Calls
from server.console.live import LiveStreams
from server.console.logins import Logins
from server.console.place import Place
from server.flows.catalogue import shipped_catalogue
from server.records.flow_answers import FlowAnswers
from server.services import Services
from server.services.flow import FlowService
from server.setting_groups import ConsoleSettings, LimitSettings, RetentionSettings
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import open_ledger

ORIGIN = "http://127.0.0.1:8090"


@pytest.mark.parametrize(
    ("language", "title", "question", "title_of_kept"),
    [
        ("en", "Incident report", "What happened?", "How long it is kept"),
        ("de", "Vorfallmeldung", "Was ist geschehen?", "Wie lange es aufbewahrt wird"),
    ],
)
async def test_flows_are_listed_and_shown_in_the_language_of_the_page(
    tmp_path: Path, language: str, title: str, question: str, title_of_kept: str
) -> None:
    ledger = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)
    keys = ApiKeys(ledger, lambda: NOW, AuditTrail(bytes(32), bytes(32), lambda: NOW))
    _, key = await keys.create(client_id="", scopes=(Scope.OPERATOR,), label="test", expire_time=None)
    flows = FlowService(shipped_catalogue(), cast(FlowAnswers, None), RetentionSettings(turns_days=30))
    services = cast(Services, SimpleNamespace(flow=flows))
    calls = Calls(services, Authenticator(keys, None), lambda decision: None, LimitSettings())
    place = Place.of_settings(ConsoleSettings(), tls=False)
    app = Console(calls, Logins(1800, 43_200, lambda: 0.0), place, LiveStreams(0.02)).app
    transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 50_000), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        await client.post("/login", data={"key": key})
        listed = (await client.get(f"/flows?lang={language}")).text
        assert listed.count('href="/flows/') == 3
        assert title in listed
        shown = (await client.get(f"/flows/incident_report?lang={language}")).text
        assert question in shown
        assert "[A-Z]{2,4}-?[0-9]{3,6}" in shown
        assert "1 - 999" in shown
        assert (await client.get("/flows/nothing")).status_code == 404
        # Of the settings what was said, sealed values and letters; of the flow the pictures, shorter than nothing.
        staff = (await client.get(f"/flows/staff_onboarding?lang={language}")).text
        kept = staff[staff.index(title_of_kept) :]
        assert [days for days in ("30 ", "90 ", "7 ") if f": {days}" in kept] == ["30 ", "90 ", "7 "]
        assert (await client.get("/flows/incident_report?version=9")).status_code == 404
    ledger.close()
