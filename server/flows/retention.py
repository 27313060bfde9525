"""How long what is stored of the sessions of a flow is kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from server.flows.conditions import FlowPart

Days = Annotated[float, Field(gt=0, le=36_500)]


class RetentionPart(FlowPart):
    """Days that what is stored of its sessions is kept, from when it was made. The server's settings hold too: the
    shorter of both is applied. The keys are those of the settings.
    """

    artifacts_days: Days | None = Field(
        None,
        description="Redacted pictures and recordings, and what was read in uploads; answers from pictures "
        "once their session has ended.",
    )
    turns_days: Days | None = Field(
        None, description="What was said and answered, with the replies, of sessions that have ended."
    )
    sealed_days: Days | None = Field(
        None,
        description="Sealed values of sessions that have ended, released or not. Hashes stay in the record.",
    )
    events_days: Days | None = Field(None, description="Events of its funnel; their counts by day are kept.")
    letters_days: Days | None = Field(
        None, description="Dead letters, open ones too, with the original pictures and recordings that they kept."
    )
    records_days: Days | None = Field(
        None,
        description="Whole sessions whose record was approved or rejected, with the record, its reviews and comments. "
        "Counted from the decision.",
    )
    unfinished_days: Days | None = Field(
        None, description="Whole sessions that ended without a decision about a record. Counted from their end."
    )

    @property
    def limits(self) -> dict[str, float]:
        """Days by key, of those that are given."""
        return {name: days for name, days in self.model_dump().items() if days is not None}
