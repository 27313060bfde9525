"""A gateway whose texts are redacted by a real redactor in this process, as the workers do it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from models.media.samples import SAMPLE_RATE_HZ
from models.redaction.redactor import LocalRedactor
from models.redaction.sealing import sealer_of
from models.redaction.streaming.partials import PartialRedactor, PartialState
from models.redaction.types import NO_SCOPE, Redaction, RedactionContext, RedactionScope
from models.text import RawText, TextSource
from models.vision.redact import redact_page
from models.vision.types import OcrLine, RedactedPage
from ray_tasks.types import SpeechStep, SpeechWindow
from server.cli.scoped_redactor import ScopedRedactor
from tests.fakes.classifier import WordListClassifier
from tests.fakes.gateway import FakeGateway


@dataclass
class LocalWorkers(FakeGateway):
    """Recognises and reads what it is told; see ``FakeGateway`` for the rest.

    Attributes:
        redactor: Redacts everything.
        heard: What is said in every utterance; a partial has one more word for each ``word_s`` of audio.
        print: What a picture shows.
    """

    redactor: LocalRedactor = field(default_factory=lambda: LocalRedactor(WordListClassifier()))
    heard: str = ""
    print: Sequence[OcrLine] = ()

    async def redact(self, texts: list[RawText], context: RedactionContext, *, timeout_s: float) -> list[Redaction]:
        """See ``Gateway``."""
        return self.redactor.redact_many(texts, context)

    async def speech_step(self, window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        """See ``Gateway``."""
        step = await super().speech_step(replace(window, sealed_state=b""), timeout_s=timeout_s)
        if step.no_speech:
            return replace(step, sealed_state=b"")
        context = RedactionContext(TextSource.SPEECH, scope=window.scope)
        if window.final:
            redaction = self.redactor.redact(RawText(self.heard), context)
            return replace(step, text=redaction.text, sealed_state=b"", words=(), sealed=redaction.sealed)
        words = int(len(window.pcm) / 4 / SAMPLE_RATE_HZ / self.word_s)
        said = RawText(" ".join(self.heard.split()[:words]))
        before = PartialState.from_payload(json.loads(window.sealed_state)) if window.sealed_state else PartialState()
        shown, after = PartialRedactor(self.redactor).step(before, said, context)
        return replace(step, text=shown, sealed_state=json.dumps(after.to_payload()).encode())

    async def read_picture(
        self, data: bytes, *, document_type: str, timeout_s: float, scope: RedactionScope = NO_SCOPE
    ) -> RedactedPage:
        """See ``Gateway``."""
        pixels = np.full((200, 600, 3), 255, np.uint8)
        redactor = ScopedRedactor(self.redactor, scope.without_seal())
        sealer = sealer_of(scope, self.redactor._worker_key)
        return redact_page(pixels, self.print, redactor, document_type, sealer=sealer)
