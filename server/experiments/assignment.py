"""Which variant a unit gets: by a hash, so that no table of assignments is needed."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate

_STEPS = 2**64


def position(experiment: str, unit: str) -> float:
    """Where a unit lies between 0 and 1 in an experiment. It lies elsewhere in another one, independently.

    Args:
        experiment: Keys the hash.
        unit: Id of what is assigned as a whole, such as a person or a session.
    """
    key = blake2b(experiment.encode(), digest_size=32).digest()
    return int.from_bytes(blake2b(unit.encode(), key=key, digest_size=8).digest()) / _STEPS


def choose(experiment: str, unit: str, weights: Sequence[float]) -> int:
    """The number of the variant of a unit, from 0. The same unit always gets the same.

    Args:
        experiment: Name of the experiment.
        unit: Id of what is assigned as a whole.
        weights: Of the variants, in any unit.
    """
    at = position(experiment, unit) * sum(weights)
    for number, upper in enumerate(accumulate(weights)):
        if at < upper:
            return number
    return len(weights) - 1
