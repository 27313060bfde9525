"""Retry policies as data, and the backoff as a pure function.

The table is the whole configuration: the jobs, the calls to the workers and Ray's own options all read it. Settings
change single figures of it, see ``server.setting_groups.retries``.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from models.errors import InvalidInput
from models.reasons import Reason

FOREVER = sys.maxsize


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and with which delays to try again.

    ``delay(n) = min(longest_s, first_delay_s * factor ** n) * u``, with u uniform in [0.5, 1].

    Attributes:
        name: Key in the table.
        retries: Further attempts after the first; ``FOREVER`` for no bound.
        first_delay_s: Seconds before the first retry, before jitter.
        longest_s: Upper bound of one delay, before jitter.
        factor: Growth from one delay to the next.
        total_s: No retry starts later than this many seconds after the first attempt. A wait that an upstream asked
            for is no part of it.
    """

    name: str
    retries: int
    first_delay_s: float
    longest_s: float
    factor: float
    total_s: float

    @property
    def attempts(self) -> int:
        """The first attempt and all retries."""
        return self.retries + 1

    def delay(self, retry: int, chance: random.Random | None = None) -> float:
        """Seconds to wait before the given retry, counted from 0, jitter included."""
        return self.whole_delay(retry) * (chance or random).uniform(0.5, 1.0)

    def whole_delay(self, retry: int) -> float:
        """Seconds to wait before the given retry, counted from 0, without jitter."""
        try:
            grown = self.first_delay_s * self.factor**retry
        except OverflowError:
            return self.longest_s
        return min(self.longest_s, grown)


RetryPolicies = Mapping[str, RetryPolicy]
"""Policies by name."""

POLICIES: RetryPolicies = MappingProxyType(
    {
        p.name: p
        for p in (
            RetryPolicy("database", retries=3, first_delay_s=1.0, longest_s=30.0, factor=2.0, total_s=60.0),
            RetryPolicy("network", retries=5, first_delay_s=3.0, longest_s=300.0, factor=2.0, total_s=900.0),
            RetryPolicy("llm_api", retries=4, first_delay_s=5.0, longest_s=600.0, factor=3.0, total_s=1800.0),
            RetryPolicy("vision_api", retries=4, first_delay_s=5.0, longest_s=600.0, factor=3.0, total_s=1800.0),
            # Nobody waits for this one: a mail server may be away for a night.
            RetryPolicy("reports", retries=24, first_delay_s=60.0, longest_s=3600.0, factor=4.0, total_s=86_400.0),
            # A caller waits for this one: a replica that died is replaced in a second or two.
            RetryPolicy("interactive", retries=2, first_delay_s=0.25, longest_s=1.0, factor=2.0, total_s=5.0),
        )
    }
)
"""The policies as they are without settings."""

CLUSTER_POLICY = RetryPolicy(
    "cluster", retries=FOREVER, first_delay_s=1.0, longest_s=60.0, factor=2.0, total_s=math.inf
)
"""Of starting or joining Ray again. Without Ray nothing is read or recognised, so it has no bound, and no setting."""


def get_retry_policy(name: str, policies: RetryPolicies = POLICIES) -> RetryPolicy:
    """Look a policy up.

    Raises:
        InvalidInput: There is none of that name.
    """
    try:
        return policies[name]
    except KeyError as exc:
        known = ", ".join(sorted(policies))
        raise InvalidInput(
            f"There is no retry policy of that name; known: {known}.", reason=Reason.UNKNOWN_POLICY
        ) from exc
