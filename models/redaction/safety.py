"""The last check of a redacted text: whether it may go to the remote LLM."""

from __future__ import annotations

from typing import Final

from models.redaction.draft import Draft, Job, spoken_words
from models.redaction.ner.thresholds import Thresholds
from models.redaction.normalize import view as views
from models.redaction.postprocess.document_rules import doubt_from_digits
from models.redaction.postprocess.doubted_words import has_doubted_number
from models.redaction.recognizers.identity.unexplained_number import DOUBT_FROM_DIGITS, unexplained
from models.redaction.slots.left_over import left_over
from models.redaction.types import CLASSIFIER
from models.text import TextSource

_NEARLY_SURE: Final = Thresholds().name_spoken
"""Least score by the classifier of a name that the slot tagger cleared, from which a text with a value is unsafe."""


def check_safety(drafts: list[Draft], job: Job) -> None:
    """Mark a text as unsafe for the remote LLM if the policy left an entity readable, or if an unexplained number is
    left, a short one where recognition doubts the text, or a name that only the slot tagger took for harmless.
    """
    for draft in drafts:
        codes, language = draft.expected.codes, job.context.language
        in_doubt = has_doubted_number(draft.view, draft.entities, draft.recognition, language, codes)
        number = in_doubt or _has_unexplained_number(draft, job)
        unexplained = number or _has_left_over(draft, job) or _has_doubted_name(draft, job)
        draft.safe_for_llm = not draft.left and not unexplained


def _has_left_over(draft: Draft, job: Job) -> bool:
    """Whether a spoken text in which something was hidden has digits or letters left that nothing explains."""
    if job.context.source is not TextSource.SPEECH:
        return False
    tags = [match.span() for match in job.compiled.policy.protected.finditer(draft.view.text)]
    explained = [*tags, *draft.expected.spans]
    return left_over(spoken_words(draft, job), job.context, draft.entities, draft.slots, explained)


def _has_doubted_name(draft: Draft, job: Job) -> bool:
    """Whether a name that the classifier was nearly sure of is left beside a value that was announced or found."""
    hidden = [*draft.allowed, *((e.start, e.end) for e in draft.entities)]
    left = [
        name
        for name in draft.doubted
        if name.score >= _NEARLY_SURE and not any(start < name.end and name.start < end for start, end in hidden)
    ]
    if not left:
        return False
    text = spoken_words(draft, job)
    found = any(not entity.recognizer.startswith(CLASSIFIER) for entity in draft.entities)
    return found or text.is_announced or bool(text.lists.introductions(text.view))


def _has_unexplained_number(draft: Draft, job: Job) -> bool:
    """Whether a number outside the entities is left that no recognizer could explain."""
    text = draft.view.text
    pieces, at = [], 0
    for start, end in sorted([*draft.allowed, *draft.expected.spans, *((e.start, e.end) for e in draft.entities)]):
        if start >= at:
            pieces.append(text[at:start])
        at = max(at, end)
    rest = " ".join([*pieces, text[at:]])
    left = views.original(job.compiled.policy.protected.sub(" ", rest))
    least = doubt_from_digits(DOUBT_FROM_DIGITS, job.context)
    return any(digits >= least for _start, _end, digits in unexplained(left))
