"""The sessions behind the numbers of a cause: as many as the report says, and those that the conditions are about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import protovalidate
import pytest
from vestibule.v1 import funnel_pb2 as pb

from models.errors import InvalidInput
from models.reasons import Reason
from server.access.audit import AuditTrail
from server.funnel import feature_table
from server.funnel.affected import read_affected
from server.funnel.feature_table import read_table
from server.funnel.features import feature_name
from server.funnel.optimizer import FunnelOptimizer, read_funnel
from server.funnel.selection import Selection
from server.funnel.step_counts import count_steps, end_of_observation, outcome_parameters
from server.funnel.steps import STAGES, Steps
from server.funnel.types import Condition
from server.ledger.columns import DuckDb, fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.services.funnel import FunnelService
from server.services.funnel_analysis import Analysis
from server.services.funnel_conditions import condition_message, condition_of
from tests.fakes.funnel_service import funnel_service
from tests.fakes.gateway import FakeGateway
from tests.unit.analytics import two_flows
from tests.unit.funnel.quarter import Quarter
from tests.unit.funnel.shop import BEGIN, STEPS, Shop
from tests.unit.ledger.makers import NOW

OF_STAGES = pb.GetReportRequest(analyze=True)
OF_STEPS = pb.GetReportRequest(analyze=True, steps=STEPS)
NETWORK = pb.FunnelFeatureCondition(feature="app.network", text="3g")
EACH_STAGE = Quarter(
    3000,
    causes={
        1: lambda drawn: 3.0 * (drawn["network"] == "3g"),
        2: lambda drawn: 2.5 * (drawn["delay_s"] > 0.8),
        3: lambda drawn: 2.5 * (drawn["turns"] == 1),
    },
)
"""A level, a bound of a number that those without a turn lack, and a value of a number."""
NOT = Quarter(2500, causes={1: lambda drawn: 2.5 * (not drawn["font_large"])}, base=(-3.0, -1.3, -1.7))
PAIR = Shop(
    3500,
    causes={
        1: lambda drawn: 2.5 * (drawn["amount"] > 30) * (drawn["network"] == "wifi"),
        2: lambda drawn: 2.5 * (drawn["battery"] < 30),
    },
)


def service_of(ledger: EmbeddedLedger, now: datetime | None = None) -> FunnelService:
    analysis = Analysis(clock=None if now is None else lambda: now)
    return funnel_service(ledger, FakeGateway(), lambda: NOW, AuditTrail(bytes(32), bytes(32), lambda: NOW), analysis)


def behind(report: pb.GetReportRequest, *conditions: pb.FunnelFeatureCondition, **given: Any) -> Any:
    values = {"position": 2, "number": pb.FUNNEL_NUMBER_AFFECTED, "page_size": 1000}
    return pb.ListFunnelSessionsRequest(report=report, conditions=conditions, **(values | given))


async def listed(service: FunnelService, request: pb.ListFunnelSessionsRequest) -> list[str]:
    """The ids of all pages."""
    protovalidate.validate(request)
    found: list[str] = []
    while True:
        page = await service.ListFunnelSessions(request, None)
        found += page.session_ids
        request.page_token = page.next_page_token
        if not request.page_token:
            assert len(found) == len(set(found))
            return found


async def compared(service: FunnelService, report: pb.GetReportRequest) -> list[pb.FunnelEvidence]:
    """The evidence of each cause of a report, each number of which has a list that is as long."""
    analysis = (await service.GetReport(report, None)).analysis
    causes = [found.evidence for found in analysis.recommendations if found.HasField("evidence")]
    for cause in causes:
        place = {"position": cause.position, "page_size": 500}
        affected = await listed(service, behind(report, *cause.conditions, **place))
        left = await listed(service, behind(report, *cause.conditions, **place, number=pb.FUNNEL_NUMBER_LEFT))
        assert (len(affected), len(left)) == (cause.affected_count, cause.left_count), cause.condition
        assert set(left) <= set(affected)
    return causes


def kinds(causes: list[pb.FunnelEvidence]) -> set[tuple[int, tuple[str | None, ...]]]:
    return {(cause.position, tuple(each.WhichOneof("holds") for each in cause.conditions)) for cause in causes}


@pytest.mark.parametrize(
    ("design", "report", "expected"),
    [
        (EACH_STAGE, OF_STAGES, {(2, ("text",)), (3, ("range",)), (4, ("number",))}),
        (NOT, OF_STAGES, {(2, ("flag",))}),
        (PAIR, OF_STEPS, {(2, ("text", "range")), (3, ("range",))}),
    ],
)
async def test_each_number_of_a_cause_has_a_list_that_is_as_long(
    ledger: EmbeddedLedger, design: Quarter | Shop, report: pb.GetReportRequest, expected: set[Any]
) -> None:
    await ledger.write(design.store)
    assert kinds(await compared(service_of(ledger), report)) == expected


async def test_the_list_is_of_the_sessions_that_meet_the_condition(ledger: EmbeddedLedger) -> None:
    await ledger.write(EACH_STAGE.store)
    service = service_of(ledger)

    def counted(cursor: DuckDb) -> Mapping[str, bool]:
        rows = fetch_all(
            cursor,
            """SELECT session_id, reached = 1 AS left FROM v_session_stages JOIN events USING (session_id)
            WHERE name = 'opened' AND (properties->>'network') = '3g'""",
        )
        return {row["session_id"]: row["left"] for row in rows}

    expected = await ledger.read(counted)
    assert set(await listed(service, behind(OF_STAGES, NETWORK))) == expected.keys()
    left = await listed(service, behind(OF_STAGES, NETWORK, number=pb.FUNNEL_NUMBER_LEFT))
    assert set(left) == {session for session, is_left in expected.items() if is_left}
    page = await service.ListFunnelSessions(behind(pb.GetReportRequest(analyze=True, language="de"), NETWORK), None)
    assert (page.condition, page.stage) == ("network = 3g", "IN_PROGRESS")
    times = [session.create_time.ToNanoseconds() for session in page.sessions]
    assert times == sorted(times, reverse=True)


async def test_sessions_that_do_not_count_yet_are_in_no_list(ledger: EmbeddedLedger) -> None:
    """Those of the last ten days that left have not ended, so no session of these days counts."""
    await ledger.write(PAIR.store)
    newest = BEGIN + timedelta(days=50)
    state = "UPDATE sessions SET state = 'STARTED' WHERE create_time > ?"
    await ledger.write(lambda cursor: cursor.execute(state, [newest]))
    service = service_of(ledger, (BEGIN + timedelta(days=60)).replace(tzinfo=UTC))
    analysis = (await service.GetReport(OF_STEPS, None)).analysis
    assert analysis.drop_offs[0].under_way_count > 0
    assert await compared(service, OF_STEPS)
    [cause, *_] = [found.evidence for found in analysis.recommendations if found.to_stage == "pay"]
    left = behind(OF_STEPS, *cause.conditions, number=pb.FUNNEL_NUMBER_LEFT)
    page = await service.ListFunnelSessions(left, None)
    assert {session.stage for session in page.sessions} == {"ABANDONED"}


async def test_of_a_sample_the_list_is_of_the_same_sample(
    ledger: EmbeddedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.write(EACH_STAGE.store)
    service = service_of(ledger)
    whole = await service.ListFunnelSessions(behind(OF_STAGES, NETWORK), None)
    assert whole.report_session_count == whole.searched_session_count == 3000
    monkeypatch.setattr(feature_table, "MOST_SESSIONS", 2500)
    service = service_of(ledger)  # the other keeps the sessions of the cause
    analysis = (await service.GetReport(OF_STAGES, None)).analysis
    part = await service.ListFunnelSessions(behind(OF_STAGES, NETWORK, page_size=50), None)
    assert (part.report_session_count, part.searched_session_count) == (3000, analysis.searched_session_count)
    assert 2000 < part.searched_session_count < 3000
    assert await compared(service, OF_STAGES)
    following = behind(OF_STAGES, NETWORK, page_size=50, page_token=part.next_page_token)
    assert not (await service.ListFunnelSessions(following, None)).searched_session_count, "the first page says it"


async def test_a_position_is_that_of_the_report_which_has_optional_stages(ledger: EmbeddedLedger) -> None:
    await ledger.write(two_flows.keep)
    service = service_of(ledger, NOW + timedelta(days=30))
    report = pb.GetReportRequest(analyze=True, flow="rental", flow_version=1)
    [client] = {row["client_id"] for row in await ledger.read(lambda c: fetch_all(c, "FROM sessions"))}
    condition = pb.FunnelFeatureCondition(feature="client", text=client)

    async def at(position: int) -> list[str]:
        return sorted(await listed(service, behind(report, condition, position=position, number=5)))

    assert await at(2) == ["a4"], "it left before the car"
    assert await at(4) == ["a3"], "it left before the proposal; the damage between them is optional"
    for position in (1, 3, 9):
        with pytest.raises(InvalidInput) as refused:
            await at(position)
        assert refused.value.reason == Reason.FUNNEL_POSITION_UNKNOWN


async def test_no_session_is_no_cause(ledger: EmbeddedLedger) -> None:
    page = await service_of(ledger).ListFunnelSessions(behind(pb.GetReportRequest(analyze=True), NETWORK), None)
    assert not page.session_ids
    await ledger.write(Shop(50).store)
    nobody = pb.GetReportRequest(analyze=True, client_id="nobody")
    page = await service_of(ledger).ListFunnelSessions(behind(nobody, NETWORK), None)
    assert [warning.field for warning in page.warnings] == ["report.client_id"]
    other = pb.FunnelFeatureCondition(feature="app.network", text="5g")
    assert not await listed(service_of(ledger), behind(OF_STEPS, other))


@pytest.mark.parametrize(
    ("condition", "reason", "field"),
    [
        ({"feature": "app.maria_lopez", "text": "Maria Lopez"}, Reason.FUNNEL_FEATURE_UNKNOWN, ".feature"),
        ({"feature": "app.mood", "text": "Maria Lopez"}, Reason.FUNNEL_FEATURE_UNKNOWN, ".feature"),
        ({"feature": "app.slow", "flag": True}, Reason.FUNNEL_FEATURE_UNKNOWN, ".feature"),
        ({"feature": "app.network", "flag": True}, Reason.FUNNEL_CONDITION_MISFIT, ""),
        ({"feature": "app.network", "number": 3}, Reason.FUNNEL_CONDITION_MISFIT, ""),
        ({"feature": "app.battery", "text": "Maria Lopez"}, Reason.FUNNEL_CONDITION_MISFIT, ""),
        ({"feature": "app.scrolled", "range": {"above": 1}}, Reason.FUNNEL_CONDITION_MISFIT, ""),
    ],
)
async def test_a_condition_that_the_analysis_cannot_have_is_refused_without_its_words(
    ledger: EmbeddedLedger, condition: dict[str, Any], reason: Reason, field: str
) -> None:
    """``slow`` comes on the way to the third step only, so it explains nothing at the second."""
    await ledger.write(Shop(600).store)
    request = behind(OF_STEPS, NETWORK, pb.FunnelFeatureCondition(**condition))
    with pytest.raises(InvalidInput) as refused:
        await listed(service_of(ledger), request)
    error = refused.value
    assert (error.reason, [each.field for each in error.violations]) == (reason, [f"conditions[1]{field}"])
    told = " ".join([error.message, error.hint, *(each.description for each in error.violations)]).casefold()
    assert "maria" not in told


@pytest.mark.parametrize(
    "request_",
    [
        behind(OF_STAGES),
        behind(pb.GetReportRequest(), NETWORK),
        behind(OF_STAGES, NETWORK, number=pb.FUNNEL_NUMBER_DROPPED),
        behind(OF_STAGES, pb.FunnelFeatureCondition(feature="app.network")),
        behind(OF_STAGES, pb.FunnelFeatureCondition(feature="it's", flag=True)),
        behind(OF_STAGES, pb.FunnelFeatureCondition(feature="hour", number=float("nan"))),
        behind(OF_STAGES, pb.FunnelFeatureCondition(feature="hour", range=pb.FunnelFeatureRange())),
        behind(OF_STAGES, pb.FunnelFeatureCondition(feature="hour", range=pb.FunnelFeatureRange(above=3, at_most=3))),
        behind(
            pb.GetReportRequest(analyze=True, breakdown=pb.FunnelBreakdown(by=pb.FUNNEL_DIMENSION_CLIENT)),
            NETWORK,
            segment=pb.FunnelSegmentKey(kind=pb.FUNNEL_SEGMENT_KIND_NONE),
        ),
    ],
)
def test_a_request_that_names_no_cause_breaks_a_rule(request_: pb.ListFunnelSessionsRequest) -> None:
    with pytest.raises(protovalidate.ValidationError):
        protovalidate.validate(request_)


@pytest.mark.parametrize(
    "condition",
    [
        Condition("no_speech@2"),
        Condition("app.font_large", "not"),
        Condition("time_to_AWAITING_APPROVAL_s", ">", 0.1 + 0.2),
        Condition("hour", "<=", 0.0),
        Condition("hour", "in", (-1.5, 8.0)),
        Condition("app.amount@12", "=", 3.0),
        Condition("app.network", "=", ""),
    ],
)
def test_a_condition_is_the_same_after_a_message(condition: Condition) -> None:
    message = condition_message(condition)
    protovalidate.validate(message)
    assert condition_of(pb.FunnelFeatureCondition.FromString(message.SerializeToString())) == condition


def test_in_python_the_evidence_gives_the_sessions(cursor: DuckDb) -> None:
    Shop(1500, causes={1: lambda drawn: 3.0 * (drawn["network"] == "3g")}).store(cursor)
    steps = Steps.of(STEPS)
    report = FunnelOptimizer().analyze(read_funnel(cursor, steps=steps))
    change = report.recommendations[0]
    assert change.evidence is not None
    found = read_affected(cursor, change.step, change.evidence.conditions, steps=steps)
    assert (len(found.affected), len(found.left)) == (change.evidence.affected, change.evidence.left)
    assert (found.sessions, found.searched) == (report.sessions, report.searched)


@pytest.mark.parametrize(("design", "steps"), [(Quarter(400), STAGES), (Shop(400), Steps.of(STEPS))])
def test_a_feature_that_is_read_alone_has_the_values_that_it_has_among_all(
    cursor: DuckDb, design: Quarter | Shop, steps: Steps
) -> None:
    design.store(cursor)
    parameters = outcome_parameters(Selection(), end_of_observation(cursor, None), timedelta(minutes=30))
    counts = count_steps(cursor, parameters, steps)
    whole = read_table(cursor, parameters, counts, steps, {"client", *_names(cursor, parameters, counts, steps)})
    assert whole is not None
    assert whole.ids is not None
    place = {session: row for row, session in enumerate(whole.ids.tolist())}
    for name in {feature_name(column) for column in whole.features}:
        alone = read_table(cursor, parameters, counts, steps, {name})
        assert alone is not None
        assert alone.ids is not None
        rows = np.array([place[session] for session in alone.ids.tolist()])
        assert {*alone.features} == {column for column in whole.features if feature_name(column) == name}
        for column, values in alone.features.items():
            assert alone.known_at[column] == whole.known_at[column]
            assert (alone.seen(column) == whole.seen(column)[rows]).all()
            seen = alone.seen(column)
            assert (values[seen] == whole.features[column][rows][seen]).all(), column


def _names(cursor: DuckDb, parameters: dict[str, Any], counts: Any, steps: Steps) -> set[str]:
    """The features of the table of the analysis."""
    found = read_table(cursor, parameters, counts, steps)
    assert found is not None
    return {feature_name(column) for column in found.features}
