"""Twenty values are typed, said and photographed, and sealed. No door shows one of them, or its ciphertext.

Texts are redacted by a real redactor, and stored in a real ledger.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from models.redaction.redactor import LocalRedactor
from models.sealed_values import Binding, OpenedValue, open_value, written_public_key
from models.text import RawText
from server.access.caller import Caller, Scope, acting_as
from server.flows.catalogue import shipped_catalogue
from server.jobs.read_picture import ReadPicture
from server.ledger import jobs, schema, sealed_values, uploads
from server.ledger.columns import Cursor, fetch_all
from server.ledger.jobs import new_job
from server.ledger.sealed_values import SealedRow
from server.records.sealed_releases import SealedReleases
from server.setting_groups.sealed import SealedSettings
from server.streaming import events
from server.streaming.events import Partial, Proposal, ProposeIn, TextIn
from tests.fakes.classifier import WordListClassifier
from tests.fakes.guide import GUIDE
from tests.fakes.local_workers import LocalWorkers
from tests.unit.ledger.makers import upload
from tests.unit.streaming.conversation_harness import NOW, chunks, quiet, speech, these
from tests.unit.streaming.stream_harness import StreamHarness, talk
from tests.unit.vision.pictures import line

PRIVATE = X25519PrivateKey.generate()
SEALS = SealedSettings(
    keys={"crm": written_public_key(PRIVATE)},
    fields={"contact_phone": "PHONE ID", "contact_email": "EMAIL", "visitor": "NAME", "site": "ADDRESS"},
).seals
NAMES = dict.fromkeys(("okafor", "lindqvist", "petrov", "quist"), "SURNAME") | dict.fromkeys(
    ("ada", "nils", "irina", "tarn"), "GIVEN_NAME"
)
TYPED = {
    "I am Ada Okafor.": ["Ada Okafor"],
    "Call 415-555-0132, or 628-555-0144 at night.": ["415-555-0132", "628-555-0144"],
    "Write to ada.okafor@example.com.": ["ada.okafor@example.com"],
    "I live at 12 Hill Road, Springfield.": ["12 Hill Road, Springfield"],
    "My boss is Nils Lindqvist, nils@example.org.": ["Nils Lindqvist", "nils@example.org"],
}
SAID = {
    "my number is four one five five five five oh one five five": ["4155550155"],
    "write to tarn dot quist at example dot com": ["tarn.quist@example.com"],
    "my name is tarn quist": ["tarn quist"],
    "my phone number is six two eight five five five oh one nine nine": ["6285550199"],
    "call me on five one zero five five five oh one two three please": ["5105550123"],
    "my mail is irina at example dot net": ["irina@example.net"],
}
PRINTED = {
    "Visitor: Irina Petrov": ["Irina Petrov"],
    "Tel. 510-555-0177": ["510-555-0177"],
    "E-mail: irina.petrov@example.com": ["irina.petrov@example.com"],
    "Site: 7 Elm Street, Riverside": ["7 Elm Street, Riverside"],
    "Mobile: 415-555-0188": ["415-555-0188"],
    "Contact: Tarn Petrov": ["Tarn Petrov"],
    "Second mail: t.petrov@example.org": ["t.petrov@example.org"],
}
PLANTED = [value for texts in (TYPED, SAID, PRINTED) for values in texts.values() for value in values]
CRM = Caller("key:crm", "app", frozenset({Scope.SEALED_RELEASE}))
REVIEWER = Caller("key:reviewer", "app", frozenset({Scope.REVIEWER}))


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[StreamHarness]:
    redactor = LocalRedactor(WordListClassifier(NAMES), worker_key=b"w" * 32)
    built = StreamHarness(tmp_path, gateway=LocalWorkers(redactor=redactor, complete=True), seals=SEALS)
    yield built
    built.ledger.close()


def workers(harness: StreamHarness) -> LocalWorkers:
    assert isinstance(harness.gateway, LocalWorkers)
    return harness.gateway


async def converse(harness: StreamHarness, inputs: AsyncIterator[events.Input]) -> list[events.Output]:
    async with harness.streams.open(replace(harness.config, reply=True)) as stream:
        return [output async for output in talk(stream).run(inputs)]


async def read_picture(harness: StreamHarness) -> None:
    workers(harness).print = [line(text, 10, 20 + 40 * n) for n, text in enumerate(PRINTED)]
    row = replace(upload(harness.config.session_id), kind="form")
    spool_id = str(uuid4())
    harness.spool.put(spool_id, [b"pixels"])
    await harness.ledger.write(lambda cursor: uploads.insert_upload(cursor, row))
    out = harness.ledger.path.parent / "out"
    handler = ReadPicture(
        harness.ledger, harness.spool, harness.gateway, harness.pubsub, out, lambda: NOW, SEALS, guide=GUIDE
    )
    job = new_job("read_picture", row.id, row.session_id, {"upload_id": row.id, "spool_id": spool_id}, "network", NOW)
    await harness.ledger.write(lambda cursor: jobs.enqueue(cursor, job))
    completion = await handler.run(job)
    await harness.ledger.write(completion.record)


async def whole_session(harness: StreamHarness) -> list[events.Output]:
    outputs = await converse(harness, these(*(TextIn(RawText(text)) for text in TYPED)))
    for said in SAID:
        workers(harness).heard = said
        outputs += await converse(harness, chunks(speech(4.0) + quiet(1.0)))
    await read_picture(harness)
    return outputs + await converse(harness, these(ProposeIn(0.0)))


def everything_else(cursor: Cursor) -> str:
    """All tables and views but the one that holds the ciphertexts."""
    tables = [t.name for t in schema.TABLES if t is not sealed_values.SEALED_VALUES]
    views = [row["view_name"] for row in fetch_all(cursor, "SELECT view_name FROM duckdb_views() WHERE NOT internal")]
    return repr([fetch_all(cursor, f"FROM {name}") for name in [*tables, *views]])


def forms_of(ciphertext: bytes) -> Iterator[str]:
    """How a ciphertext could be written."""
    yield from (repr(ciphertext)[2:-1], ciphertext.hex(), base64.b64encode(ciphertext).decode())


def opened(row: SealedRow) -> OpenedValue:
    value = row.value
    binding = Binding(row.session_id, value.field, value.type, value.key_id)
    return open_value(value.ciphertext, PRIVATE, binding)


async def test_no_door_shows_a_sealed_value(harness: StreamHarness, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(PLANTED) == 20
    outputs = await whole_session(harness)
    session_id = harness.config.session_id
    rows = await harness.ledger.read(lambda cursor: sealed_values.list_of_session(cursor, session_id))
    sealed = {opened(row).written for row in rows}
    assert set(PLANTED) <= sealed, "each was found and sealed, otherwise the search below proves nothing"
    assert any(isinstance(output, Partial) for output in outputs)
    stored = await harness.ledger.read(everything_else)
    asked = [harness.assistant.asked_replies, harness.assistant.asked_records]
    shown = repr([outputs, asked, harness.gateway.called("redact"), *capsys.readouterr(), stored])
    assert "[REDACTED_PHONE]" in shown, "otherwise the search proves nothing"
    as_said = {opened(row).said for row in rows}
    assert [value for value in {*PLANTED, *as_said} if value in shown] == []
    assert [row.id for row in rows for form in forms_of(row.value.ciphertext) if form in shown] == []
    await harness.ledger.between_commits(lambda: harness.ledger.cursor().execute("CHECKPOINT"))
    files = [file.read_bytes() for file in harness.ledger.path.parent.rglob("*") if file.is_file()]
    assert rows[0].value.ciphertext in b"".join(files), "the file is read where ciphertexts are"
    assert [value for value in {*PLANTED, *as_said} if any(value.encode() in content for content in files)] == []


async def test_the_entitled_system_gets_them_once_the_record_was_approved(harness: StreamHarness) -> None:
    outputs = await whole_session(harness)
    [proposal] = [output.recommendation for output in outputs if isinstance(output, Proposal)]
    with acting_as(REVIEWER):
        await harness.recommender.decide(proposal.id, proposal.content_hash, "", approve=True)
    releases = SealedReleases(
        harness.ledger, harness.recommender._audit, lambda: NOW, harness.metrics, shipped_catalogue()
    )
    fields = ["contact_phone", "contact_email", "visitor", "site"]
    with acting_as(CRM):
        rows = await releases.release(harness.config.session_id, fields, str(uuid4()))
    assert set(PLANTED) <= {opened(row).written for row in rows}
    turns = {turn.id for turn in await harness.turns()}
    assert {row.source_id in turns for row in rows} == {True, False}, "of turns, and of the picture"


async def test_nothing_is_stored_where_nothing_is_to_be_sealed(tmp_path: Path) -> None:
    redactor = LocalRedactor(WordListClassifier(NAMES), worker_key=b"w" * 32)
    harness = StreamHarness(tmp_path, gateway=LocalWorkers(redactor=redactor, complete=True))
    await converse(harness, these(*(TextIn(RawText(text)) for text in TYPED)))
    session_id = harness.config.session_id
    assert await harness.ledger.read(lambda cursor: sealed_values.list_of_session(cursor, session_id)) == []
    harness.ledger.close()
