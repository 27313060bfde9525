"""The experiments as analysts ask for them."""

from __future__ import annotations

from datetime import UTC, timedelta

import protovalidate
import pytest
from vestibule.v1 import experiment_pb2 as pb

from models.errors import NotFound
from server.access.caller import Caller, Scope, acting_as
from server.experiments.catalogue import Experiments
from server.experiments.types import Changes, Experiment, Variant
from server.ledger.embedded import EmbeddedLedger
from server.services.experiment import ExperimentService
from tests.unit.experiments.filled import FLOW, START, Sessions, fill
from tests.unit.ledger.makers import NOW

PAUSE = Experiment(
    "pause", (Variant("usual"), Variant("short", 3, Changes(0.4))), START, NOW, frozenset({"site-7", "site-9"})
)


def service(ledger: EmbeddedLedger, *declared: Experiment) -> ExperimentService:
    experiments = Experiments(*declared).stored_as(lambda name: f"hash-{name}")
    return ExperimentService(ledger, experiments, lambda: NOW, lambda name: f"hash-{name}")


def analyst(client_id: str) -> Caller:
    return Caller("key:a", client_id, frozenset({Scope.ANALYST}))


async def test_experiments_are_listed_as_they_are_declared(ledger: EmbeddedLedger) -> None:
    answer = await service(ledger, FLOW, PAUSE).ListExperiments(pb.ListExperimentsRequest(), None)
    flow, pause = answer.experiments
    assert (flow.name, flow.running, list(flow.client_ids), flow.HasField("end_time")) == ("flow", True, [], False)
    assert (pause.running, list(pause.client_ids)) == (False, ["site-7", "site-9"])
    assert [(each.name, each.weight) for each in pause.variants] == [("usual", 1), ("short", 3)]
    assert pause.variants[1].end_silence.ToTimedelta() == timedelta(seconds=0.4)
    assert not pause.variants[0].HasField("end_silence")


@pytest.mark.parametrize(
    ("client", "seen"), [("site-7", ["flow", "pause"]), ("hash-site-9", ["flow", "pause"]), ("site-8", ["flow"])]
)
async def test_a_caller_of_one_client_sees_its_experiments_alone(
    ledger: EmbeddedLedger, client: str, seen: list[str]
) -> None:
    asked = service(ledger, FLOW, PAUSE)
    with acting_as(analyst(client)):
        answer = await asked.ListExperiments(pb.ListExperimentsRequest(), None)
        assert [each.name for each in answer.experiments] == seen
        if "pause" in seen:
            assert list(answer.experiments[1].client_ids) == [client], "other clients are nobody's business"
        else:
            with pytest.raises(NotFound):
                await asked.GetExperimentReport(pb.GetExperimentReportRequest(name="pause"), None)


async def test_a_report_has_the_figures_and_the_sentences(ledger: EmbeddedLedger) -> None:
    await ledger.write(lambda cursor: fill(cursor, Sessions("flow.old", 1000, 400), Sessions("flow.new", 1000, 550)))
    answer = await service(ledger, FLOW).GetExperimentReport(pb.GetExperimentReportRequest(name="flow"), None)
    protovalidate.validate(answer)
    old, new = answer.variants
    assert answer.split_ok
    assert answer.split_p_value == 1
    assert (old.rate, old.verdict, old.sentence, old.HasField("change")) == (
        0.4,
        pb.VARIANT_VERDICT_UNSPECIFIED,
        "",
        False,
    )
    assert (new.session_count, new.counted_count, new.completed_count, new.rate) == (1000, 1000, 550, 0.55)
    assert new.change.estimate == pytest.approx(0.15)
    assert 0 < new.change.low < 0.15 < new.change.high < 0.3
    assert new.verdict == pb.VARIANT_VERDICT_BETTER
    assert new.sentence.startswith("new is better than old.")
    assert [each.name for each in new.guardrails] == ["unsafe_texts", "final_delay_s", "failed_uploads"]
    assert {each.verdict for each in new.guardrails} == {pb.GUARDRAIL_VERDICT_SAFE, pb.GUARDRAIL_VERDICT_NOT_KNOWN}


async def test_a_report_of_one_client_has_its_sessions_alone(ledger: EmbeddedLedger) -> None:
    mine, others = Sessions("flow.old", 30, 10), Sessions("flow.old", 50, 10, client="other")
    await ledger.write(lambda cursor: fill(cursor, mine, others))
    with acting_as(analyst("app")):
        answer = await service(ledger, FLOW).GetExperimentReport(pb.GetExperimentReportRequest(name="flow"), None)
    assert [each.session_count for each in answer.variants] == [30, 0]
    assert not answer.variants[1].guardrails[0].HasField("value")


async def test_a_plan_follows_from_the_sessions_of_four_weeks(ledger: EmbeddedLedger) -> None:
    await ledger.write(
        lambda cursor: fill(
            cursor,
            Sessions("", 1000, 400, NOW - timedelta(days=11)),
            Sessions("", 10, 0, NOW - timedelta(days=11), client="hash-site-7"),
        )
    )
    asked = service(ledger)
    answer = await asked.PlanExperiment(pb.PlanExperimentRequest(effect=0.05), None)
    assert answer.rate == pytest.approx(400 / 1010)
    assert answer.sessions_per_day == pytest.approx(101)
    assert answer.observe_end_time.ToDatetime(UTC) == NOW - timedelta(days=1), "the last four weeks that had their time"
    assert answer.observe_start_time.ToDatetime(UTC) == NOW - timedelta(days=29)
    assert 1.8 < answer.session_count / answer.single_look_session_count < 2
    assert answer.duration.ToTimedelta() / timedelta(days=1) == pytest.approx(answer.session_count / 101 + 1)
    rare = await asked.PlanExperiment(pb.PlanExperimentRequest(effect=0.05, share=0.1, power=0.95), None)
    assert rare.session_count > 3 * answer.session_count
    three = await asked.PlanExperiment(pb.PlanExperimentRequest(effect=0.05, variant_count=3), None)
    assert three.session_count == pytest.approx(1.5 * 1.13 * answer.session_count, rel=0.01)
    named = await asked.PlanExperiment(pb.PlanExperimentRequest(effect=0.05, client_id="site-7"), None)
    assert (named.observed_count, named.rate) == (10, 0)
    with acting_as(analyst("app")):
        own = await asked.PlanExperiment(pb.PlanExperimentRequest(effect=0.05), None)
        others = await asked.PlanExperiment(pb.PlanExperimentRequest(effect=0.05, client_id="site-7"), None)
    assert own.observed_count == 1000
    assert (others.observed_count, others.rate, others.HasField("duration")) == (0, 0, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"effect": 0.0},
        {"effect": 0.05, "share": 0.0},
        {"effect": 0.05, "power": 1.0},
        {"effect": 0.05, "variant_count": 1},
    ],
)
def test_a_plan_for_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(protovalidate.ValidationError):
        protovalidate.validate(pb.PlanExperimentRequest(**wrong))  # type: ignore[arg-type]  # numbers, by name
