"""Experiments and what they show, as messages."""

from __future__ import annotations

import math
from datetime import datetime

from vestibule.v1 import experiment_pb2 as pb

from server.experiments.planning import Plan
from server.experiments.reading import Traffic
from server.experiments.report import ExperimentReport, Guardrail, VariantReport
from server.experiments.sentences import guardrail_sentence, split_sentence, verdict_sentence
from server.experiments.sequences import Interval
from server.experiments.types import Experiment, Variant
from server.rpc import convert

DAY_S = 86_400.0


def experiment_message(experiment: Experiment, now: datetime, visible_to: str = "") -> pb.Experiment:
    """One experiment.

    Args:
        experiment: As it is declared.
        now: The time now.
        visible_to: The client of the caller, who sees no other client; empty means every client.
    """
    clients = [visible_to] if visible_to and experiment.clients else sorted(experiment.clients)
    message = pb.Experiment(
        name=experiment.name,
        start_time=convert.timestamp(experiment.start),
        end_time=convert.timestamp(experiment.end) if experiment.end else None,
        client_ids=clients,
        variants=[_variant(variant) for variant in experiment.variants],
        planned_session_count=experiment.planned_sessions,
        counts_after=convert.duration(experiment.counts_after_s),
    )
    message.ended = experiment.has_ended(now)
    message.running = experiment.start <= now and not message.ended
    return message


def report_message(report: ExperimentReport, experiment: pb.Experiment) -> pb.GetExperimentReportResponse:
    """What an experiment shows so far."""
    return pb.GetExperimentReportResponse(
        experiment=experiment,
        split_ok=not report.split.failed,
        split_p_value=report.split.p_value,
        split_sentence=split_sentence(report),
        variance_left=report.variance_left,
        variants=[_result(report, variant) for variant in report.variants],
    )


def plan_message(traffic: Traffic, plan: Plan | None) -> pb.PlanExperimentResponse:
    """What an experiment would need; only what was observed where there is no plan."""
    message = pb.PlanExperimentResponse(
        rate=traffic.rate,
        sessions_per_day=traffic.per_day,
        observed_count=traffic.sessions,
        observe_start_time=convert.timestamp(traffic.since),
        observe_end_time=convert.timestamp(traffic.until),
    )
    if plan is not None:
        message.session_count = plan.sessions
        message.single_look_session_count = plan.fixed_sessions
        if plan.days is not None:
            message.duration.CopyFrom(convert.duration(plan.days * DAY_S))
    return message


def _variant(variant: Variant) -> pb.ExperimentVariant:
    silence_s = variant.changes.end_silence_s
    return pb.ExperimentVariant(
        name=variant.name,
        weight=variant.weight,
        end_silence=None if silence_s is None else convert.duration(silence_s),
        has_reply_instruction=variant.changes.reply_instruction is not None,
    )


def _result(report: ExperimentReport, variant: VariantReport) -> pb.VariantResult:
    verdict = variant.verdict
    return pb.VariantResult(
        name=variant.variant.name,
        session_count=variant.opened,
        repeat_count=variant.repeats,
        counted_count=variant.counted,
        completed_count=variant.completed,
        rate=variant.rate,
        change=_change(variant.difference),
        guardrails=[_guardrail(each) for each in variant.guardrails],
        verdict=pb.VariantVerdict.Value(f"VARIANT_VERDICT_{verdict or 'UNSPECIFIED'}"),
        sentence=verdict_sentence(report, variant) if verdict else "",
    )


def _guardrail(guardrail: Guardrail) -> pb.GuardrailResult:
    return pb.GuardrailResult(
        name=guardrail.name,
        value=None if math.isnan(guardrail.value) else guardrail.value,
        control_value=None if math.isnan(guardrail.control) else guardrail.control,
        change=_change(guardrail.difference),
        tolerance=guardrail.tolerance,
        verdict=pb.GuardrailVerdict.Value(f"GUARDRAIL_VERDICT_{guardrail.safety}"),
        sentence=guardrail_sentence(guardrail),
    )


def _change(found: Interval | None) -> pb.Change | None:
    return None if found is None else pb.Change(estimate=found.estimate, low=found.low, high=found.high)
