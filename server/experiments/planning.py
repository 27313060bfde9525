"""How many sessions and days an experiment needs."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log, sqrt

from scipy import special

from models.errors import InvalidInput
from models.reasons import Reason
from server.experiments.samples import Sample
from server.experiments.sequences import ALPHA, FEWEST_UNITS, mixture_width, unit_variance

PLANNED_POWER = 0.8
_MANY = 1_000_000
"""Units for which variances are computed, so that corrections for small numbers vanish."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment would need.

    Attributes:
        sessions: Of all variants, when anybody may look at any time.
        fixed_sessions: Of all variants, for a test with a single look at the end.
        days: Until the last of them counts; None where no sessions arrive.
    """

    sessions: int
    fixed_sessions: int
    days: float | None


def plan(
    rate: float,
    effect: float,
    *,
    variants: int = 2,
    share: float | None = None,
    per_day: float,
    settle_days: float = 0.0,
    power: float = PLANNED_POWER,
    alpha: float = ALPHA,
) -> Plan:
    """Sessions with which an effect is found with the given power, at the latest.

    The number for looks at any time asks that the last look alone finds the effect; earlier looks add to the power.
    Each variant is compared with the control, and all of them share alpha, as in the report.

    Args:
        rate: Share of sessions that are completed now, 0 to 1.
        effect: Smallest change of the rate, in either direction, that is worth finding, such as 0.05 for five points.
        variants: How many, with the control.
        share: Part of the sessions that the variants beside the control get together; None gives each of them as many
            as the control.
        per_day: Sessions that arrive in a day.
        settle_days: Until a session counts.
        power: Chance to find the effect if it is there.
        alpha: Chance to claim one that is not there.

    Raises:
        InvalidInput: EXPERIMENT_EFFECT_IMPOSSIBLE.
    """
    possible = [changed for changed in (rate + effect, rate - effect) if 0 <= round(changed, 9) <= 1]
    if not possible:
        raise InvalidInput(
            f"{100 * rate:.1f} % of sessions are completed now, which cannot rise or fall by {100 * effect:g} points.",
            reason=Reason.EXPERIMENT_EFFECT_IMPOSSIBLE,
            hint=f"Ask for a change of at most {floor(1000 * max(rate, 1 - rate)) / 10:g} points.",
        )
    others = variants - 1
    share = others / variants if share is None else share
    each, control, alpha = share / others, 1 - share, alpha / others
    compared = each + control
    variance = max(_variance(rate, min(1.0, max(0.0, changed)), each / compared) for changed in possible)
    wanted = float(special.ndtri(power))
    spread = mixture_width(1.0, alpha) + 1  # after as many units as were planned
    critical = sqrt(2 * spread / (spread - 1) * log(sqrt(spread) / alpha))
    fixed = float(special.ndtri(1 - alpha / 2))
    fewest = FEWEST_UNITS / min(each, control)
    sessions = ceil(round(max(fewest, variance * ((critical + wanted) / effect) ** 2 / compared), 6))
    return Plan(
        sessions=sessions,
        fixed_sessions=ceil(variance * ((fixed + wanted) / effect) ** 2 / compared),
        days=sessions / per_day + settle_days if per_day > 0 else None,
    )


def _variance(rate: float, changed: float, share: float) -> float:
    return unit_variance(
        Sample(int(_MANY * share), changed, changed * (1 - changed)),
        Sample(int(_MANY * (1 - share)), rate, rate * (1 - rate)),
    )
