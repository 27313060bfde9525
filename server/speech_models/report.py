"""Says how the candidate compares with the weights in use."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from scipy import special

from server.funnel.intervals import CONFIDENCE, wilson_of_share
from server.funnel.types import Interval
from server.ledger import model_comparisons
from server.ledger.columns import Cursor
from server.ledger.model_comparisons import ComparedTexts, ComparisonRow
from server.ledger.transactional import Ledger
from server.speech_models.choice import SpeechModelChoice

MOST_COMPARED: Final = 10_000
"""The newest comparisons of which a report is made."""

ALL_LANGUAGES: Final = ""
_Z: Final = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
_LEAST_ERROR: Final = 1e-9
"""A smaller error is that of rounding."""
_LEAST_SESSIONS: Final = 2.0
"""With fewer that count, the bounds of the rate would say nothing."""
_LEAST_FREEDOM: Final = 0.5
"""Degrees of freedom where one session has nearly everything."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast one of both is.

    Attributes:
        latency_s: Median and 95th percentile of the seconds that a call took.
        factor: The same of the real-time factor: seconds of work for each second of audio.
    """

    latency_s: tuple[float, float]
    factor: tuple[float, float]


@dataclass(frozen=True, slots=True)
class ComparedGroup:
    """Finals of one language, or of all.

    Attributes:
        language: ISO 639-1 code; ``ALL_LANGUAGES`` for all.
        finals: Their number.
        differing: Share of those with a difference in words, and its interval.
        rate: Differences for each word; its bounds are None where they cannot be told.
        entities_differ: Finals in which not as many values of each entity were replaced.
        audio_s: Length of all audio.
    """

    language: str
    finals: int
    differing: Interval
    words: int
    word_differences: int
    rate: float
    rate_bounds: tuple[float, float] | None
    entities_differ: int
    audio_s: float
    speed: Speed
    candidate_speed: Speed

    @property
    def equal(self) -> int:
        """Finals without a difference in words."""
        return self.finals - round(self.differing.mid * self.finals)


@dataclass(frozen=True, slots=True)
class ModelReport:
    """How two weights compare.

    Attributes:
        groups: All languages first, then each one, the most frequent first; empty without a comparison.
        examples: Finals that differ, newest first.
    """

    weights: str
    candidate: str
    groups: tuple[ComparedGroup, ...]
    examples: tuple[ComparedTexts, ...]


async def report(ledger: Ledger, choice: SpeechModelChoice, *, client_id: str, examples: int) -> ModelReport:
    """Compare the candidate with the weights in use; without one, what they were compared with last.

    Args:
        ledger: Has the comparisons.
        choice: Knows the candidate.
        client_id: Whose finals are compared; empty for all.
        examples: How many at most.
    """
    weights, running = choice.weights, choice.in_use.candidate

    def read(cursor: Cursor) -> ModelReport:
        candidate = running or model_comparisons.last_candidate(cursor, weights)
        rows = model_comparisons.newest(cursor, weights, candidate, client_id, MOST_COMPARED)
        found = model_comparisons.differing_texts(cursor, rows, examples)
        return ModelReport(weights, candidate, groups_of(rows), tuple(found))

    return await ledger.read(read)


def groups_of(rows: Sequence[ComparisonRow]) -> tuple[ComparedGroup, ...]:
    """All of some finals, and those of each language if there are several."""
    if not rows:
        return ()
    by_language: dict[str, list[ComparisonRow]] = defaultdict(list)
    for row in rows:
        by_language[row.language].append(row)
    if len(by_language) == 1:
        return (_group(rows[0].language, rows),)
    languages = sorted(by_language, key=lambda language: (-len(by_language[language]), language))
    return _group(ALL_LANGUAGES, rows), *(_group(language, by_language[language]) for language in languages)


def _group(language: str, rows: Sequence[ComparisonRow]) -> ComparedGroup:
    words, different = sum(row.words for row in rows), sum(row.word_differences for row in rows)
    return ComparedGroup(
        language=language,
        finals=len(rows),
        differing=_differing(rows),
        words=words,
        word_differences=different,
        rate=different / words if words else 0.0,
        rate_bounds=_rate_bounds(rows),
        entities_differ=sum(not row.entities_equal for row in rows),
        audio_s=sum(row.audio_s for row in rows),
        speed=_speed((row.latency_s, row.compute_s, row.audio_s) for row in rows),
        candidate_speed=_speed((row.candidate_latency_s, row.candidate_compute_s, row.audio_s) for row in rows),
    )


def _differing(rows: Sequence[ComparisonRow]) -> Interval:
    """The share of finals with a difference, with Wilson's interval of as many as would be independent.

    Finals of one session are alike. So their number is taken that has the variance of the share among sessions, less
    for few sessions (Korn and Graubard 1998). Without a variance it is the number of sessions.
    """
    ratio = _ratio((row.session_id, row.word_differences > 0, 1) for row in rows)
    if not ratio.error:
        return wilson_of_share(ratio.value, ratio.sessions)
    alike = ratio.value * (1 - ratio.value) / ratio.error**2
    return wilson_of_share(ratio.value, max(1.0, min(alike, len(rows))) * (_Z / ratio.quantile) ** 2)


def _rate_bounds(rows: Sequence[ComparisonRow]) -> tuple[float, float] | None:
    """The 95 % interval of differences for each word.

    None where it would say nothing: with one session, or one that has most words, or where all have the same rate.
    """
    ratio = _ratio((row.session_id, row.word_differences, row.words) for row in rows)
    if not ratio.error or ratio.sessions < _LEAST_SESSIONS:
        return None
    half = ratio.quantile * ratio.error
    return max(0.0, ratio.value - half), ratio.value + half


@dataclass(frozen=True, slots=True)
class _Ratio:
    """A ratio of two sums, where sessions are what was drawn.

    Attributes:
        error: Its standard error; 0 where it cannot be told.
        sessions: Their number, of those that count as much as the average: fewer where some are large.
    """

    value: float
    error: float
    sessions: float

    @property
    def quantile(self) -> float:
        """Of Student's distribution: so many errors are the half of an interval."""
        return float(special.stdtrit(max(_LEAST_FREEDOM, self.sessions - 1), 0.5 + CONFIDENCE / 2))


def _ratio(parts: Iterable[tuple[str, int, int]]) -> _Ratio:
    """Of the session, what is counted, and of how many.

    The error is the jackknife's: with ``r`` the ratio without one of ``m`` sessions, it is
    ``sqrt((m - 1) / m * sum((r - mean(r))^2))``. The number of sessions is ``sum(w)^2 / sum(w^2)``, with ``w`` of how
    many it was counted in each (Kish 1965).
    """
    by_session: dict[str, tuple[int, int]] = {}
    for session_id, part, of in parts:
        before = by_session.get(session_id, (0, 0))
        by_session[session_id] = (before[0] + part, before[1] + of)
    counts, of_each = np.array(list(by_session.values()), dtype=float).T
    counted, all_of, number = float(counts.sum()), float(of_each.sum()), len(of_each)
    if not all_of:
        return _Ratio(0.0, 0.0, 1.0)
    value, sessions = counted / all_of, all_of**2 / float((of_each**2).sum())
    if number < 2 or not (all_of - of_each).all():
        return _Ratio(value, 0.0, sessions)
    without = (counted - counts) / (all_of - of_each)
    error = math.sqrt((number - 1) / number * float(((without - without.mean()) ** 2).sum()))
    return _Ratio(value, error if error > _LEAST_ERROR else 0.0, sessions)


def _speed(measured: Iterable[tuple[float, float, float]]) -> Speed:
    """Of latency, seconds of work and seconds of audio."""
    values = list(measured)
    latencies = [latency_s for latency_s, _, _ in values]
    factors = [compute_s / audio_s for _, compute_s, audio_s in values if audio_s > 0] or [0.0]
    return Speed(_percentiles(latencies), _percentiles(factors))


def _percentiles(values: list[float]) -> tuple[float, float]:
    median, high = np.quantile(values, [0.5, 0.95])
    return float(median), float(high)
