"""The stages of redaction, one function each. ``redactor.STAGES`` lists them in order.

Every stage takes the drafts of a batch and changes them in place, as its docstring says.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import Final

from models.redaction.commands import is_command
from models.redaction.detection.detections import (
    Detection,
    at_original,
    classified,
    pattern_matches,
    suspect_at_original,
    suspected,
)
from models.redaction.dialogue_context import numeric
from models.redaction.draft import Draft, Job, Stage, spoken_words
from models.redaction.itn.tokens import tokens_of
from models.redaction.lexicons.loader import words
from models.redaction.ner.brand_filter import are_brands
from models.redaction.ner.thresholds import Thresholds
from models.redaction.normalize import view as views
from models.redaction.normalize.recognition import in_view
from models.redaction.normalize.transliterate import transliterated
from models.redaction.normalize.view import TextView
from models.redaction.policy.policy import within
from models.redaction.postprocess.address_expansion import with_surroundings
from models.redaction.postprocess.alternatives import MOST_CHARS, moved_to
from models.redaction.postprocess.coreference import other_mentions
from models.redaction.postprocess.document_rules import is_explained
from models.redaction.postprocess.doubted_words import with_doubted_words
from models.redaction.postprocess.expected_answer import (
    expected_in,
    is_number_of_flow,
    is_plain_answer,
    is_spelled_code,
)
from models.redaction.postprocess.known_words import without_known_words
from models.redaction.postprocess.whole_names import rest_of_names
from models.redaction.postprocess.whole_values import whole_values
from models.redaction.slots.entities import is_impersonal, slot_entities, suspected_slots
from models.redaction.slots.explanations import NUMBER, is_explained_by_words, is_quantity
from models.redaction.slots.features import SlotContext
from models.redaction.slots.filling import (
    fill_slots,
    fill_told,
    outside_pauses,
    trimmed,
    unsettled_from,
    without_pauses,
)
from models.redaction.slots.misheard_mentions import misheard_mentions
from models.redaction.slots.spoken_words import SpokenWords
from models.redaction.slots.typed_texts import CLEARED_IN, is_no_name, typed_values
from models.redaction.slots.types import TaggedText
from models.redaction.slots.value_types import with_told_types
from models.redaction.types import OF_OWN_MODEL, RedactionContext, Suspect
from models.text import Entity, RawText, TextSource


def normalize(texts: list[RawText]) -> list[Draft]:
    """Make a draft of every text, without invisible characters."""
    return [_draft(text) for text in texts]


def _draft(text: RawText) -> Draft:
    raw = text.reveal()
    view = views.visible(raw)
    text_view = view if view.kind == "original" else views.original(view.text)
    return Draft(raw, view, text_view, in_view(text.recognition, view))


def detect(drafts: list[Draft], job: Job) -> None:
    """Start the classifier in another thread, and run the patterns on every view of each text meanwhile."""
    readable = [transliterated(draft.view.text) or draft.text_view for draft in drafts]
    tagged = None if job.context.source is TextSource.OCR else _tagged(drafts, readable, job.context)
    classifications = job.classifier.begin([view.text for view in readable], tagged)
    if job.context.source is not TextSource.OCR:
        for draft in drafts:
            draft.tokens = tokens_of(draft.view.text)
    matches = [list(pattern_matches(draft.text_view, job.context, job.compiled, draft.tokens)) for draft in drafts]
    for draft, view, (classes, slots), found in zip(drafts, readable, classifications(), matches, strict=True):
        draft.detections = [*classified(view, classes, job.compiled, job.context), *found]
        draft.suspects = suspected(view, classes, job.compiled)
        draft.slots = slots
        draft.candidates = [detection.original for detection in draft.detections]


def _tagged(drafts: list[Draft], readable: list[TextView], context: RedactionContext) -> list[TaggedText]:
    language, asked, typed = context.language, context.asked_for, context.source is not TextSource.SPEECH
    return [
        TaggedText(draft.view.text, view, SlotContext(language, asked, draft.recognition.words, typed))
        for draft, view in zip(drafts, readable, strict=True)
    ]


def tag_slots(drafts: list[Draft], job: Job) -> None:
    """Add the values that the slot tagger finds; in spoken texts, also the words that it suspects but function words.

    What others found and in which it sees nothing personal is dropped: names, unless something was asked for, and in
    spoken texts other values, unless one was announced or a number asked for.
    """
    for draft in drafts:
        if not draft.slots:
            continue
        if job.context.source is not TextSource.SPEECH:  # the assistant's replies are written, too
            _judge_typed(draft, job)
            continue
        text = spoken_words(draft, job)
        view = draft.text_view
        draft.slots = outside_pauses(text, draft.slots)
        asked = job.context.asked_for
        stays = {True: bool(asked) or _wants_more_names(job), False: text.is_announced or bool(numeric(asked))}
        cleared = [
            not stays[entity.type == "NAME"] and is_impersonal(entity, draft.slots) for entity in draft.candidates
        ]
        kept = [detection for detection, is_cleared in zip(draft.detections, cleared, strict=True) if not is_cleared]
        draft.doubted = [entity for entity in compress(draft.candidates, cleared) if entity.type == "NAME"]
        names = [e for e, dropped in zip(draft.candidates, cleared, strict=True) if e.type == "NAME" and not dropped]
        values = slot_entities(draft.slots, names=names)
        found = (e for e in values if e.type != "NAME" or not are_brands(view, e.start, e.end))
        draft.detections = [*kept, *(Detection(view, None, entity) for entity in found)]
        draft.candidates = [detection.original for detection in draft.detections]
        listed = words(job.context.language, "function_words")
        waiting = (s for s in suspected_slots(draft.slots) if draft.view.lower[s.start : s.end] not in listed)
        draft.suspects = sorted([*draft.suspects, *waiting])


def _wants_more_names(job: Job) -> bool:
    """Whether the policy asks for more names than ours, so that none is cleared."""
    return job.compiled.thresholds.name < Thresholds().name


def _judge_typed(draft: Draft, job: Job) -> None:
    """In a typed text, drop names and add values as the tagger sees them."""
    slots, view = draft.slots, draft.text_view
    learned = job.context.language[:2].lower() in CLEARED_IN
    clears = learned and "NAME" not in job.context.asked_for and not _wants_more_names(job)
    draft.slots = []
    cleared = [clears and is_no_name(entity, slots) for entity in draft.candidates]
    kept = [detection for detection, is_cleared in zip(draft.detections, cleared, strict=True) if not is_cleared]
    draft.doubted = list(compress(draft.candidates, cleared))
    others = [entity for entity, is_cleared in zip(draft.candidates, cleared, strict=True) if not is_cleared]
    text = spoken_words(draft, job)
    found = (e for e in typed_values(slots, others) if not _is_harmless(text, e))
    draft.detections = [*kept, *(Detection(view, None, entity) for entity in found)]
    draft.candidates = [detection.original for detection in draft.detections]


def _is_harmless(text: SpokenWords, value: Entity) -> bool:
    """Whether a value that the tagger found in a typed text is a brand, or numbers that the words around explain."""
    if value.type == "NAME":
        return are_brands(text.view, value.start, value.end)
    numbers = list(NUMBER.finditer(text.view.text, value.start, value.end))
    if numbers and all(is_quantity(text.view, number) for number in numbers):
        return True
    runs = [run for run in text.runs if value.start < run.end and run.start < value.end]
    return bool(runs) and all(is_explained_by_words(text, run) for run in runs)


def leave_known_words(drafts: list[Draft], job: Job) -> None:
    """Leave words of the flow that a guess takes for a name, before their other mentions are sought."""
    for draft in drafts:
        draft.candidates = without_known_words(draft.view, draft.candidates, job.context)


def propagate_mentions(drafts: list[Draft], job: Job) -> None:
    """Add the rest of each name that was announced, and the other mentions of each name that was found in a text."""
    for draft in drafts:
        draft.candidates += rest_of_names(draft.text_view, draft.candidates, draft.suspects, job.context)
        draft.candidates += other_mentions(draft.view.text, draft.candidates)


def drop_explained(drafts: list[Draft], job: Job) -> None:
    """Drop entities that the document type, the words around or what the flow asks show to be something else."""
    for draft in drafts:
        draft.expected = expected_in(draft.view.text, job.context)
        draft.candidates = [
            e
            for e in draft.candidates
            if not is_explained(e, draft.view, job.context)
            and not draft.expected.explains(e)
            and not is_plain_answer(e, draft.view.text, job.context)
            and not is_number_of_flow(e, draft.view, job.context, draft.candidates)
        ]


def fill_announced(drafts: list[Draft], job: Job) -> None:
    """Add what is announced in a spoken text, and the numbers beside a number that was found.

    In a typed text, an announcement has to be beyond doubt, and only what is glued to a value is added to it.
    """
    if job.context.source not in (TextSource.SPEECH, TextSource.TYPED):
        return
    for draft in drafts:
        text = spoken_words(draft, job)
        if job.context.source is TextSource.TYPED:
            draft.candidates += fill_told(text, draft.candidates)
            draft.candidates = list(whole_values(draft.view.text, draft.candidates))
            continue
        found = list(without_pauses(text, draft.candidates))
        filled = list(trimmed(text, found + fill_slots(text, job.context, found)))
        filled += list(misheard_mentions(text, filled))
        draft.candidates = list(with_told_types(text, filled))


def leave_codes(drafts: list[Draft], _: Job) -> None:
    """Leave codes that the flow asks for, also where words such as "my number is" announce them."""
    for draft in drafts:
        draft.candidates = [each for each in draft.candidates if not draft.expected.is_code(each)]


def drop_allowed(drafts: list[Draft], job: Job) -> None:
    """Drop entities that lie inside a phrase of the policy's allow-list."""
    for draft in drafts:
        draft.allowed = job.compiled.policy.allow.spans(draft.view.lower)
        draft.candidates = [e for e in draft.candidates if not within(draft.allowed, e.start, e.end)]


def expand(drafts: list[Draft], _: Job) -> None:
    """Extend addresses by adjacent parts that belong to them."""
    for draft in drafts:
        text, found = draft.view.text, draft.candidates
        draft.candidates = [*found, *with_surroundings(text, found)]


def add_doubted_words(drafts: list[Draft], job: Job) -> None:
    """Extend entities by the words beside them of which speech recognition is not sure."""
    for draft in drafts:
        grown = with_doubted_words(draft.view, draft.candidates, draft.recognition, job.context.language)
        draft.candidates += _not_allowed(draft, grown)


def _not_allowed(draft: Draft, found: Iterable[Entity]) -> list[Entity]:
    """The entities that touch no phrase of the allow-list."""
    return [e for e in found if not any(e.start < end and start < e.end for start, end in draft.allowed)]


def leave_commands(drafts: list[Draft], job: Job) -> None:
    """Leave "skip that", and a spelled code where the code of a thing was asked for: neither is a value of a person."""
    if job.context.source not in (TextSource.TYPED, TextSource.SPEECH):
        return
    for draft in drafts:
        if is_command(draft.view.text, job.context.language):
            draft.candidates = []
        elif job.context.code_format:
            draft.candidates = [each for each in draft.candidates if not is_spelled_code(each)]


FINDING: Final[tuple[Stage, ...]] = (
    detect,
    tag_slots,
    leave_known_words,
    propagate_mentions,
    drop_explained,
    fill_announced,
    leave_codes,
    drop_allowed,
    expand,
)
"""The stages that find entities, in order."""


def heed_alternatives(drafts: list[Draft], job: Job) -> None:
    """Add what is personal in another hypothesis, at the words that stand in its place."""
    for draft in drafts:
        text, alternatives = draft.view.text, draft.recognition.alternatives
        if not alternatives or len(text) > MOST_CHARS:
            continue
        others = normalize([other for other in alternatives if len(other) <= MOST_CHARS])
        for stage in FINDING:
            stage(others, job)
        for other in others:
            draft.candidates += _not_allowed(draft, moved_to(text, other.view.text, other.candidates))


def apply_policy_and_merge(drafts: list[Draft], job: Job) -> None:
    """Split the candidates into entities to replace, which are merged where they overlap, and entities to leave."""
    for draft in drafts:
        draft.entities, draft.left = job.compiled.policy.split(draft.view.text, draft.candidates)


def anonymize(drafts: list[Draft], job: Job) -> None:
    """Give each entity its replacement: a tag, a mask or a hash; one to be numbered gets its identity."""
    for draft in drafts:
        written_forms = _written_forms(draft.detections) if job.compiled.policy.rewrites else {}
        draft.entities = job.anonymizer.replacements(draft.view.text, draft.entities, written_forms)


def find_unsettled(drafts: list[Draft], job: Job) -> None:
    """Find the first value in each spoken text that further words may still change."""
    if job.context.source is TextSource.SPEECH:
        for draft in drafts:
            draft.unsettled = unsettled_from(spoken_words(draft, job))


def locate_in_raw(drafts: list[Draft], _: Job) -> None:
    """Convert the offsets in drafts to offsets in the input text."""
    for draft in drafts:
        if draft.unsettled:
            draft.unsettled = draft.view.ends[draft.unsettled - 1]
        # What a model of the operator's own found settles nothing; it drops its own suspects itself.
        built_in = [entity for entity in draft.entities if not entity.recognizer.startswith(OF_OWN_MODEL)]
        draft.suspects = [suspect_at_original(each, draft.view) for each in outside_of(draft.suspects, built_in)]
        draft.entities = [at_original(entity, draft.view) for entity in draft.entities]


def _written_forms(detections: list[Detection]) -> dict[tuple[int, int], str]:
    """The text of each span in the view in which it was found, such as digits for a spoken number."""
    forms = {}
    for detection in detections:
        view, entity = detection.view, detection.entity
        if view.kind != "original":
            forms[view.original_span(entity.start, entity.end)] = view.text[entity.start : entity.end]
    return forms


def outside_of(suspects: Sequence[Suspect], entities: Sequence[Entity]) -> Iterator[Suspect]:
    """The suspects that touch no entity. One look-up for each is enough, as entities are sorted and do not overlap."""
    ends = [e.end for e in entities]
    for suspect in suspects:
        next_entity = bisect_right(ends, suspect.start)
        if next_entity == len(ends) or entities[next_entity].start >= suspect.end:
            yield suspect
