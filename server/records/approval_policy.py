"""When nobody has to approve a record, as its flow says."""

from __future__ import annotations

from collections.abc import Mapping

from server.flows.definition import FlowDefinition
from server.llm.record_rules import missing_in
from server.llm.types import Confidence, FindingKind, OnboardingRecord, Severity


def is_enough(flow: FlowDefinition, facts: Mapping[str, str], record: OnboardingRecord) -> bool:
    """Whether a record that a model wrote needs nobody's approval: the condition of its flow holds, nothing required is
    missing, all checks pass, and every field is sure.

    Args:
        flow: Of the session.
        facts: Of the session.
        record: Judged.
    """
    known = {**facts, **{field.name: field.value for field in record.fields}}
    return (
        flow.approval.none_when is not None
        and flow.approval.none_when.truth(known) is True
        and not record.missing
        and not missing_in(record, flow, facts)
        and not any(check.fails(known) for check in flow.checks)
        and _is_beyond_doubt(record)
    )


def _is_beyond_doubt(record: OnboardingRecord) -> bool:
    findings = [finding for field in record.fields for finding in field.findings]
    against = any(one.severity is Severity.ERROR or one.kind is FindingKind.CHECK for one in findings)
    return not against and all(field.confidence is Confidence.SURE for field in record.fields)
