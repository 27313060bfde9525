"""What is seen in a text before anything is merged or dropped: by the classifier and, in every view, by recognizers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from models.redaction.detection.compiled_policy import CompiledPolicy
from models.redaction.detection.views import views_of
from models.redaction.itn.cardinals import NUMERALS
from models.redaction.ner.entities import entities_of, suspects_of
from models.redaction.ner.types import WordPrediction
from models.redaction.normalize.view import TextView
from models.redaction.policy.policy import RedactionPolicy
from models.redaction.recognizers import Recognizer
from models.redaction.spans.operators import MASK, TAG_START
from models.redaction.types import RedactionContext, Suspect
from models.text import Entity, TextSource

_WORD_CHARACTER = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Detection:
    """What one recognizer, or the classifier (None), found in one view.

    Attributes:
        entity: Offsets in the view.
    """

    view: TextView
    recognizer: Recognizer | None
    entity: Entity

    @property
    def original(self) -> Entity:
        """The entity with offsets in the original."""
        return at_original(self.entity, self.view)


def at_original(entity: Entity, view: TextView) -> Entity:
    """An entity that was found in a view, with offsets in the original."""
    start, end = view.original_span(entity.start, entity.end)
    return replace(entity, start=start, end=end)


@dataclass(frozen=True, slots=True)
class Detections:
    """What was found in a text, and the words that may yet become names when it goes on."""

    sightings: list[Detection]
    suspects: list[Suspect]


def judged(
    reading: TextView, predictions: list[WordPrediction], rules: CompiledPolicy, context: RedactionContext
) -> Iterator[Detection]:
    """What the classifier found."""
    # Hindi in Latin letters is mostly written without capitals and spelled as it sounds: as speech is.
    heard = context.source is TextSource.SPEECH or context.language == "hi"
    found = entities_of(reading, predictions, rules.thresholds, heard=heard, language=context.language[:2].lower())
    return (Detection(reading, None, entity) for entity in found)


def suspected(reading: TextView, predictions: list[WordPrediction], rules: CompiledPolicy) -> list[Suspect]:
    """Words of the original that may yet become names."""
    found = suspects_of(reading, predictions, rules.thresholds)
    return [suspect_at_original(Suspect(start, end, likely), reading) for start, end, likely in found]


def suspect_at_original(suspect: Suspect, view: TextView) -> Suspect:
    """A word of a view that may yet become a name, with offsets in the original."""
    return Suspect(*view.original_span(suspect.start, suspect.end), suspect.likely)


def matched(text: str, context: RedactionContext, rules: CompiledPolicy) -> Iterator[Detection]:
    """What the recognizers found, in every view."""
    text = _without_tags(text, rules.policy)
    for view in views_of(text, context):
        sieve = rules.on_numerals if view.kind == NUMERALS else rules.sieve
        for recognizer, entity in sieve.find(view, context):
            yield Detection(view, recognizer, entity)


def _without_tags(text: str, policy: RedactionPolicy) -> str:
    """The text with small x for every letter and digit of what an earlier run wrote.

    It stays a word, but the one in a tag is no context for its neighbours.
    """
    if TAG_START not in text and MASK not in text:
        return text
    return policy.protected.sub(lambda match: _WORD_CHARACTER.sub("x", match.group()), text)
