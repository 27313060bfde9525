"""Messages of AdminService about breakers, retry policies and erasures."""

from __future__ import annotations

from vestibule.v1 import admin_pb2

from models.retry import RetryPolicy
from server.breakers.types import BreakerSnapshot
from server.ledger.erasure import Erased
from server.rpc import convert

_STATES = {
    "closed": admin_pb2.BREAKER_STATE_CLOSED,
    "open": admin_pb2.BREAKER_STATE_OPEN,
    "half-open": admin_pb2.BREAKER_STATE_HALF_OPEN,
}


def erased_message(erasure_id: str, erased: Erased) -> admin_pb2.EraseResponse:
    """What was erased, or would be."""
    rows = erased.rows
    return admin_pb2.EraseResponse(
        erasure_id=erasure_id,
        session_count=rows.get("sessions", 0),
        turn_count=rows.get("turns", 0),
        upload_count=rows.get("uploads", 0),
        record_count=rows.get("recommendations", 0),
        event_count=rows.get("events", 0),
        dead_letter_count=rows.get("dead_letters", 0),
        daily_row_count=rows.get("daily_events", 0),
    )


def retry_policy_message(policy: RetryPolicy) -> admin_pb2.RetryPolicy:
    """A retry policy."""
    return admin_pb2.RetryPolicy(
        name=policy.name,
        attempt_count=policy.attempts,
        first_delay=convert.duration(policy.first_delay_s),
        longest_delay=convert.duration(policy.longest_s),
        factor=policy.factor,
        total=convert.duration(policy.total_s),
    )


def breaker_message(snapshot: BreakerSnapshot) -> admin_pb2.Breaker:
    """A breaker."""
    return admin_pb2.Breaker(
        name=snapshot.name,
        state=_STATES[snapshot.state],
        failure_count=snapshot.failures,
        failure_threshold=snapshot.bounds.failures,
        reset_timeout=convert.duration(snapshot.bounds.reset_s),
        success_count=snapshot.successes,
        success_threshold=snapshot.bounds.successes,
        open_for=convert.duration(snapshot.open_for_more_s),
        last_failure_time=convert.timestamp(snapshot.last_failure_time) if snapshot.last_failure_time else None,
        last_failure_reason=snapshot.last_failure_reason,
    )
