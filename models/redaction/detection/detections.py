"""Detections: what the classifier and, on every view, the recognizers find, before anything is dropped or merged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from models.redaction.detection.compiled_policy import CompiledPolicy
from models.redaction.detection.views import views_of
from models.redaction.itn.cardinals import NUMERALS
from models.redaction.itn.tokens import Token
from models.redaction.ner.entities import entities_of
from models.redaction.ner.name_entities import suspects_of
from models.redaction.ner.types import WordPrediction
from models.redaction.normalize.view import TextView, original
from models.redaction.policy.policy import RedactionPolicy
from models.redaction.recognizers.all import Recognizer
from models.redaction.spans.operators import MASK, TAG_START
from models.redaction.types import LAID_OUT, RedactionContext, Suspect
from models.text import Entity, TextSource

_WORD_CHARACTER = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Detection:
    """What one recognizer, or the classifier (None), found in one view.

    Attributes:
        view: Where it was found.
        recognizer: What found it; None for the classifier.
        entity: Offsets in the view.
    """

    view: TextView
    recognizer: Recognizer | None
    entity: Entity

    @property
    def original(self) -> Entity:
        """The entity, with its offsets in the original text."""
        return at_original(self.entity, self.view)


def at_original(entity: Entity, view: TextView) -> Entity:
    """Map an entity that was found in a view to offsets in the original text."""
    span = view.original_span(entity.start, entity.end)
    if span == (entity.start, entity.end):
        return entity
    return replace(entity, start=span[0], end=span[1])


def classified(
    view: TextView, predictions: list[WordPrediction], compiled: CompiledPolicy, context: RedactionContext
) -> Iterator[Detection]:
    """The entities that the classifier found, as detections."""
    # Hindi in Latin letters is mostly written without capitals and spelled by its sound, as speech is.
    spoken = context.source is TextSource.SPEECH or context.language == "hi"
    found = entities_of(
        view,
        predictions,
        compiled.thresholds,
        spoken=spoken,
        printed=context.document_type in LAID_OUT,
        answers=context.answers,
        language=context.language[:2].lower(),
    )
    return (Detection(view, None, entity) for entity in found)


def suspected(view: TextView, predictions: list[WordPrediction], compiled: CompiledPolicy) -> list[Suspect]:
    """Words of the original that more words may still turn into names."""
    found = suspects_of(view, predictions, compiled.thresholds)
    return [suspect_at_original(Suspect(start, end, likely), view) for start, end, likely in found]


def suspect_at_original(suspect: Suspect, view: TextView) -> Suspect:
    """Map a possible name that was found in a view to offsets in the original text."""
    return Suspect(*view.original_span(suspect.start, suspect.end), suspect.likely)


def pattern_matches(
    text: TextView, context: RedactionContext, compiled: CompiledPolicy, tokens: list[Token] | None = None
) -> Iterator[Detection]:
    """The entities that the recognizers found, in every view of a text; ``tokens`` are those of the text, if known."""
    plain = _without_tags(text, compiled.policy)
    for view in views_of(plain, context, tokens if plain is text else None):
        prefilter = compiled.on_numerals if view.kind == NUMERALS else compiled.prefilter
        for recognizer, entity in prefilter.find(view, context):
            yield Detection(view, recognizer, entity)


def _without_tags(view: TextView, policy: RedactionPolicy) -> TextView:
    """Replace every letter and digit of the tags of earlier runs by an x.

    A tag still counts as a word, but its label is no context word for its neighbours.
    """
    if TAG_START not in view.text and MASK not in view.text:
        return view
    return original(policy.protected.sub(lambda match: _WORD_CHARACTER.sub("x", match.group()), view.text))
