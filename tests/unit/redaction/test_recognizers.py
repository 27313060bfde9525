"""Tables of (text, what must be found); an empty list is a text that must survive."""

from __future__ import annotations

import pytest

from models.text import TextSource
from tests.unit.redaction.helpers import found

TYPED = [
    # e-mail
    ("write to john.carter@example.com today", [("EMAIL", "john.carter@example.com")]),
    ("a+b_c@mail.example.co.uk, thanks", [("EMAIL", "a+b_c@mail.example.co.uk")]),
    ("root@[192.168.0.1]", [("EMAIL", "root@[192.168.0.1]")]),
    ("see you @ 5 pm, @news said", []),
    ("pip install pkg@1.2", []),
    # phone
    ("call 415-555-0132", [("PHONE", "415-555-0132")]),
    ("call +44 161 496 0381 now", [("PHONE", "+44 161 496 0381")]),
    ("(212) 555-0187", [("PHONE", "(212) 555-0187")]),
    ("my phone is 2125550187 ext. 12", [("PHONE", "2125550187 ext. 12")]),
    ("on 24.11.2026 and 2026-11-24", []),
    ("at 2:30 pm, table for 4", []),
    # ssn
    ("SSN 536-22-1234", [("SSN", "536-22-1234")]),
    ("social security number: 536221234", [("SSN", "536221234")]),
    ("a number that was never issued, my ssn 000-47-2916", [("SSN", "000-47-2916")]),
    # card: a wrong check digit is a misheard card
    ("card 4111 1111 1111 1111", [("CC", "4111 1111 1111 1111")]),
    ("card 4111 1111 1111 1112", [("CC", "4111 1111 1111 1112")]),
    ("5555555555554444", [("CC", "5555555555554444")]),
    # ip, mac
    ("from 192.168.10.7 port 80", [("IP", "192.168.10.7")]),
    ("addr 2001:db8::8a2e:370:7334", [("IP", "2001:db8::8a2e:370:7334")]),
    ("version 1.2.3, at 12:30:15", []),
    ("mac 00:1A:2B:3C:4D:5E", [("MAC", "00:1A:2B:3C:4D:5E")]),
    # iban
    ("IBAN DE89 3704 0044 0532 0130 00", [("IBAN", "DE89 3704 0044 0532 0130 00")]),
    ("iban GB82WEST12345698765432 please", [("IBAN", "GB82WEST12345698765432")]),
    ("to pt 50 0002 0123 1234 5678 9015 4 please", [("IBAN", "pt 50 0002 0123 1234 5678 9015 4")]),
    ("it 41 w 8000 000 292 1006 4521 1151 and so on", [("IBAN", "it 41 w 8000 000 292 1006 4521 1151")]),
    ("NL91ABNA0417164300 OR NOT", [("IBAN", "NL91ABNA0417164300")]),
    ("NL 91 ABNA 0417 1643 00 OR NOT", [("IBAN", "NL 91 ABNA 0417 1643 00")]),
    ("the valve opens at 13 to 17 and lets 900 litres through", []),
    # wallet, secret, url
    ("pay 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", [("WALLET", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa")]),
    ("the password is hunter2!", [("SECRET", "hunter2!")]),
    ("and pw is Correct-Horse-9", [("SECRET", "Correct-Horse-9")]),
    ("pass: Tr0ub4dour&Pie", [("SECRET", "Tr0ub4dour&Pie")]),
    ("pass 17 houses, then 2 more", []),
    ("the pin is fine but the password is refused", []),
    ("key AKIAIOSFODNN7EXAMPLE", [("SECRET", "AKIAIOSFODNN7EXAMPLE")]),
    ("https://linkedin.com/in/jane-roe-77", [("URL", "https://linkedin.com/in/jane-roe-77")]),
    ("see https://example.org/prices", []),
    # address
    ("he lives at 14 Elm Street", [("ADDRESS", "14 Elm Street")]),
    ("Hauptstraße 12 in Ulm", [("ADDRESS", "Hauptstraße 12")]),
    ("it is SW1A 1AA", [("ADDRESS", "SW1A 1AA")]),
    ("Springfield, IL 62793", [("ADDRESS", "IL 62793")]),
    ("zip code 94110", [("ADDRESS", "94110")]),
    ("we meet in room 12 at the Riverside site", []),
    # birth date, age
    ("born on 4 July 1974", [("DOB", "4 July 1974")]),
    ("DOB: 07/04/1974", [("DOB", "07/04/1974")]),
    ("delivered on 4 July 2024", []),
    ("a 93 year old man", [("AGE", "93")]),
    ("a 43 year old man", []),
    # national and other numbers
    ("PAN ABCPE1234F", [("ID", "ABCPE1234F")]),
    ("cpf 111.444.777-35", [("ID", "111.444.777-35")]),
    ("DNI 12345678Z", [("ID", "12345678Z")]),
    ("MRN: 6402913", [("MEDICAL_ID", "6402913")]),
    ("passport number X1234567", [("PASSPORT", "X1234567")]),
    ("requête (no 71204 / 03)", [("ID", "71204 / 03")]),
    ("sumario 31 / 2001", [("ID", "31 / 2001")]),
    ("affaire no 9 / 1991 / 244 / 305", [("ID", "9 / 1991 / 244 / 305")]),
    ("Ley 17 / 2011", []),
    ("applications nos. 50317/99 and 50318/99", [("ID", "50317/99"), ("ID", "50318/99")]),
    ("the pump 4711/98 was replaced, valve 1/2 too", []),
    # names by title and introduction
    ("ask Dr. Ottilie Marsh about it", [("NAME", "Dr. Ottilie Marsh")]),
    ("booked under Nerys Tolliver at 8", [("NAME", "Nerys Tolliver")]),
    ("my name is anwar sadiq", [("NAME", "anwar sadiq")]),
    ("this is about my bill, it's Monday", []),
    # what a meter reader says
    ("The water meter reads 04821.7 cubic metres.", []),
    ("Reading 1234 m3, meter in the basement.", []),
    ("meter number 12345678 at site 4411", []),
    ("Meter No. 88213456 reading 04821.7 m3", []),
    ("the total was 12,345,678 euros", []),
    ("it costs $1200 or 1,250.00 USD", []),
    ("Sims, S-I-M-S", [("NAME", "Sims"), ("NAME", "S-I-M-S")]),
    ("that is S-I-M-S", [("NAME", "S-I-M-S")]),
]

SPOKEN = [
    ("my email is john dot carter at example dot com", [("EMAIL", "john dot carter at example dot com")]),
    ("q seven t three at g mail dot org", [("EMAIL", "q seven t three at g mail dot org")]),
    ("call four one five, five five five, oh one three two", [("PHONE",
    "four one five, five five five, oh one three two")]),
    ("my number is double five five oh one two three", [("PHONE", "double five five oh one two three")]),
    ("plus nine one seven oh six two eight one three five nine four", [
        ("PHONE", "plus nine one seven oh six two eight one three five nine four")
    ]),
    ("one nine two dot one six eight dot oh dot seven two", [("IP",
    "one nine two dot one six eight dot oh dot seven two")]),
    ("it is: my SSN is four five oh, six two, seven one eight three", [("SSN",
    "four five oh, six two, seven one eight three")]),
    ("it is spelled K, R, Z, Y", [("NAME", "K, R, Z, Y")]),
    ("P as in Peter, A, T, T", [("NAME", "P as in Peter, A, T, T")]),
    ("hotel golf 3 victor", [("ADDRESS", "hotel golf 3 victor")]),
    ("23rd of August 1976", [("DOB", "23rd of August 1976")]),
    ("off March 1968", [("DOB", "off March 1968")]),
    ("l 3 8 q n", [("ADDRESS", "l 3 8 q n")]),
    # must survive
    ("the meter reads four eight two one seven cubic metres", []),
    ("the reading is oh four eight two one seven nine five point three cubic metres", []),
    ("a table for four at seven thirty", []),
    ("two hundred and fifty pounds", []),
    ("I am at the Riverside site to read the water meter", []),
    ("come at 10 25 a.m. or at 2:30 pm", []),
    ("how do I shut it off, I am on a ladder", []),
    ("can we meet at the shop, dot the i", []),
    ("we signed the contract on the 14th of Feb 2017", []),
    ("is there an A T M", []),
]  # fmt: skip

PRINT = [
    ("Maria | 2l2-5S5-O187", [("PHONE", "2l2-5S5-O187")]),
    ("maria.lopez(@example .org", [("EMAIL", "maria.lopez(@example .org")]),
    ("4111 1lll 1111 1111 card", [("CC", "4111 1lll 1111 1111")]),
    ("Meter 57.318", []),
    ("Qn 2.5 m3/h  DN 20", []),
]


@pytest.mark.parametrize(("text", "expected"), TYPED)
def test_typed_text(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(("text", "expected"), SPOKEN)
def test_spoken_text(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text, TextSource.SPEECH) == expected


@pytest.mark.parametrize(("text", "expected"), PRINT)
def test_printed_text(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text, TextSource.OCR) == expected


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("mi correo es ana punto ruiz arroba mi taller punto com", "es", [("EMAIL",
        "ana punto ruiz arroba mi taller punto com")]),
        ("mon numéro est le zéro six quarante et un vingt-huit quinze soixante-trois", "fr", [
            ("PHONE", "zéro six quarante et un vingt-huit quinze soixante-trois")
        ]),
        ("meine nummer ist plus drei und vierzig sechs sieben sechs acht zwo neun", "de", [
            ("PHONE", "plus drei und vierzig sechs sieben sechs acht zwo neun")
        ]),
        ("मेरा ईमेल के टी वी एन ओ पी एट याहू डॉट इन है", "hi", [("EMAIL", "के टी वी एन ओ पी एट याहू डॉट इन")]),
        ("मेरा फ़ोन नंबर सात शून्य तीन आठ दो नौ एक छह चार पाँच है", "hi", [
            ("PHONE", "सात शून्य तीन आठ दो नौ एक छह चार पाँच")
        ]),
    ],
)  # fmt: skip
def test_other_languages(text: str, language: str, expected: list[tuple[str, str]]) -> None:
    assert found(text, TextSource.SPEECH, language) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jo\u200bhn@exa\u200bmple.com", [("EMAIL", "jo\u200bhn@exa\u200bmple.com")]),
        ("jоhn@exаmple.com", [("EMAIL", "jоhn@exаmple.com")]),  # noqa: RUF001 - Cyrillic letters on purpose
        ("call ४१५-५५५-०१३२", [("PHONE", "४१५-५५५-०१३२")]),
        ("call 415‑555‑0132", [("PHONE", "415‑555‑0132")]),  # noqa: RUF001 - hyphens that do not break
    ],
)
def test_disguised_characters(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected
