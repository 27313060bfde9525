"""A client's policy together with the recognizers and thresholds that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from models.redaction.ner.thresholds import Thresholds
from models.redaction.patterns.prefilter import Prefilter
from models.redaction.policy.policy import RedactionPolicy
from models.redaction.recognizers.all import ON_NUMERALS, Recognizer

_SHARED: Final = 32
"""Prefilters that are kept for policies with the same recognizers."""


@dataclass(frozen=True)
class CompiledPolicy:
    """A policy, with the built-in recognizers and thresholds adapted to it."""

    policy: RedactionPolicy
    recognizers: tuple[Recognizer, ...]
    thresholds: Thresholds

    @cached_property
    def prefilter(self) -> Prefilter:
        """Runs each recognizer only where it may match."""
        return _prefilter(self.recognizers)

    @cached_property
    def on_numerals(self) -> Prefilter:
        """The recognizers that run on the view with digits for every number."""
        return _prefilter(tuple(recognizer for recognizer in self.recognizers if recognizer.name in ON_NUMERALS))


@lru_cache(_SHARED)
def _prefilter(recognizers: tuple[Recognizer, ...]) -> Prefilter:
    """One for all policies that have these recognizers. To make one costs more than to redact a sentence."""
    return Prefilter(recognizers)
