"""The redactor: looks at every view of a text, merges what was found, and writes tags.

This is the only module that seals a ``RedactedText``. Whatever breaks on the way ends in ``RedactionFailed``, whose
message never contains the text.
"""

from __future__ import annotations

import secrets
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from models.errors import RedactionFailed
from models.redaction.detection.compiled_policy import CompiledPolicy
from models.redaction.detection.detections import (
    Detection,
    Detections,
    at_original,
    judged,
    matched,
    suspect_at_original,
    suspected,
)
from models.redaction.ner.engine_choice import DEFAULT_ENGINE, Device
from models.redaction.ner.engines import build_classifier
from models.redaction.ner.entities import Thresholds
from models.redaction.ner.types import TokenClassifier
from models.redaction.normalize import view as views
from models.redaction.normalize.invisible import without_unseen
from models.redaction.normalize.transliterate import romanized
from models.redaction.normalize.view import TextView
from models.redaction.policy.anonymizer import Anonymizer
from models.redaction.policy.policy import STRICT, Policies, RedactionPolicy, within
from models.redaction.postprocess.address_expansion import widened, with_said_numbers
from models.redaction.postprocess.coreference import repeated
from models.redaction.postprocess.document_rules import doubt_from_digits, is_explained
from models.redaction.postprocess.homophone_digits import with_misheard_digits
from models.redaction.recognizers import ALL, Recognizer
from models.redaction.recognizers.identity.unexplained_number import DOUBT_FROM_DIGITS, unexplained
from models.redaction.spans.operators import session_key
from models.redaction.types import Redaction, RedactionContext, Suspect
from models.text import Entity, RawText, RedactedText

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
    """Finds and replaces personal data with local patterns and a local classifier; see ``Redactor``.

    Args:
        classifier: Judges words.
        recognizers: Ours; a policy may add its own.
        thresholds: Bars of the classifier under the strict policy.
        policies: Which client wants what.
        worker_key: Makes the keys of hashed tags; a fresh one when left out, so tags agree in this object only.
    """

    def __init__(
        self,
        classifier: TokenClassifier,
        recognizers: Sequence[Recognizer] = ALL,
        thresholds: Thresholds | None = None,
        policies: Policies = STRICT,
        worker_key: bytes = b"",
    ) -> None:
        self._classifier = classifier
        self._worker_key = worker_key or secrets.token_bytes(32)
        ours = thresholds or Thresholds()

        def rules(policy: RedactionPolicy) -> CompiledPolicy:
            return CompiledPolicy(policy, policy.with_thresholds(recognizers), policy.for_classifier(ours))

        self._default = rules(policies.default)
        self._clients = {client: rules(policy) for client, policy in policies.clients.items()}

    def rules_of(self, client_id: str) -> CompiledPolicy:
        """What holds for a client."""
        return self._clients.get(client_id, self._default)

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
        rules = self.rules_of(context.scope.client_id)
        try:
            writer = Anonymizer(rules.policy, self._key_of(context))
            read = [views.visible(text.reveal()) for text in texts]
            found = self._seen([view.text for view in read], context, rules)
            return [
                _redaction(text.reveal(), view, seen, context, rules, writer)
                for text, view, seen in zip(texts, read, found, strict=True)
            ]
        except _DEFECTS as defect:
            # "from None": the chained exception may quote the text.
            raise RedactionFailed(f"A recognizer failed with {type(defect).__name__}.") from None

    def sightings(self, text: RawText, context: RedactionContext) -> list[Detection]:
        """Everything that was found, before anything is merged or dropped; for ``explain`` alone.

        What is the original to these is the text as a reader sees it, ``views.visible``.
        """
        shown = views.visible(text.reveal()).text
        return self._seen([shown], context, self.rules_of(context.scope.client_id))[0].sightings

    def _key_of(self, context: RedactionContext) -> bytes:
        """The session's key; without a session one that is used once."""
        return session_key(self._worker_key, context.scope) if context.scope.session_id else secrets.token_bytes(32)

    def _seen(self, texts: list[str], context: RedactionContext, rules: CompiledPolicy) -> list[Detections]:
        readings = [romanized(text) or views.original(text) for text in texts]
        guesses = self._classifier.begin([reading.text for reading in readings])
        matches = [list(matched(text, context, rules)) for text in texts]  # while the classifier has another core
        return [
            Detections([*judged(reading, words, rules, context), *found], suspected(reading, words, rules))
            for reading, words, found in zip(readings, guesses(), matches, strict=True)
        ]


def _redaction(
    text: str, read: TextView, seen: Detections, context: RedactionContext, rules: CompiledPolicy, writer: Anonymizer
) -> Redaction:
    """Drop what is explained or allowed, merge the rest, and write; ``read`` is the text as a reader sees it."""
    shown = read.text
    found = [s.original for s in seen.sightings]
    found += repeated(shown, found)
    allowed = rules.policy.allow.spans(read.lower)
    counting = [e for e in found if not is_explained(e, read, context) and not within(allowed, e.start, e.end)]
    wider = [
        *widened(shown, counting),
        *with_said_numbers(shown, counting, context),
        *with_misheard_digits(shown, counting, context),
    ]
    replaced, left = rules.policy.split(shown, [*counting, *wider])
    readings = _readings(seen.sightings) if rules.policy.rewrites else {}
    written = writer.written(shown, replaced, readings)
    safe = not left and not _doubtful(shown, written, allowed, context, rules)
    entities = [at_original(entity, read) for entity in written]
    suspects = [suspect_at_original(suspect, read) for suspect in _outside(seen.suspects, written)]
    result = RedactedText._seal(_with_tags(text, entities), entities, safe_for_llm=safe)
    return Redaction(result, tuple(entities), tuple(suspects))


def _outside(suspects: Sequence[Suspect], entities: Sequence[Entity]) -> Iterator[Suspect]:
    """Those that touch no entity; entities are sorted and do not overlap, so one look a suspect is enough."""
    ends = [e.end for e in entities]
    for suspect in suspects:
        behind = bisect_right(ends, suspect.start)
        if behind == len(ends) or entities[behind].start >= suspect.end:
            yield suspect


def _readings(sightings: list[Detection]) -> dict[tuple[int, int], str]:
    """What a stretch of the original says in the view in which it was found: digits for spoken numbers."""
    readings = {}
    for sighting in sightings:
        if sighting.view.kind != "original":
            entity = sighting.entity
            readings[sighting.view.original_span(entity.start, entity.end)] = sighting.view.text[
                entity.start : entity.end
            ]
    return readings


def _with_tags(text: str, entities: Sequence[Entity]) -> str:
    """What is written: tags for entities, and between them what a reader of the text sees."""
    pieces, at = [], 0
    for entity in entities:
        pieces += [without_unseen(text[at : entity.start]), entity.written]
        at = entity.end
    return "".join([*pieces, without_unseen(text[at:])])


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


def _doubtful(
    text: str,
    entities: Sequence[Entity],
    allowed: Sequence[tuple[int, int]],
    context: RedactionContext,
    rules: CompiledPolicy,
) -> bool:
    """Whether something is left that no recognizer could explain; what was written in its place does not matter."""
    pieces, at = [], 0
    for start, end in sorted([*allowed, *((e.start, e.end) for e in entities)]):
        if start >= at:
            pieces.append(text[at:start])
        at = max(at, end)
    rest = " ".join([*pieces, text[at:]])
    left = views.original(rules.policy.protected.sub(" ", rest))
    doubt_from = doubt_from_digits(DOUBT_FROM_DIGITS, context)
    return any(digits >= doubt_from for _start, _end, digits in unexplained(left))


def build_redactor(
    cache: Path,
    threads: int = 1,
    policies: Policies = STRICT,
    worker_key: bytes = b"",
    engine: str = DEFAULT_ENGINE,
    device: Device = "auto",
) -> LocalRedactor:
    """Load the pinned weights from ``cache`` and put the redactor together.

    Args:
        cache: Folder of the weights.
        threads: Of the classifier.
        policies: Which client wants what.
        worker_key: Makes the keys of hashed tags.
        engine: Of the classifier, see ``models.redaction.ner.engine_choice``.
        device: Of the classifier.

    Raises:
        InvalidInput: There is no such engine, or it cannot use that device.
        WeightsError: The weights are neither there nor to be had.
    """
    classifier = build_classifier(cache, engine, device, threads)
    return LocalRedactor(classifier, policies=policies, worker_key=worker_key)
