"""Events with the real redactor: no declared value is altered, and no personal value is readable as text."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from uuid import UUID

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.v1 import funnel_pb2

from models.errors import InvalidInput
from models.reasons import Reason
from models.redaction.redactor import LocalRedactor
from server.access.audit import AuditTrail
from server.access.caller import Caller, Scope, acting_as
from server.flows.app_events import DeclaredProperty, PropertyKind
from server.ledger import sessions
from server.ledger.columns import fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.records.declared_events import DeclaredEvents
from server.records.remembered_texts import RememberedTexts, SpokenIn
from server.records.telling_shapes import has_card_number
from tests.fakes.funnel_service import funnel_service
from tests.fakes.local_workers import LocalWorkers
from tests.unit.ledger.makers import NOW, session
from tests.unit.ledger.migrated import open_ledger

SESSION = session(client_id="shop")
APP = Caller("key:a", "shop", frozenset({Scope.APP}))
TRAIL = AuditTrail(bytes(32), bytes(32), lambda: NOW)
VALUES = 5000

PERSONAL = {
    "NAME": ("Please ask for Maria Quillfeather about it", "Quillfeather"),
    "ADDRESS": ("12 Larkspur Avenue, Springfield, IL 62704", "Larkspur"),
    "PHONE": ("call me on (415) 555-0132", "555-0132"),
    "EMAIL": ("maria.quillfeather@example.com", "quillfeather"),
    "DOB": ("born on 4 March 1968", "1968"),
    "AGE": ("she is 94 years old", "94"),
    "SSN": ("SSN 536-22-8714", "8714"),
    "CC": ("4556 7375 8689 9855", "9855"),
    "IBAN": ("DE89 3704 0044 0532 0130 00", "0532"),
    "ACCOUNT": ("account number 48201937, sort code 20-45-77", "48201937"),
    "PASSPORT": ("passport 963545637", "963545637"),
    "LICENCE": ("driver's license D1234562 of California", "D1234562"),
    "MEDICAL_ID": ("MRN 00482113", "00482113"),
    "PLATE": ("my license plate is 7ABC123", "7ABC123"),
    "HANDLE": ("follow me on Instagram @mariaquill", "mariaquill"),
    "IP": ("from 84.123.45.67", "84.123.45.67"),
    "MAC": ("00:1B:44:11:3A:B7", "3A:B7"),
    "SECRET": ("my password is Sunflower!42", "Sunflower"),
    "WALLET": ("send it to 0x52908400098527886E0F7030069857D2E4169EE7", "98527886"),
}
"""A text of each kind, and the part of it that nobody may read."""


TOLD_BY_KEY = {
    "dob": "1987-05-12",
    "birth_date": "12.05.1987",
    "date_of_birth": "May 12, 1987",
    "password": "correcthorse",
    "cvv": "123",
    "pin": "4821",
    "passport": "C01X00T47",
    "passport_no": "C01X00T47",
    "licence_plate": "7ABC123",
    "age": "93",
    "postcode": "SW1A",
    "username": "quagga77",
    "phone_no": "4155550132",
    "member_id": "8841772",
    "mrn": "8841772",
    "otp": "771204",
}
"""Values that their keys alone, or mostly, make personal."""

USUAL = {
    "screen": "home",
    "reason": "timeout",
    "note": "window closed",
    "step": "2",
    "button": "submit",
    "error": "network_error",
    "page": "checkout",
    "tab": "history",
    "method": "card",
    "plan": "premium",
    "source": "push",
    "version": "2.13.0",
    "build": "4182",
    "locale": "en_US",
    "theme": "dark",
    "network": "wifi",
    "os": "android 15",
    "model": "Pixel 8",
    "duration_ms": "5321",
    "amount": "20000",
    "currency": "USD",
    "attempt": "2",
    "result": "ok",
    "status": "failed",
    "size": "2 MB",
    "format": "jpeg",
    "category": "loan",
    "term": "24 months",
    "rate": "4.5",
    "campaign": "spring sale",
    "orientation": "portrait",
    "comment": "too many questions",
    "field": "income",
    "value": "12",
    "action": "tap",
    "message": "please try again",
    "retry": "true",
    "date": "2026-11-27",
    "time": "10:15",
    "age_group": "25-34",
    "phone_model": "iPhone 15",
    "login_method": "password",
    "document_type": "passport",
    "account_type": "savings",
    "key": "enter",
    "link": "help",
}
"""Properties as apps have them."""


class Shop:
    """The service with the real redactor, and one session."""

    def __init__(self, ledger: EmbeddedLedger, redactor: LocalRedactor) -> None:
        self._ledger = ledger
        ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, SESSION))
        workers = LocalWorkers(redactor=redactor)
        self._service = funnel_service(ledger, workers, lambda: NOW, TRAIL)

    async def declare(self, **kinds: funnel_pb2.PropertyKind.ValueType) -> None:
        properties = [funnel_pb2.DeclaredProperty(key=key, kind=kind) for key, kind in kinds.items()]
        declared = [funnel_pb2.DeclaredEvent(name="form_sent", properties=properties)]
        await self._service.DeclareEvents(
            funnel_pb2.DeclareEventsRequest(client_id="shop", events=declared, words_checked=False), None
        )

    async def record(self, properties: list[dict[str, str]], first: int = 0) -> list[funnel_pb2.EventProblem]:
        problems: list[funnel_pb2.EventProblem] = []
        numbered = list(enumerate(properties, first))
        for at in range(0, len(numbered), 500):
            batch = [
                funnel_pb2.AppEvent(
                    event_id=str(UUID(int=number)),
                    session_id=SESSION.id,
                    name="form_sent",
                    device_time=Timestamp(seconds=1_790_000_000),
                    sequence=number,
                    properties=given,
                )
                for number, given in numbered[at : at + 500]
            ]
            with acting_as(APP):
                reply = await self._service.RecordEvents(funnel_pb2.RecordEventsRequest(events=batch), None)
            problems += reply.problems
        return problems

    async def stored(self) -> list[str]:
        sql = "SELECT properties FROM events WHERE name = 'form_sent' ORDER BY sequence"
        return [row["properties"] for row in await self._ledger.read(lambda cursor: fetch_all(cursor, sql))]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    yield opened
    opened.close()


@pytest.fixture
def shop(ledger: EmbeddedLedger, real_redactor: LocalRedactor) -> Shop:
    return Shop(ledger, real_redactor)


async def test_texts_are_read_in_the_language_of_their_session(
    ledger: EmbeddedLedger, real_redactor: LocalRedactor
) -> None:
    ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, replace(SESSION, language="es")))
    shop = Shop(ledger, real_redactor)
    await shop.declare(note=funnel_pb2.PROPERTY_KIND_TEXT)
    said = "mi número es cuatro uno cinco cinco cinco cinco cero uno tres dos"
    await shop.record([{"note": said, "undeclared": said}])
    (stored,) = await shop.stored()
    assert set(json.loads(stored).values()) == {"mi número es [REDACTED_PHONE]"}


def amounts(chance: random.Random) -> list[str]:
    """As loan applications have them, and any other, but for numbers of cards: those are redacted."""
    drawn = (
        lambda: str(chance.choice((500, 1000, 5000)) * chance.randint(1, 99)),
        lambda: f"{chance.uniform(-1e6, 1e6):.2f}",
        lambda: str(chance.randint(0, 10**18)),
        lambda: f"{chance.randint(1, 9)}e{chance.randint(-20, 20)}",
    )
    numbers = (chance.choice(drawn)() for _ in count())
    return list(islice((number for number in numbers if not has_card_number(number)), VALUES))


def codes(chance: random.Random) -> list[str]:
    """Numbers of resources, builds and orders, and UUIDs."""
    drawn = (
        lambda: str(chance.randint(10_000, 11_400)),
        lambda: f"00{chance.randint(100, 999)}",
        lambda: f"{chance.randint(1, 30)}.{chance.randint(0, 40)}.{chance.randint(0, 9)}-rc{chance.randint(1, 9)}",
        lambda: f"2026.{chance.randint(1, 12)}.{chance.randint(1, 28)}-{chance.randint(1, 9)}",
        lambda: f"{chance.choice(('ORD', 'A', 'SKU'))}-{chance.randint(1000, 999_999)}",
        lambda: str(UUID(int=chance.getrandbits(128), version=4)),
    )
    return [chance.choice(drawn)() for _ in range(VALUES)]


@pytest.mark.models
def test_no_declared_amount_or_code_is_altered(shop: Shop) -> None:
    chance = random.Random(14)
    sent = [{"amount": amount, "order_code": code} for amount, code in zip(amounts(chance), codes(chance), strict=True)]

    async def run() -> tuple[list[funnel_pb2.EventProblem], list[str]]:
        await shop.declare(amount=funnel_pb2.PROPERTY_KIND_NUMBER, order_code=funnel_pb2.PROPERTY_KIND_CODE)
        return await shop.record(sent), await shop.stored()

    problems, stored = asyncio.run(run())
    assert problems == []
    assert len(stored) == VALUES
    assert [json.loads(text, parse_int=str, parse_float=str) for text in stored] == sent


@pytest.mark.models
def test_no_personal_value_is_readable_as_declared_text(shop: Shop) -> None:
    texts = [{"note": text} for text, _ in PERSONAL.values()]

    async def run() -> list[str]:
        await shop.declare(note=funnel_pb2.PROPERTY_KIND_TEXT)
        await shop.record(texts)
        return await shop.stored()

    stored = asyncio.run(run())
    assert len(stored) == len(PERSONAL) == 19
    readable = [kind for (kind, (_, part)), text in zip(PERSONAL.items(), stored, strict=True) if part in text]
    assert readable == []


@pytest.mark.models
async def test_a_value_is_read_with_its_key(shop: Shop) -> None:
    for properties in (dict(list(TOLD_BY_KEY.items())[:8]), dict(list(TOLD_BY_KEY.items())[8:])):
        await shop.declare(**dict.fromkeys(properties, funnel_pb2.PROPERTY_KIND_TEXT))
        await shop.record([properties], first=len(await shop.stored()))
    stored = {key: value for text in await shop.stored() for key, value in json.loads(text).items()}
    assert stored.keys() == TOLD_BY_KEY.keys()
    assert [key for key, value in stored.items() if not value.startswith("[REDACTED_")] == []


@pytest.mark.models
async def test_usual_properties_are_not_hidden_by_their_keys(real_redactor: LocalRedactor) -> None:
    workers = LocalWorkers(redactor=real_redactor)
    texts = RememberedTexts(workers, timeout_s=60.0)
    with_key = {key: SpokenIn("en", value, key) for key, value in USUAL.items()}
    alone = {key: SpokenIn("en", value) for key, value in USUAL.items()}
    read = await texts.redact([*with_key.values(), *alone.values()])
    changed = {key for key in USUAL if read[with_key[key]].value != read[alone[key]].value}
    assert changed == set()


@pytest.mark.models
def test_no_personal_value_is_readable_as_any_other_kind(shop: Shop) -> None:
    """What an app sends in a property of another kind does not fit it, and is redacted as text."""
    kinds = {
        "amount": funnel_pb2.PROPERTY_KIND_NUMBER,
        "agreed": funnel_pb2.PROPERTY_KIND_BOOLEAN,
        "opened_at": funnel_pb2.PROPERTY_KIND_TIME,
        "order_code": funnel_pb2.PROPERTY_KIND_CODE,
    }
    sent = [{key: text} for text, _ in PERSONAL.values() for key in kinds]

    async def run() -> tuple[list[funnel_pb2.EventProblem], list[str]]:
        await shop.declare(**kinds)
        return await shop.record(sent), await shop.stored()

    _, stored = asyncio.run(run())
    parts = [part for _, part in PERSONAL.values() for _ in kinds]
    readable = [text for part, text in zip(parts, stored, strict=True) if part in text]
    assert readable == []


@pytest.mark.models
def test_words_of_programs_are_declared_and_names_of_persons_are_not(
    ledger: EmbeddedLedger, real_redactor: LocalRedactor
) -> None:
    names = {
        *("maria_lopez_555_123_4567", "aoife_byrne", "told_by_john_smith", "call_4155550132", "visited_by_priya"),
        *("wolfgang_mueller", "born_1968_03_04", "maria", "ravi_kumar"),
    }
    usual = {
        *("form_opened", "form_sent", "amount", "channel", "branch", "red", "silver", "gold", "a_submitted", "city"),
        *("o_sent_back", "step_2", "page_404", "ab_test_1", "build_2026", "utm_source", "cart_value_eur", "ipv4_seen"),
        *("phone_entered", "name_entered", "liveness_passed", "photo_retaken"),
    }
    declared = DeclaredEvents(ledger, LocalWorkers(redactor=real_redactor), lambda: NOW, TRAIL)

    async def refused(word: str) -> bool:
        try:
            await declared.declare("shop", {word: {}}, words_checked=False, dry_run=True)
        except InvalidInput as error:
            return error.reason is Reason.EVENT_WORD_PERSONAL
        return False

    async def run() -> set[str]:
        return {word for word in (*names, *usual) if await refused(word)}

    assert asyncio.run(run()) == names


@pytest.mark.models
def test_numbers_and_short_names_of_persons_are_no_values_of_an_enumeration(
    ledger: EmbeddedLedger, real_redactor: LocalRedactor
) -> None:
    personal = {"415-555-0132", "555-123-4567", "4111 1111 1111 1111", "Li Xu"}
    usual = {"A 1042", "A-1042", "10862", "dark blue", "2 weeks", "90+"}
    declared = DeclaredEvents(ledger, LocalWorkers(redactor=real_redactor), lambda: NOW, TRAIL)

    async def refused(value: str) -> bool:
        given = DeclaredProperty(PropertyKind.ENUMERATION, (value,))
        try:
            await declared.declare("shop", {"opened": {"by": given}}, words_checked=False, dry_run=True)
        except InvalidInput as error:
            return error.reason is Reason.EVENT_WORD_PERSONAL
        return False

    async def run() -> set[str]:
        return {value for value in (*personal, *usual) if await refused(value)}

    assert asyncio.run(run()) == personal
