"""Counts decisions of reviewers, and the records that wait for one."""

from __future__ import annotations

from server.ledger.reviews_decisions import FieldDecision
from server.ledger.reviews_list import number_waiting
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, RecommendationRow, RecommendationState
from server.observability.metrics import Metrics


class ReviewMetrics:
    """Counts for Prometheus. Names of fields are labels where the flow has them; the others are one label."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def decided(self, row: RecommendationRow, waited_s: float) -> None:
        """Count a decision about a whole record.

        Args:
            row: The record after it.
            waited_s: Seconds that its session waited.
        """
        decision = row.state.lower()
        self._metrics.decisions.labels(decision).inc()
        self._metrics.decision_seconds.observe(waited_s)
        if row.approvals:
            agreed = row.state is RecommendationState.APPROVED
            self._metrics.second_reviews.labels("agreed" if agreed else decision).inc()

    def field_decided(self, name: str, decision: FieldDecision) -> None:
        """Count a decision about a field, or about one that its flow does not have."""
        self._metrics.field_decisions.labels(name, decision.lower()).inc()

    def changed_after_approval(self) -> None:
        """Count that somebody corrected a record which another credential had approved."""
        self._metrics.second_reviews.labels("changed").inc()


class WaitingRecords:
    """Counts the records that wait, each time its round is called."""

    def __init__(self, ledger: Ledger, metrics: Metrics, clock: Clock) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock

    async def round(self) -> None:
        """Count them.

        Raises:
            Unavailable: The ledger cannot be read.
        """
        now = self._clock()
        self._metrics.waiting_records.set(await self._ledger.read(lambda cursor: number_waiting(cursor, now)))
