"""The stages of redaction, one function each; ``redactor.STAGES`` puts them in order.

Every stage takes the drafts of a batch and fills in what its docstring says.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from models.redaction.detection.compiled_policy import CompiledPolicy
from models.redaction.detection.detections import (
    Detection,
    at_original,
    classified,
    pattern_matches,
    suspect_at_original,
    suspected,
)
from models.redaction.ner.types import TokenClassifier
from models.redaction.normalize import view as views
from models.redaction.normalize.transliterate import romanized
from models.redaction.normalize.view import TextView
from models.redaction.policy.anonymizer import Anonymizer
from models.redaction.policy.policy import within
from models.redaction.postprocess.address_expansion import with_spoken_numbers, with_surroundings
from models.redaction.postprocess.coreference import other_mentions
from models.redaction.postprocess.document_rules import doubt_from_digits, is_explained
from models.redaction.postprocess.homophone_digits import with_homophone_digits
from models.redaction.recognizers.identity.unexplained_number import DOUBT_FROM_DIGITS, unexplained
from models.redaction.types import RedactionContext, Suspect
from models.text import Entity


@dataclass(slots=True)
class Draft:
    """One text on its way through the stages.

    Attributes:
        raw: The text as it was given.
        view: The text as a reader sees it; offsets below are those of its text.
        detections: Everything that was detected, before anything is dropped or merged.
        suspects: Words that may yet become names when the text goes on.
        candidates: Entities that are still to be replaced; they may overlap.
        allowed: Spans of the allow-list.
        entities: What is replaced: sorted, apart, with what is written for each.
        left: Entities that the policy leaves readable.
        safe_for_llm: Whether the result may go to the remote LLM.
    """

    raw: str
    view: TextView
    detections: list[Detection] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    candidates: list[Entity] = field(default_factory=list)
    allowed: list[tuple[int, int]] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)
    left: list[Entity] = field(default_factory=list)
    safe_for_llm: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """What holds for a whole batch: the context, the client's policy, and the tools."""

    context: RedactionContext
    compiled: CompiledPolicy
    classifier: TokenClassifier
    anonymizer: Anonymizer


Stage = Callable[[list[Draft], Job], None]


def normalize(texts: list[str]) -> list[Draft]:
    """Read every text as a reader sees it, without invisible characters."""
    return [Draft(text, views.visible(text)) for text in texts]


def detect(drafts: list[Draft], job: Job) -> None:
    """Run the classifier in another thread, and the patterns on every view of each text meanwhile."""
    texts = [draft.view.text for draft in drafts]
    readable = [romanized(text) or views.original(text) for text in texts]
    predictions = job.classifier.begin([view.text for view in readable])
    matches = [list(pattern_matches(text, job.context, job.compiled)) for text in texts]
    for draft, view, words, found in zip(drafts, readable, predictions(), matches, strict=True):
        draft.detections = [*classified(view, words, job.compiled, job.context), *found]
        draft.suspects = suspected(view, words, job.compiled)
        draft.candidates = [detection.original for detection in draft.detections]


def propagate_mentions(drafts: list[Draft], _: Job) -> None:
    """Add every other place in a text at which a name that was found stands."""
    for draft in drafts:
        draft.candidates += other_mentions(draft.view.text, draft.candidates)


def drop_explained(drafts: list[Draft], job: Job) -> None:
    """Drop what the kind of document or the words around explain as something else."""
    for draft in drafts:
        draft.candidates = [e for e in draft.candidates if not is_explained(e, draft.view, job.context)]


def drop_allowed(drafts: list[Draft], job: Job) -> None:
    """Drop what lies inside a phrase of the policy's allow-list."""
    for draft in drafts:
        draft.allowed = job.compiled.policy.allow.spans(draft.view.lower)
        draft.candidates = [e for e in draft.candidates if not within(draft.allowed, e.start, e.end)]


def expand(drafts: list[Draft], job: Job) -> None:
    """Extend addresses and numbers by what touches them and belongs to them."""
    for draft in drafts:
        text, found = draft.view.text, draft.candidates
        draft.candidates = [
            *found,
            *with_surroundings(text, found),
            *with_spoken_numbers(text, found, job.context),
            *with_homophone_digits(text, found, job.context),
        ]


def apply_policy_and_merge(drafts: list[Draft], job: Job) -> None:
    """Split the candidates into those that are replaced, merged where they overlap, and those that are left."""
    for draft in drafts:
        draft.entities, draft.left = job.compiled.policy.split(draft.view.text, draft.candidates)


def anonymize(drafts: list[Draft], job: Job) -> None:
    """Decide what is written for each entity: a tag, a mask or a hash."""
    for draft in drafts:
        written_forms = _written_forms(draft.detections) if job.compiled.policy.rewrites else {}
        draft.entities = job.anonymizer.replacements(draft.view.text, draft.entities, written_forms)


def check_safety(drafts: list[Draft], job: Job) -> None:
    """Keep a text from the remote LLM when the policy left something, or a number is left that nothing explains."""
    for draft in drafts:
        draft.safe_for_llm = not draft.left and not _has_unexplained_number(draft, job)


def locate_in_raw(drafts: list[Draft], _: Job) -> None:
    """Give entities and suspects their offsets in the text as it was given."""
    for draft in drafts:
        outside = list(_outside(draft.suspects, draft.entities))
        draft.suspects = [suspect_at_original(suspect, draft.view) for suspect in outside]
        draft.entities = [at_original(entity, draft.view) for entity in draft.entities]


def _written_forms(detections: list[Detection]) -> dict[tuple[int, int], str]:
    """What a span of the text says in the view in which it was found: digits for spoken numbers."""
    forms = {}
    for detection in detections:
        view, entity = detection.view, detection.entity
        if view.kind != "original":
            forms[view.original_span(entity.start, entity.end)] = view.text[entity.start : entity.end]
    return forms


def _has_unexplained_number(draft: Draft, job: Job) -> bool:
    """Whether a number is left that no recognizer could explain; what was written for entities does not count."""
    text = draft.view.text
    pieces, at = [], 0
    for start, end in sorted([*draft.allowed, *((e.start, e.end) for e in draft.entities)]):
        if start >= at:
            pieces.append(text[at:start])
        at = max(at, end)
    rest = " ".join([*pieces, text[at:]])
    left = views.original(job.compiled.policy.protected.sub(" ", rest))
    least = doubt_from_digits(DOUBT_FROM_DIGITS, job.context)
    return any(digits >= least for _start, _end, digits in unexplained(left))


def _outside(suspects: Sequence[Suspect], entities: Sequence[Entity]) -> Iterator[Suspect]:
    """Those that touch no entity; entities are sorted and do not overlap, so one look-up is enough for each."""
    ends = [e.end for e in entities]
    for suspect in suspects:
        next_entity = bisect_right(ends, suspect.start)
        if next_entity == len(ends) or entities[next_entity].start >= suspect.end:
            yield suspect
