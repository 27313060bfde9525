"""The redactor: looks at every view of a text, merges what was found, and writes tags.

This is the only module that seals a ``RedactedText``. Whatever breaks on the way ends in ``RedactionFailed``, whose
message
never contains the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from models.errors import RedactionFailed
from models.redaction import views
from models.redaction.documents import doubt_from_digits, is_explained
from models.redaction.labels import Thresholds, entities_of
from models.redaction.merge import TAG, merge, tag
from models.redaction.ner import TokenClassifier, WordGuess, load_classifier
from models.redaction.recognizers import ALL, Recognizer
from models.redaction.recognizers.number import DOUBT_FROM_DIGITS, unexplained
from models.redaction.repeats import repeated
from models.redaction.romanize import romanized
from models.redaction.spoken import spoken_view
from models.redaction.types import Redaction, RedactionContext
from models.redaction.views import View
from models.text import Entity, RawText, RedactedText, TextSource

# Anything that a defect in a recognizer, in ONNX Runtime or in the tokenizer can raise; listed, so that an interrupt,
# a lack of memory and our own errors pass through unchanged.
_DEFECTS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    OSError,
    ImportError,
    AssertionError,
)


class LocalRedactor:
    """Finds and replaces personal data with local patterns and a local classifier; see ``Redactor``."""

    def __init__(
        self, classifier: TokenClassifier, recognizers: Sequence[Recognizer] = ALL, thresholds: Thresholds | None = None
    ) -> None:
        self._classifier = classifier
        self._recognizers = tuple(recognizers)
        self._thresholds = thresholds or Thresholds()

    def redact(self, text: RawText, context: RedactionContext) -> Redaction:
        """Redact one text.

        Raises:
            RedactionFailed: Something broke; the text must go nowhere.
        """
        return self.redact_many([text], context)[0]

    def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        """Redact a batch; the same result as one by one.

        Raises:
            RedactionFailed: Something broke; none of the texts may go anywhere.
        """
        revealed = [text.reveal() for text in texts]
        try:
            readings = [romanized(text) or views.original(text) for text in revealed]
            guesses = self._classifier.classify([reading.text for reading in readings])
            judged = zip(readings, guesses, strict=True)
            named = [self._judged(reading, words) for reading, words in judged]
            found = [merge(t, self._explicable(t, n, context)) for t, n in zip(revealed, named, strict=True)]
            return [_sealed(t, entities, context) for t, entities in zip(revealed, found, strict=True)]
        except _DEFECTS as defect:
            # "from None": the chained exception may quote the text.
            raise RedactionFailed(f"A recognizer failed with {type(defect).__name__}.") from None

    def _judged(self, reading: View, guesses: list[WordGuess]) -> list[Entity]:
        """What the classifier found, with offsets in the original."""
        return [_mapped(reading, entity) for entity in entities_of(reading, guesses, self._thresholds)]

    def _explicable(self, text: str, named: list[Entity], context: RedactionContext) -> Iterator[Entity]:
        """What was found and is not explained by the kind of the document."""
        view = views.original(text)
        found = [*named, *self._matched(text, context)]
        found += repeated(text, found)
        return (e for e in found if not is_explained(e, view, context))

    def _matched(self, text: str, context: RedactionContext) -> Iterator[Entity]:
        for view in _views(text, context):
            for recognizer in self._recognizers:
                for entity in recognizer.find(view, context):
                    yield _mapped(view, entity)


def _mapped(view: View, entity: Entity) -> Entity:
    start, end = view.original_span(entity.start, entity.end)
    return replace(entity, start=start, end=end)


def _views(text: str, context: RedactionContext) -> Iterator[View]:
    """The text itself, then every other reading that differs from it."""
    yield views.original(text)
    if (folded := views.folded(text)) is not None:
        yield folded
    if context.source is not TextSource.OCR and (spoken := spoken_view(text, context.language)) is not None:
        yield spoken
    if context.source is TextSource.OCR and (print_read := views.print_read(text)) is not None:
        yield print_read


def _sealed(text: str, entities: list[Entity], context: RedactionContext) -> Redaction:
    value = _with_tags(text, entities)
    return Redaction(RedactedText._seal(value, entities, safe_for_llm=not _doubtful(value, context)), tuple(entities))


def _with_tags(text: str, entities: Sequence[Entity]) -> str:
    pieces, at = [], 0
    for entity in entities:
        pieces += [text[at : entity.start], tag(entity.type)]
        at = entity.end
    return "".join([*pieces, text[at:]])


def sealed_prefix(text: str, redaction: Redaction, end: int) -> RedactedText:
    """The beginning of a redacted text, up to ``end`` in the original, which must not lie inside an entity."""
    return sealed_stretch(text, redaction, 0, end)


def sealed_stretch(text: str, redaction: Redaction, start: int, end: int) -> RedactedText:
    """A part of a redacted text; neither ``start`` nor ``end`` (in the original) may lie inside an entity."""
    if any(e.start < edge < e.end for e in redaction.entities for edge in (start, end)):
        raise ValueError("a stretch must not cut an entity")
    inside = [
        replace(e, start=e.start - start, end=e.end - start) for e in redaction.entities if start <= e.start < end
    ]
    return RedactedText._seal(_with_tags(text[start:end], inside), inside, safe_for_llm=redaction.text.safe_for_llm)


def reseal(value: str, counts: dict[str, int], *, safe_for_llm: bool) -> RedactedText:
    """Give a text of ours its type back after it travelled in a sealed carry, which proves where it came from."""
    entities = [Entity(label, 0, 0, 1.0) for label, count in counts.items() for _ in range(count)]
    return RedactedText._seal(value, entities, safe_for_llm=safe_for_llm)


def _doubtful(value: str, context: RedactionContext) -> bool:
    """Whether something is left that no recognizer could explain."""
    rest = views.original(TAG.sub(" ", value))
    doubt_from = doubt_from_digits(DOUBT_FROM_DIGITS, context)
    return any(digits >= doubt_from for _start, _end, digits in unexplained(rest))


def build_redactor(cache: Path, threads: int = 1) -> LocalRedactor:
    """Load the pinned weights from ``cache`` and put the redactor together.

    Raises:
        WeightsError: The weights are neither there nor to be had.
    """
    return LocalRedactor(load_classifier(cache, threads))
