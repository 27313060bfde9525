"""Settings of the retry policies. Their names and defaults are those of ``models.retry``."""

from __future__ import annotations

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from models.reasons import Reason
from models.retry import POLICIES, RetryPolicies, RetryPolicy

MOST_ATTEMPTS = 100
LONGEST_DELAY_S = 7 * 24 * 3600.0


class RetryPolicySettings(BaseModel):
    """One retry policy."""

    attempts: int = Field(ge=1, le=MOST_ATTEMPTS, description="Attempts, the first one included.")
    first_delay_s: float = Field(gt=0, le=LONGEST_DELAY_S, description="Delay before the first retry.")
    longest_s: float = Field(gt=0, le=LONGEST_DELAY_S, description="Longest delay.")
    factor: float = Field(ge=1, le=10, description="Growth from one delay to the next.")
    total_s: float = Field(gt=0, le=LONGEST_DELAY_S, description="No attempt starts later after the first one.")

    @model_validator(mode="after")
    def _delays_grow(self) -> RetryPolicySettings:
        if self.longest_s < self.first_delay_s:
            raise PydanticCustomError(Reason.INVALID_ARGUMENT, "longest_s must not be less than first_delay_s.")
        return self


def _defaults(name: str) -> RetryPolicySettings:
    policy = POLICIES[name]
    return RetryPolicySettings(
        attempts=policy.attempts,
        first_delay_s=policy.first_delay_s,
        longest_s=policy.longest_s,
        factor=policy.factor,
        total_s=policy.total_s,
    )


class RetrySettings(BaseModel):
    """The retry policies. A delay is drawn between half of it and all of it."""

    database: RetryPolicySettings = Field(_defaults("database"), description="Recording the end of an attempt.")
    network: RetryPolicySettings = Field(_defaults("network"), description="Reading an upload.")
    llm_api: RetryPolicySettings = Field(_defaults("llm_api"), description="A reply or record by the remote LLM.")
    vision_api: RetryPolicySettings = Field(
        _defaults("vision_api"), description="Labels of a picture by the vision upstream."
    )
    reports: RetryPolicySettings = Field(_defaults("reports"), description="Sending a weekly report.")
    interactive: RetryPolicySettings = Field(
        _defaults("interactive"), description="A call to a worker that died, while somebody waits."
    )
    share: float = Field(
        0.2, ge=0, le=1, description="Budget of each upstream: repeated attempts for each first attempt of a minute."
    )
    least: int = Field(
        10, ge=0, le=10_000, description="Repeated attempts a minute that the budget of an upstream always allows."
    )

    @property
    def policies(self) -> RetryPolicies:
        """The table that the server works with."""
        found: dict[str, RetryPolicySettings] = {name: getattr(self, name) for name in POLICIES}
        return {
            name: RetryPolicy(name, s.attempts - 1, s.first_delay_s, s.longest_s, s.factor, s.total_s)
            for name, s in found.items()
        }
