"""The funnel of a flow: its stages, and only its sessions, by RPC, on the command line and in SQL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import protovalidate
import pytest
from click.testing import CliRunner, Result
from vestibule.v1 import funnel_pb2 as pb

from models.errors import NotFound
from models.reasons import Reason
from server.access.audit import AuditTrail
from server.access.caller import Caller, Scope, acting_as
from server.cli.main import cli
from server.flows.definition import FlowDefinition
from server.flows.loader import shipped_flows
from server.ledger import flows
from server.ledger.columns import Cursor, fetch_all
from server.services.funnel import FunnelService
from tests.fakes.funnel_service import funnel_service
from tests.fakes.gateway import FakeGateway
from tests.unit.analytics.two_flows import (
    APPROVED,
    CAR,
    DAMAGE,
    FLOWS,
    OPENED,
    PHOTO,
    PROPOSED,
    keep,
)
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import open_ledger

ANALYST = Caller("key:a", "", frozenset({Scope.ANALYST}))
Numbers = list[tuple[str, int, int, int, bool]]
OF_FIRST: Numbers = [
    (OPENED, 5, 0, 0, False),
    (CAR, 4, 1, 1, False),  # a4 left before it, a5 is there
    (DAMAGE, 2, 0, 0, True),  # a2 never had to make it
    (PROPOSED, 2, 1, 0, False),  # a3 left, a5 is still at the car
    (APPROVED, 2, 0, 0, False),
]
OF_SECOND: Numbers = [(CAR, 2, 0, 0, False), (PHOTO, 1, 1, 0, False), (APPROVED, 1, 0, 0, False)]
OF_BOTH: Numbers = [(CAR, 6, 0, 1, False), (PHOTO, 1, 4, 0, False), (APPROVED, 1, 0, 0, False)]
"""Name, sessions, dropped, under way, optional: counted by hand from the sessions of ``two_flows``."""
OF_STAGES: Numbers = [
    (OPENED, 10, 0, 1, False),  # the session of a5 has no event IN_PROGRESS
    ("IN_PROGRESS", 4, 5, 0, False),
    (PROPOSED, 4, 0, 0, False),
    (APPROVED, 4, 0, 0, False),
]


_FIELD = {"name": "a", "kind": "yes_no", "ask": "Is it?"}
LONG = FlowDefinition.model_validate(
    {
        "name": "long",
        "version": 1,
        "title": "Long",
        "steps": [
            {"name": f"s{n}", "fields": [{**_FIELD, "name": f"f{n}", **more}]}
            for n in range(12)
            for more in [{"when": {"field": "f0", "is": "yes"}} if n in (3, 9) else {}]
        ],
    }
)
"""More steps than a funnel may have. Two of them have no field that always comes up."""


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[FunnelService]:
    ledger = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    ledger.write_now(keep)
    yield funnel_service(ledger, FakeGateway(), lambda: NOW, AuditTrail(bytes(32), bytes(32), lambda: NOW))
    ledger.close()


def numbers(stages: Any) -> Numbers:
    return [(s.name, s.session_count, s.dropped_count, s.under_way_count, s.optional) for s in stages]


async def reported(service: FunnelService, **given: Any) -> pb.GetReportResponse:
    request = pb.GetReportRequest(**given)
    protovalidate.validate(request)
    with acting_as(ANALYST):
        return await service.GetReport(request, None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"flow": "rental", "flow_version": 1}, OF_FIRST),
        ({"flow": "rental", "flow_version": 2}, OF_SECOND),
        ({"flow": "rental"}, OF_BOTH),
        (
            {"flow": "repair"},
            [
                (OPENED, 3, 0, 0, False),
                (CAR, 3, 0, 0, False),
                (DAMAGE, 1, 0, 0, True),
                (PROPOSED, 1, 2, 0, False),
                (APPROVED, 1, 0, 0, False),
            ],
        ),
        ({"flow": "rental", "steps": [CAR, PROPOSED]}, [(CAR, 6, 0, 1, False), (PROPOSED, 3, 2, 0, False)]),
        ({"flow": "rental", "flow_version": 2, "client_id": "nobody"}, [(n, 0, 0, 0, False) for n, *_ in OF_SECOND]),
        ({"steps": [CAR, PHOTO]}, [(CAR, 9, 0, 1, False), (PHOTO, 3, 5, 0, False)]),
        ({}, OF_STAGES),
    ],
)
async def test_a_report_counts_the_stages_of_a_flow_on_its_sessions(
    service: FunnelService, given: dict[str, Any], expected: Numbers
) -> None:
    report = await reported(service, **given)
    assert numbers(report.stages) == expected
    assert [warning.field for warning in report.warnings] == ["client_id"] * ("client_id" in given)


async def test_a_report_of_a_flow_has_groups_times_and_a_window(service: FunnelService) -> None:
    by = pb.FunnelBreakdown(by=pb.FUNNEL_DIMENSION_EVENT, key=DAMAGE)
    report = await reported(service, flow="rental", flow_version=1, breakdown=by, quantiles=True)
    assert numbers(report.stages) == OF_FIRST
    found = {segment.key.value: [stage.session_count for stage in segment.stages] for segment in report.segments}
    assert found == {"false": [3, 2, 0, 1, 1], "true": [2, 2, 2, 1, 1]}
    report = await reported(service, flow="rental", flow_version=1, window={"seconds": 3})
    assert [stage.session_count for stage in report.stages] == [5, 4, 2, 2, 1]  # a1 took four seconds


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"flow": "rentl"}, "There is no such flow."),
        ({"flow": "rentl", "flow_version": 1}, "There is no such flow."),
        ({"flow": "rental", "flow_version": 3, "steps": [CAR, PHOTO]}, "The flow has no such version."),
    ],
)
async def test_a_flow_that_the_server_never_had_is_refused(
    service: FunnelService, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(NotFound) as refused:
        await reported(service, **given)
    assert (refused.value.reason, refused.value.message) == (Reason.FLOW_NOT_FOUND, told)
    assert ("Its newest version is 2." in refused.value.hint) is ("version" in told)
    with pytest.raises(NotFound):
        await reported(service, analyze=True, **given)


@pytest.mark.parametrize(
    ("rule", "given"),
    [
        ("version_of_flow", {"flow_version": 1}),
        ("steps_with_window_or_order", {"flow": "rental", "order": pb.FUNNEL_ORDER_STRICT}),
        ("steps_with_window_or_order", {"window": {"seconds": 1}}),
        ("string.pattern", {"flow": "rental@1"}),
    ],
)
def test_what_fits_no_flow_is_refused(rule: str, given: dict[str, Any]) -> None:
    with pytest.raises(protovalidate.ValidationError) as refused:
        protovalidate.validate(pb.GetReportRequest(**given))
    assert [violation.proto.rule_id for violation in refused.value.violations] == [rule]


async def test_each_number_of_a_flow_is_as_long_as_its_list(service: FunnelService) -> None:
    for given in ({"flow": "rental", "flow_version": 1}, {"flow": "rental"}):
        report = await reported(service, **given)
        for position, stage in enumerate(report.stages, start=1):
            counted = (stage.session_count, stage.dropped_count, stage.under_way_count)
            for number, count in enumerate(counted, start=1):
                request = pb.ListFunnelSessionsRequest(report=given, position=position, number=number)  # type: ignore[arg-type]
                with acting_as(ANALYST):
                    listed = await service.ListFunnelSessions(request, None)
                assert (len(listed.session_ids), listed.stage) == (count, stage.name)


async def test_the_search_for_causes_has_the_required_stages_of_the_sessions_of_the_flow(
    service: FunnelService,
) -> None:
    analysis = (await reported(service, flow="rental", flow_version=1, analyze=True)).analysis
    assert [found.to_stage for found in analysis.drop_offs] == [CAR, PROPOSED, APPROVED]
    assert [found.entered_count for found in analysis.drop_offs] == [5, 4, 2]
    assert analysis.session_count == 5


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    data, state = tmp_path / "data", tmp_path / "state"
    data.mkdir()
    state.mkdir()
    ledger = open_ledger(data / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    ledger.write_now(keep)
    ledger.close()
    return ["--data-dir", str(data), "--state-dir", str(state)]


def run(folders: list[str], *arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["funnel", *arguments, *folders])
    assert result.exit_code == code, result.output
    return result


def test_the_command_counts_a_flow(folders: list[str]) -> None:
    def counted(*arguments: str) -> Numbers:
        rows = json.loads(run(folders, *arguments, "--json").stdout)
        names = ("stage", "sessions", "dropped", "under_way")
        return [(*(row[name] for name in names), row.get("optional", False)) for row in rows]

    assert counted("--flow", "rental@1") == OF_FIRST
    assert counted("--flow", "rental@2") == OF_SECOND
    assert counted("--flow", "rental") == OF_BOTH
    assert counted() == OF_STAGES
    assert counted("--flow", "rental@1", "--steps", f"{OPENED},{APPROVED}") == [
        (OPENED, 5, 0, 1, False),
        (APPROVED, 2, 2, 0, False),
    ]
    table = run(folders, "--flow", "rental@1").stdout.splitlines()
    assert "optional" in table[0]
    assert ["yes" in line for line in table[1:]].count(True) == 1


def test_the_command_lists_the_sessions_behind_a_number_of_a_flow(folders: list[str]) -> None:
    def listed(*arguments: str) -> list[str]:
        return sorted(row["session"] for row in json.loads(run(folders, *arguments, "--json").stdout))

    assert listed("--flow", "rental@1", "--sessions", f"dropped@{PROPOSED}") == ["a3"]
    assert listed("--flow", "rental@1", "--sessions", f"reached@{DAMAGE}") == ["a1", "a3"]
    assert listed("--flow", "rental", "--sessions", f"dropped@{PHOTO}") == ["a1", "a2", "a3", "b2"]
    assert f"{PHOTO} is no stage" in run(folders, "--flow", "rental@1", "--sessions", f"dropped@{PHOTO}", code=2).output


def test_the_report_of_the_command_is_about_a_flow(folders: list[str]) -> None:
    for arguments in (("report", "--flow", "rental@1"), ("--flow", "rental@1", "report")):
        found = json.loads(run(folders, *arguments, "--json").stdout)
        assert [step["to_stage"] for step in found["drop_offs"]] == [CAR, PROPOSED, APPROVED]
        assert found["sessions"] == 5


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--flow", "Rental"), "--flow takes a name"),
        (("--flow", "rental@0"), "--flow takes a name"),
        (("--flow", "rental@1000001"), "--flow takes a name"),
        (("--flow", "rental", "--order", "strict"), "--order needs --steps"),
        (("--window", "1h"), "--window needs --steps or --flow"),
        (("--flow", "rental", "--optional", CAR), "need --steps"),
    ],
)
def test_what_the_command_cannot_count_is_refused(folders: list[str], arguments: tuple[str, ...], told: str) -> None:
    assert told in run(folders, *arguments, code=2).output


def test_the_command_names_a_flow_that_there_is_not(folders: list[str]) -> None:
    assert "FLOW_NOT_FOUND" in run(folders, "--flow", "rentl", code=1).output


def test_the_view_has_the_stages_that_the_files_give(cursor: Cursor) -> None:
    kept = [*FLOWS, *shipped_flows(), LONG]
    flows.keep(cursor, kept, NOW)
    rows = fetch_all(cursor, "SELECT flow, version, stages, optional_stages FROM v_flows")
    found = {(row["flow"], row["version"]): (tuple(row["stages"]), tuple(row["optional_stages"])) for row in rows}
    assert found == {(flow.name, flow.version): (flow.stages(), flow.optional_stages()) for flow in kept}
    assert LONG.optional_stages() == ("step_s3",)
