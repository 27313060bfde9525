"""A world in which an app renders forms: values come by ``AnswerField`` alone, and the redactor's rules read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from models.redaction.policy.loader import parse_policies
from models.redaction.redactor import LocalRedactor
from models.redaction.types import Redaction, RedactionContext
from models.sealed_values import Binding, OpenedValue, SealedValue, open_value, written_public_key
from models.text import RawText
from server.flows.catalogue import Flows
from server.flows.loader import parse_flow
from server.ledger import sessions
from server.ledger.types import SessionRow, SessionState
from server.records.flow_answers import FlowAnswers
from server.records.guide import Guidance, Guide
from server.sealed.keys import SealKeys
from server.sealed.requests import FlowSeals
from tests.fakes.classifier import WordListClassifier
from tests.fakes.gateway import FakeGateway
from tests.unit.jobs.conftest import World

PRIVATE = X25519PrivateKey.generate()
KEYS = SealKeys({"crm": written_public_key(PRIVATE)})
REDACTOR = LocalRedactor(
    WordListClassifier({"tarn": "GIVEN_NAME", "quist": "SURNAME"}),
    policies=parse_policies("default: {operators: {NAME: number}}"),
    worker_key=b"w" * 32,
)
BOOKING = """
name: booking
version: 1
title: Booking
steps:
  - name: thing
    fields:
      - {name: remark, ask: "What is it about?", kind: text}
      - {name: size, ask: "How big?", kind: choice, options: [{value: small}, {value: large}]}
      - {name: boxes, ask: "How many boxes?", kind: number, unit: boxes, required: false}
  - name: who
    skippable: true
    fields:
      - {name: renter, ask: "Who are you?", kind: personal, entities: [NAME], keep: tag, required: false}
      - {name: mail, ask: "Your e-mail address?", kind: personal, entities: [EMAIL], keep: hash, required: false}
      - {name: phone, ask: "Your telephone number?", kind: personal, entities: [PHONE], keep: sealed, seal_to: crm,
         required: false}
"""


class ReadingGateway(FakeGateway):
    """Redacts typed text by the rules, and seals."""

    async def redact(self, texts: list[RawText], context: RedactionContext, *, timeout_s: float) -> list[Redaction]:
        """See ``Gateway``."""
        await super().redact(texts, context, timeout_s=timeout_s)
        return [REDACTOR.redact(text, context) for text in texts]


@dataclass
class FormWorld(World):
    """A server without gRPC and Ray, with one session of ``booking``."""

    gateway: FakeGateway = field(default_factory=ReadingGateway)
    flows: Flows = field(default_factory=lambda: Flows([parse_flow(BOOKING, "booking.yaml")], "booking"))

    def __post_init__(self) -> None:
        super().__post_init__()
        now = self.clock()
        row = SessionRow(
            str(uuid4()),
            "app",
            str(uuid4()),
            SessionState.STARTED,
            now,
            now,
            language="en",
            flow="booking",
            flow_version=1,
        )
        self.ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
        self.session_id = row.id
        seals = FlowSeals(self.flows, KEYS)
        self.forms = FlowAnswers(self.ledger, self.gateway, self.pubsub, Guide(self.flows), self.clock, seals)

    async def fill(self, **values: str) -> Guidance:
        """Answer fields, each a second after the one before."""
        for name, value in values.items():
            self.clock.advance(1)
            guidance = await self.forms.answer(self.session_id, name, value)
        return guidance

    def opened(self, value: SealedValue) -> OpenedValue:
        """A value as the system reads it that it is sealed for."""
        return open_value(value.ciphertext, PRIVATE, Binding(self.session_id, value.field, value.type, value.key_id))
