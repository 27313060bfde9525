"""What holds for one client: a policy, and what it makes of our recognizers and bars."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from models.redaction.ner.entities import Thresholds
from models.redaction.patterns.prefilter import Sieve
from models.redaction.policy.policy import RedactionPolicy
from models.redaction.recognizers import ON_NUMERALS, Recognizer


@dataclass(frozen=True)
class Rules:
    """A policy, and the recognizers and bars that it makes of ours."""

    policy: RedactionPolicy
    recognizers: tuple[Recognizer, ...]
    thresholds: Thresholds

    @cached_property
    def sieve(self) -> Sieve:
        """The recognizers."""
        return Sieve(self.recognizers)

    @cached_property
    def on_numerals(self) -> Sieve:
        """Those that look at the reading with digits for every number."""
        return Sieve([recognizer for recognizer in self.recognizers if recognizer.name in ON_NUMERALS])
