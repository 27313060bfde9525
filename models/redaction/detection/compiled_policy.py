"""What holds for one client: a policy, and what it makes of our recognizers and bars."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from models.redaction.ner.entities import Thresholds
from models.redaction.patterns.prefilter import Prefilter
from models.redaction.policy.policy import RedactionPolicy
from models.redaction.recognizers import ON_NUMERALS, Recognizer


@dataclass(frozen=True)
class CompiledPolicy:
    """A policy, and the recognizers and bars that it makes of ours."""

    policy: RedactionPolicy
    recognizers: tuple[Recognizer, ...]
    thresholds: Thresholds

    @cached_property
    def sieve(self) -> Prefilter:
        """The recognizers."""
        return Prefilter(self.recognizers)

    @cached_property
    def on_numerals(self) -> Prefilter:
        """Those that look at the reading with digits for every number."""
        return Prefilter([recognizer for recognizer in self.recognizers if recognizer.name in ON_NUMERALS])
