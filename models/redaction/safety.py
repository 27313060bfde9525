"""The last check of a redacted text: whether it may go to the remote LLM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from models.redaction.draft import Draft, Job, spoken_words
from models.redaction.ner.thresholds import Thresholds
from models.redaction.normalize import view as views
from models.redaction.postprocess.document_rules import doubt_from_digits
from models.redaction.postprocess.doubted_words import has_doubted_number
from models.redaction.recognizers.identity.unexplained_number import DOUBT_FROM_DIGITS, unexplained
from models.redaction.slots.left_over import left_over
from models.redaction.types import CLASSIFIER, OF_OWN_MODEL
from models.text import Entity, TextSource

_NEARLY_SURE: Final = Thresholds().name_spoken
"""Least score by the classifier of a name that the slot tagger cleared, from which a text with a value is unsafe."""


def check_safety(drafts: list[Draft], job: Job) -> None:
    """Mark a text as unsafe for the remote LLM if the policy left an entity readable, or if an unexplained number is
    left, a short one where recognition doubts the text, or a name that only the slot tagger took for harmless.

    What a model of the operator's own found clears no doubt: each holds if it is there without those entities, too.
    """
    for draft in drafts:
        built_in = [entity for entity in draft.entities if not entity.recognizer.startswith(OF_OWN_MODEL)]
        in_doubt = _is_in_doubt(draft, built_in, job)
        if not in_doubt and len(built_in) < len(draft.entities):
            in_doubt = _is_in_doubt(draft, draft.entities, job)
        draft.safe_for_llm = not draft.left and not in_doubt


def _is_in_doubt(draft: Draft, hidden: Sequence[Entity], job: Job) -> bool:
    """Whether something may be left that is personal, if only these entities are hidden."""
    codes, language = draft.expected.codes, job.context.language
    in_doubt = has_doubted_number(draft.view, hidden, draft.recognition, language, codes)
    number = in_doubt or _has_unexplained_number(draft, hidden, job)
    return number or _has_left_over(draft, hidden, job) or _has_doubted_name(draft, hidden, job)


def _has_left_over(draft: Draft, hidden: Sequence[Entity], job: Job) -> bool:
    """Whether a spoken text in which something was hidden has digits or letters left that nothing explains."""
    if job.context.source is not TextSource.SPEECH:
        return False
    tags = [match.span() for match in job.compiled.policy.protected.finditer(draft.view.text)]
    explained = [*tags, *draft.expected.spans]
    return left_over(spoken_words(draft, job), job.context, hidden, draft.slots, explained)


def _has_doubted_name(draft: Draft, hidden: Sequence[Entity], job: Job) -> bool:
    """Whether a name that the classifier was nearly sure of is left beside a value that was announced or found."""
    spans = [*draft.allowed, *((e.start, e.end) for e in hidden)]
    left = [
        name
        for name in draft.doubted
        if name.score >= _NEARLY_SURE and not any(start < name.end and name.start < end for start, end in spans)
    ]
    if not left:
        return False
    text = spoken_words(draft, job)
    found = any(not entity.recognizer.startswith(CLASSIFIER) for entity in hidden)
    return found or text.is_announced or bool(text.lists.introductions(text.view))


def _has_unexplained_number(draft: Draft, hidden: Sequence[Entity], job: Job) -> bool:
    """Whether a number outside the entities is left that no recognizer could explain."""
    text = draft.view.text
    pieces, at = [], 0
    for start, end in sorted([*draft.allowed, *draft.expected.spans, *((e.start, e.end) for e in hidden)]):
        if start >= at:
            pieces.append(text[at:start])
        at = max(at, end)
    rest = " ".join([*pieces, text[at:]])
    left = views.original(job.compiled.policy.protected.sub(" ", rest))
    least = doubt_from_digits(DOUBT_FROM_DIGITS, job.context)
    return any(digits >= least for _start, _end, digits in unexplained(left))
