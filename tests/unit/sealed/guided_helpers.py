"""Turns, pictures and values of forms of one guided session, redacted and sealed by the rules."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from models.redaction.dialogue_context import answering
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext, RedactionScope
from models.sealed_values import Binding, SealedValue, open_value, written_public_key
from models.text import RawText, TextSource
from server.access.audit import AuditTrail
from server.flows.asking import answer_hints, asked_for
from server.flows.catalogue import Flows
from server.flows.definition import FlowDefinition
from server.flows.loader import parse_flow
from server.flows.progress import FieldProgress, Progress
from server.ledger import answers, sealed_values, sessions, turns, uploads
from server.ledger.columns import Cursor
from server.ledger.types import SessionRow, UploadState
from server.llm.code_fields import with_code_fields
from server.llm.history import source_items_of
from server.llm.types import OnboardingRecord
from server.records.answered_fields import answered_fields
from server.records.guide import Guide
from server.sealed.keys import SealKeys
from server.sealed.requests import FlowSeals
from tests.fakes.classifier import WordListClassifier
from tests.unit.ledger import makers
from tests.unit.ledger.makers import NOW

PRIVATE = X25519PrivateKey.generate()
KEYS = SealKeys({"crm": written_public_key(PRIVATE)})
REDACTOR = LocalRedactor(WordListClassifier({"tarn": "GIVEN_NAME", "quist": "SURNAME"}), worker_key=b"w" * 32)


@dataclass
class GuidedSession:
    """One session of a flow."""

    cursor: Cursor
    flow: str
    said: int = 0
    language: str = "en"
    session: SessionRow = field(init=False)

    def __post_init__(self) -> None:
        flow = parse_flow(self.flow, "flow.yaml")
        flows = Flows([flow], flow.name)
        self.seals = FlowSeals(flows, KEYS)
        self.guide = Guide(flows, AuditTrail(bytes(32), bytes(32), lambda: NOW))
        row = replace(makers.session(), flow=flow.name, flow_version=1, language=self.language)
        self.session, _ = sessions.insert_or_get(self.cursor, row)

    @property
    def progress(self) -> Progress:
        return self.guide.progress(self.cursor, self.session)

    @property
    def asked(self) -> str:
        """Name of the field that is asked now."""
        return self.progress.current.field.name if self.progress.current is not None else ""

    def say(self, text: str, *, asked: bool = True) -> None:
        """Type a text, a minute after what came before."""
        context = RedactionContext(TextSource.TYPED, self.language, scope=self._scope())
        if asked and (one := self.progress.current) is not None:
            context = _asked(context, one, self.guide.flow(self.session))
        redaction = REDACTOR.redact(RawText(text), context)
        self.said += 1
        turn = replace(
            makers.turn(self.session.id, self.said),
            text=redaction.text,
            source="typed",
            language=self.language,
            create_time=NOW + timedelta(minutes=self.said),
        )
        turns.insert_turn(self.cursor, turn)
        self.guide.heard(self.cursor, self.session, turn, known=self.asked if asked else None, sealed=redaction.sealed)

    def photograph(self, text: str, kind: str, *, sent: int | None = None) -> None:
        """Read a picture, which was sent after so many turns."""
        scope = replace(self._scope(), seal=self.seals.request(self.session, picture=kind))
        redaction = REDACTOR.redact(RawText(text), RedactionContext(TextSource.OCR, "en", scope=scope))
        time = NOW + timedelta(minutes=self.said if sent is None else sent, seconds=30)
        row = replace(makers.upload(self.session.id), kind=kind, create_time=time)
        uploads.insert_upload(self.cursor, row)
        read = uploads.finish(self.cursor, row.id, NOW + timedelta(minutes=self.said, seconds=40), text=redaction.text)
        assert read.state is UploadState.DONE
        self.guide.read(self.cursor, self.session, read, NOW, sealed=redaction.sealed)

    def sealed(self) -> dict[str, list[str]]:
        """What each field has sealed, as the entitled system reads it."""
        found: dict[str, list[str]] = {}
        for row in sealed_values.list_of_session(self.cursor, self.session.id):
            value = row.value
            binding = Binding(self.session.id, value.field, value.type, value.key_id)
            opened = open_value(value.ciphertext, PRIVATE, binding).written if value.ciphertext else value.hash
            found.setdefault(value.field, []).append(opened)
        return found

    def record(self) -> dict[str, str]:
        """The personal fields of a record that is made now."""
        rows = answers.list_of_session(self.cursor, self.session.id)
        items = source_items_of(
            self.session,
            turns.list_of_session(self.cursor, self.session.id),
            uploads.list_of_session(self.cursor, self.session.id),
            rows,
        )
        flow = self.guide.flow(self.session)
        by_source: dict[str, list[SealedValue]] = {}
        for row in sealed_values.list_of_session(self.cursor, self.session.id):
            by_source.setdefault(row.source_id, []).append(row.value)
        answered = answered_fields(flow, {}, rows)
        record = with_code_fields(OnboardingRecord("", ()), flow, items, {}, by_source, answered)
        return {each.name: each.value for each in record.fields}

    def _scope(self) -> RedactionScope:
        return RedactionScope(self.session.client_id, self.session.id, self.seals.request(self.session))


def _asked(context: RedactionContext, one: FieldProgress, flow: FlowDefinition) -> RedactionContext:
    return answering(context, asked_for(one.field), answer_hints(one.field, flow, "en"))
