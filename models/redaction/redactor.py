"""The redactor: finds personal data in a text and replaces it.

This is the only module that makes a ``RedactedText``. Any defect on the way ends in ``RedactionFailed``, whose message
never contains the text.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from models.errors import RedactionFailed
from models.redaction.detection.compiled_policy import CompiledPolicy
from models.redaction.detection.detections import Detection
from models.redaction.ner.engine_choice import DEFAULT_ENGINE, Device
from models.redaction.ner.engines import build_classifier
from models.redaction.ner.entities import Thresholds
from models.redaction.ner.types import TokenClassifier
from models.redaction.normalize.invisible import without_invisible
from models.redaction.policy.anonymizer import Anonymizer
from models.redaction.policy.policy import STRICT, Policies, RedactionPolicy
from models.redaction.recognizers import ALL, Recognizer
from models.redaction.spans.operators import session_key
from models.redaction.stages import (
    Draft,
    Job,
    Stage,
    anonymize,
    apply_policy_and_merge,
    check_safety,
    detect,
    drop_allowed,
    drop_explained,
    expand,
    locate_in_raw,
    normalize,
    propagate_mentions,
)
from models.redaction.types import Redaction, RedactionContext
from models.text import Entity, RawText, RedactedText

STAGES: Final[tuple[Stage, ...]] = (
    detect,
    propagate_mentions,
    drop_explained,
    drop_allowed,
    expand,
    apply_policy_and_merge,
    anonymize,
    check_safety,
    locate_in_raw,
)
"""What happens to a batch of texts after ``normalize``, in order."""

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
        classifier: Classifies words.
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

        def compiled(policy: RedactionPolicy) -> CompiledPolicy:
            return CompiledPolicy(policy, policy.with_thresholds(recognizers), policy.for_classifier(ours))

        self._default = compiled(policies.default)
        self._clients = {client: compiled(policy) for client, policy in policies.clients.items()}

    def policy_of(self, client_id: str) -> CompiledPolicy:
        """The policy of a client."""
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
        try:
            job = self._job(context)
            drafts = normalize([text.reveal() for text in texts])
            for stage in STAGES:
                stage(drafts, job)
            return [_sealed(draft) for draft in drafts]
        except _DEFECTS as defect:
            # "from None": the chained exception may quote the text.
            raise RedactionFailed(f"A recognizer failed with {type(defect).__name__}.") from None

    def detections(self, text: RawText, context: RedactionContext) -> list[Detection]:
        """Everything that is detected, before anything is dropped or merged; for ``explain`` alone.

        Their original is the text as a reader sees it, without invisible characters.
        """
        drafts = normalize([text.reveal()])
        detect(drafts, self._job(context))
        return drafts[0].detections

    def _job(self, context: RedactionContext) -> Job:
        compiled = self.policy_of(context.scope.client_id)
        return Job(context, compiled, self._classifier, Anonymizer(compiled.policy, self._key_of(context)))

    def _key_of(self, context: RedactionContext) -> bytes:
        """The session's key; without a session one that is used once."""
        return session_key(self._worker_key, context.scope) if context.scope.session_id else secrets.token_bytes(32)


def _sealed(draft: Draft) -> Redaction:
    """The result of a draft that has passed all stages."""
    text = RedactedText._seal(_with_tags(draft.raw, draft.entities), draft.entities, safe_for_llm=draft.safe_for_llm)
    return Redaction(text, tuple(draft.entities), tuple(draft.suspects))


def _with_tags(text: str, entities: Sequence[Entity]) -> str:
    """What is written: tags for entities, and between them what a reader of the text sees."""
    pieces, at = [], 0
    for entity in entities:
        pieces += [without_invisible(text[at : entity.start]), entity.written]
        at = entity.end
    return "".join([*pieces, without_invisible(text[at:])])


def redacted_prefix(text: str, redaction: Redaction, end: int) -> RedactedText:
    """The beginning of a redacted text, up to ``end`` in the original, which must not lie inside an entity."""
    return redacted_span(text, redaction, 0, end)


def redacted_span(text: str, redaction: Redaction, start: int, end: int) -> RedactedText:
    """A part of a redacted text; neither ``start`` nor ``end`` (in the original) may lie inside an entity."""
    if any(e.start < edge < e.end for e in redaction.entities for edge in (start, end)):
        raise ValueError("a span must not cut an entity")
    inside = [
        replace(e, start=e.start - start, end=e.end - start) for e in redaction.entities if start <= e.start < end
    ]
    return RedactedText._seal(_with_tags(text[start:end], inside), inside, safe_for_llm=redaction.text.safe_for_llm)


def restore_redacted(value: str, counts: dict[str, int], *, safe_for_llm: bool) -> RedactedText:
    """Give a text of ours its type back after it came out of a sealed state, which proves where it came from."""
    entities = [Entity(label, 0, 0, 1.0) for label, count in counts.items() for _ in range(count)]
    return RedactedText._seal(value, entities, safe_for_llm=safe_for_llm)


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
