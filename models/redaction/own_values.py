"""The stage that adds what a model of the operator's own finds.

It only adds. What the other stages found stays as it is: the model's words are cut where they overlap with it.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from models.redaction.commands import is_command
from models.redaction.draft import Draft, Job
from models.redaction.own_model.types import PersonalWord
from models.redaction.policy.policy import within
from models.redaction.spans.merge import merge
from models.redaction.stages import outside_of
from models.redaction.types import OF_OWN_MODEL, Suspect
from models.text import Entity, TextSource

HIDDEN_FROM: Final = 0.5
"""Least probability of being personal from which a word is hidden: it is likelier than not."""
SUSPECTED_FROM: Final = 0.05
"""Probability from which a word of an unfinished utterance is held back until more words follow."""
LIKELY_FROM: Final = 0.2
"""Probability from which such a word is held back until the utterance ends."""


def add_own_values(drafts: list[Draft], job: Job) -> None:
    """Add what the operator's own model finds, but for commands and phrases of the allow-list.

    Types that the policy leaves readable stay so, and make the text unsafe for the LLM, as all others do.
    """
    model = job.own_model
    if model is None:
        return
    found = model.personal_words([draft.view.text for draft in drafts], job.cancellation.check)
    for draft, words in zip(drafts, found, strict=True):
        if _is_command(draft, job):
            continue
        own = list(_entities(draft, words, job, f"{OF_OWN_MODEL}{model.name}"))
        policy = job.compiled.policy
        replaced = merge(draft.view.text, [e for e in own if not policy.leaves(e)], policy.protected)
        pieces = [piece for entity in replaced for piece in _outside(draft.view.text, entity, draft.entities)]
        draft.entities = sorted([*draft.entities, *pieces], key=lambda entity: entity.start)
        waiting = [Suspect(w.start, w.end, w.score >= LIKELY_FROM) for w in words if w.score >= SUSPECTED_FROM]
        draft.suspects = sorted([*draft.suspects, *outside_of(waiting, draft.entities)])
        covered = [(e.start, e.end) for e in draft.entities]
        draft.left = [*draft.left, *(e for e in own if policy.leaves(e) and not within(covered, e.start, e.end))]


def _is_command(draft: Draft, job: Job) -> bool:
    said = job.context.source in (TextSource.TYPED, TextSource.SPEECH)
    return said and is_command(draft.view.text, job.context.language)


def _entities(draft: Draft, words: Sequence[PersonalWord], job: Job, name: str) -> Iterator[Entity]:
    """The words that count; a policy with a lower threshold for their type finds more."""
    thresholds = job.compiled.policy.thresholds
    for word in words:
        least = min(HIDDEN_FROM, thresholds.get(word.type, HIDDEN_FROM))
        if word.score >= least and not within(draft.allowed, word.start, word.end):
            yield Entity(word.type, word.start, word.end, min(1.0, word.score), name)


def _outside(text: str, entity: Entity, others: Sequence[Entity]) -> Iterator[Entity]:
    """The parts of an entity that have letters or digits outside others, which are sorted and do not overlap.

    A part ends after the marks on its last letter: accents of their own, and vowel signs.
    """
    at, next_other = entity.start, bisect_right(others, entity.start, key=lambda other: other.end)
    while at < entity.end:
        other = others[next_other] if next_other < len(others) else None
        start, end = (other.start, other.end) if other else (entity.end, entity.end)
        kept = [place for place in range(at, min(start, entity.end)) if text[place].isalnum()]
        if kept:
            end_of_part = _after_marks(text, kept[-1] + 1, other.start if other else len(text))
            yield replace(entity, start=kept[0], end=end_of_part)
        at, next_other = max(at, end), next_other + 1


def _after_marks(text: str, start: int, most: int) -> int:
    """The end of the marks that follow a letter."""
    return next((at for at in range(start, most) if not unicodedata.category(text[at]).startswith("M")), most)
