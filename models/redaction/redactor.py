"""The redactor: finds personal data in a text and replaces it.

This is the only module that makes a ``RedactedText``. If a stage fails, it raises ``RedactionFailed``. The message
never contains the text.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from models.cancellation import NEVER, Cancellation
from models.errors import RedactionFailed
from models.redaction.detection.compiled_policy import CompiledPolicy
from models.redaction.detection.detections import Detection
from models.redaction.draft import Draft, Job, Stage
from models.redaction.ner.engine_choice import DEFAULT_ENGINE, Device
from models.redaction.ner.engines import build_classifier
from models.redaction.ner.thresholds import Thresholds
from models.redaction.ner.types import TokenClassifier
from models.redaction.own_model.tagger import load_own_model
from models.redaction.own_model.types import OwnModel
from models.redaction.own_values import add_own_values
from models.redaction.policy.anonymizer import Anonymizer
from models.redaction.policy.policy import STRICT, Policies, RedactionPolicy
from models.redaction.recognizers.all import ALL, Recognizer
from models.redaction.redacted_text import with_tags
from models.redaction.safety import check_safety
from models.redaction.sealing import sealer_of
from models.redaction.spans.operators import session_key
from models.redaction.stages import (
    FINDING,
    add_doubted_words,
    anonymize,
    apply_policy_and_merge,
    detect,
    find_unsettled,
    heed_alternatives,
    leave_commands,
    locate_in_raw,
    normalize,
    tag_slots,
)
from models.redaction.types import Redaction, RedactionContext
from models.text import RawText
from models.tracing.names import SpanName
from models.tracing.spans import child_span

STAGES: Final[tuple[Stage, ...]] = (
    *FINDING,
    heed_alternatives,
    add_doubted_words,
    leave_commands,
    apply_policy_and_merge,
    add_own_values,
    anonymize,
    check_safety,
    find_unsettled,
    locate_in_raw,
)
"""The stages that follow ``normalize``, in order."""

_STAGE_SPANS: Final = tuple((stage, SpanName.of_stage(stage)) for stage in STAGES)

AT_ONCE: Final = 256
"""Texts of a batch that pass the stages together. A page of dense print has 2,000, and all at once could not be stopped
within a second.
"""

# Every error that a defect in a recognizer, in ONNX Runtime or in the tokenizer can raise. They are listed, so that an
# interrupt, a lack of memory and our own errors pass through unchanged.
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
        recognizers: The built-in ones; a policy may add its own.
        thresholds: Thresholds of the classifier under the strict policy.
        policies: The policy of each client.
        worker_key: The keys of hashed tags are derived from it. If it is empty, a random one is made, and hashed tags
            can be compared only within this object.
        own_model: A model of the operator's own; what it finds is added.
    """

    def __init__(
        self,
        classifier: TokenClassifier,
        recognizers: Sequence[Recognizer] = ALL,
        thresholds: Thresholds | None = None,
        policies: Policies = STRICT,
        worker_key: bytes = b"",
        own_model: OwnModel | None = None,
    ) -> None:
        self._classifier = classifier
        self._own_model = own_model
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
            RedactionFailed: A stage failed. The text must not be stored or sent.
        """
        return self.redact_many([text], context)[0]

    def redact_many(
        self, texts: list[RawText], context: RedactionContext, cancellation: Cancellation = NEVER
    ) -> list[Redaction]:
        """Redact a batch. The results are the same as one by one.

        Raises:
            RedactionFailed: A stage failed. None of the texts may be stored or sent.
            Cancelled, DeadlineExceeded: As ``cancellation`` says.
        """
        try:
            job = self._job(context, cancellation)
            drafts = [draft for part in _parts(texts) for draft in _redacted(part, job, cancellation)]
            redactions = [_sealed(draft) for draft in drafts]
            return self._with_sealed_values(texts, redactions, context)
        except _DEFECTS as defect:
            # "from None": the chained exception may quote the text.
            raise RedactionFailed(f"A recognizer failed with {type(defect).__name__}.") from None

    def _with_sealed_values(
        self, texts: list[RawText], redactions: list[Redaction], context: RedactionContext
    ) -> list[Redaction]:
        sealer = sealer_of(context.scope, self._worker_key)
        if sealer is None:
            return redactions
        return [
            replace(each, sealed=sealer.values(text, each.entities, context.source, context.language))
            for text, each in zip(texts, redactions, strict=True)
        ]

    def detections(self, text: RawText, context: RedactionContext) -> list[Detection]:
        """Every detection, before any is dropped or merged. Only ``explain`` uses this.

        Offsets in the original refer to the text without invisible characters.
        """
        drafts, job = normalize([text]), self._job(context, NEVER)
        detect(drafts, job)
        tag_slots(drafts, job)
        return drafts[0].detections

    def _job(self, context: RedactionContext, cancellation: Cancellation) -> Job:
        compiled = self.policy_of(context.scope.client_id)
        anonymizer = Anonymizer(compiled.policy, self._key_of(context))
        return Job(context, compiled, self._classifier, anonymizer, self._own_model, cancellation)

    def _key_of(self, context: RedactionContext) -> bytes:
        """The session's key; without a session, a random key for one use."""
        return session_key(self._worker_key, context.scope) if context.scope.session_id else secrets.token_bytes(32)


def _parts(texts: list[RawText]) -> Iterator[list[RawText]]:
    return (texts[at : at + AT_ONCE] for at in range(0, len(texts), AT_ONCE))


def _redacted(texts: list[RawText], job: Job, cancellation: Cancellation) -> list[Draft]:
    """The drafts of some texts after all stages."""
    with child_span(SpanName.NORMALIZE):
        drafts = normalize(texts)
    for stage, name in _STAGE_SPANS:
        cancellation.check()
        with child_span(name):
            stage(drafts, job)
    return drafts


def _sealed(draft: Draft) -> Redaction:
    """The redaction of a draft that has passed all stages."""
    text = with_tags(draft.raw, draft.entities, safe_for_llm=draft.safe_for_llm)
    return Redaction(text, tuple(draft.entities), tuple(draft.suspects), draft.unsettled)


def build_redactor(
    cache: Path,
    threads: int = 1,
    policies: Policies = STRICT,
    worker_key: bytes = b"",
    engine: str = DEFAULT_ENGINE,
    device: Device = "auto",
    ner_weights: str = "",
) -> LocalRedactor:
    """Load the pinned weights from ``cache`` and build the redactor.

    Args:
        cache: Folder of the weights.
        threads: Texts that the classifier works on at the same time.
        policies: The policy of each client.
        worker_key: The keys of hashed tags are derived from it.
        engine: The engine of the classifier; see ``models.redaction.ner.engine_choice``.
        device: The device of the classifier.
        ner_weights: Name of a model of the operator's own, or empty; it runs on the CPU.

    Raises:
        InvalidInput: The engine is not known, or it cannot use that device.
        WeightsError: The weights are not in the cache and cannot be fetched, or cannot do what is asked.
    """
    classifier = build_classifier(cache, engine, device, threads)
    own_model = load_own_model(ner_weights, cache, threads) if ner_weights else None
    return LocalRedactor(classifier, policies=policies, worker_key=worker_key, own_model=own_model)
