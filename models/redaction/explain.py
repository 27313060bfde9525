"""Explains why something was redacted and why something else was not; for ``vestibule redact --why``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from models.redaction.detection.detections import Detection, at_original
from models.redaction.normalize.view import TextView, visible
from models.redaction.patterns.pattern_recognizer import CONTEXT_AFTER, CONTEXT_BEFORE, PatternRecognizer
from models.redaction.policy.policy import within
from models.redaction.postprocess.document_rules import is_explained
from models.redaction.redactor import LocalRedactor
from models.redaction.spans.merge import weight
from models.redaction.spans.operators import Operator
from models.redaction.types import Redaction, RedactionContext
from models.text import Entity, RawText

ALLOWED: Final = "allow-list"
DOCUMENT: Final = "document"
POLICY: Final = "policy"
SHORTENED: Final = "shortened"
"""A part of it was replaced, and the words at its edges are no part of the value: "the 555 0132"."""

OTHER: Final = "words around"
"""The words around show that it is something else, such as a correction: "scratch that"."""

_VIEWS: Final = ("original", "transliterated", "folded", "spaced", "spoken", "numerals", "print")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One detection that supports an entity.

    Attributes:
        recognizer: Its name, ``phone`` or ``ner:surname``.
        view: The view in which it was found: ``original``, ``folded``, ``spoken``, ``print``, ``transliterated``.
        score: 0 to 1.
        word: The context word nearby that raised the score; empty if there is none.
    """

    recognizer: str
    view: str
    score: float
    word: str


@dataclass(frozen=True, slots=True)
class Explained:
    """An entity with the evidence for it.

    Attributes:
        entity: Offsets in the original.
        operator: What was done: ``tag``, ``mask``, ``hash``, ``number``, ``keep``.
        left_by: Why it was not replaced, or not all of it: ``policy``, ``allow-list``, ``document``, ``shortened`` or
            ``words around``; empty if it was replaced.
    """

    entity: Entity
    operator: str
    reasons: tuple[Evidence, ...]
    left_by: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A redaction with the evidence for each entity."""

    redaction: Redaction
    replaced: tuple[Explained, ...]
    left: tuple[Explained, ...]


def explain(redactor: LocalRedactor, text: RawText, context: RedactionContext) -> Explanation:
    """Redact a text and collect the evidence for each entity.

    Raises:
        RedactionFailed: A recognizer broke.
    """
    redaction = redactor.redact(text, context)
    policy = redactor.policy_of(context.scope.client_id).policy
    shown = visible(text.reveal())
    seen = [(at_original(detection.original, shown), detection) for detection in redactor.detections(text, context)]
    replaced = tuple(
        Explained(entity, policy.treatment_of(entity.type).operator.value, _reasons(entity, seen))
        for entity in redaction.entities
    )
    allowed = policy.allow.spans(shown.lower)
    covered = [(e.start, e.end) for e in redaction.entities]
    left: dict[str, list[Entity]] = {cause: [] for cause in (ALLOWED, POLICY, DOCUMENT, SHORTENED, OTHER)}
    for entity, detection in seen:
        as_shown = detection.original
        if within(covered, entity.start, entity.end):
            continue
        if within(allowed, as_shown.start, as_shown.end):
            left[ALLOWED].append(entity)
        elif is_explained(as_shown, shown, context):
            left[DOCUMENT].append(entity)
        elif policy.leaves(entity):
            left[POLICY].append(entity)
        else:
            in_part = any(start < entity.end and entity.start < end for start, end in covered)
            left[SHORTENED if in_part else OTHER].append(entity)
    return Explanation(redaction, replaced, tuple(_left(left, seen)))


def _left(by_cause: dict[str, list[Entity]], seen: Sequence[tuple[Entity, Detection]]) -> list[Explained]:
    """The entities that were not replaced, sorted. Detections that overlap are reported as one."""
    listed: list[Explained] = []
    for cause, entities in by_cause.items():
        told = [e.entity for e in listed]
        listed += [
            Explained(entity, Operator.KEEP.value, _reasons(entity, seen), cause)
            for entity in _spans(entities)
            if not any(e.start <= entity.start and entity.end <= e.end for e in told)
        ]
    return sorted(listed, key=lambda e: (e.entity.start, e.entity.end))


def _spans(entities: Iterable[Entity]) -> Iterator[Entity]:
    """Join entities that overlap. The longest gives the label; among equally long ones, the higher score decides."""
    group: list[Entity] = []
    for entity in sorted(entities, key=lambda e: (e.start, -e.end)):
        if group and entity.start >= max(e.end for e in group):
            yield _merged(group)
            group = []
        group.append(entity)
    if group:
        yield _merged(group)


def _merged(group: Sequence[Entity]) -> Entity:
    best = max(group, key=lambda e: (e.end - e.start, *weight(e)))
    return replace(best, start=group[0].start, end=max(e.end for e in group), score=max(e.score for e in group))


def _reasons(entity: Entity, seen: Iterable[tuple[Entity, Detection]]) -> tuple[Evidence, ...]:
    """The evidence inside an entity, highest score first. A repeated mention of a name has no evidence of its own."""
    inside = [_reason(s) for e, s in seen if e.start < entity.end and entity.start < e.end]
    # One line for each recognizer and context word: most views give the same detection.
    best: dict[tuple[str, str], Evidence] = {}
    for reason in sorted(inside, key=lambda r: (-r.score, r.recognizer, _VIEWS.index(r.view))):
        best.setdefault((reason.recognizer, reason.word), reason)
    return tuple(best.values()) or (Evidence(entity.recognizer, "original", round(entity.score, 3), ""),)


def _reason(detection: Detection) -> Evidence:
    entity = detection.entity
    return Evidence(entity.recognizer, detection.view.kind, round(entity.score, 3), _word(detection))


def _word(detection: Detection) -> str:
    """The word that introduces the entity, or a context word nearby."""
    view, entity, recognizer = detection.view, detection.entity, detection.recognizer
    if isinstance(recognizer, PatternRecognizer):
        for introduction in _introductions(recognizer, view, entity):
            return introduction
    context = getattr(recognizer, "context", None)
    return _nearest(view, entity, context) if isinstance(context, re.Pattern) else ""


def _introductions(recognizer: PatternRecognizer, view: TextView, entity: Entity) -> Iterator[str]:
    for pattern in recognizer.patterns:
        if pattern.group == 0:
            continue
        for match in pattern.regex.finditer(view.text):
            if match.span(pattern.group) == (entity.start, entity.end):
                yield view.text[match.start() : entity.start].strip(" :#=(\t\n")


def _nearest(view: TextView, entity: Entity, context: re.Pattern[str]) -> str:
    before = list(context.finditer(view.lower, max(0, entity.start - CONTEXT_BEFORE), entity.start))
    if before:
        return before[-1].group()
    after = context.search(view.lower, entity.end, min(len(view.lower), entity.end + CONTEXT_AFTER))
    return after.group() if after else ""
