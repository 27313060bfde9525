"""Values as people of many countries type them: glued to words, with odd separators, dates in words."""

from __future__ import annotations

import pytest

from models.redaction.normalize.view import original, unglued
from models.redaction.slots.filling import fill_told
from models.redaction.slots.spoken_words import SpokenWords
from models.text import Entity
from tests.unit.redaction.helpers import found

PHONES = [
    ("Desk: 212.555.0147ext33, mornings", "212.555.0147ext33"),
    ("Numbers: 555.0142.1784x9 and no other", "555.0142.1784x9"),
    ("call 020 7946 0958, ext. 12 please", "020 7946 0958, ext. 12"),
    ("Try 020.7946.0958#14 if nobody answers", "020.7946.0958#14"),
    ("mi móvil es el +34·655·501·421", "+34·655·501·421"),
    ("telemóvel +351 915_550_142", "+351 915_550_142"),
    ("Sie erreichen mich: 0043-1-5550142 DW 17", "0043-1-5550142 DW 17"),
    ("1-800-555-0142;ext=8812", "1-800-555-0142;ext=8812"),
    ("call me:07700900142thanks", "07700900142"),
    ("tel0655014217merci", "0655014217"),
]

GLUED = [
    ("DOB12/04/1986", "DOB", "12/04/1986"),
    ("CPF529.982.247-25cliente", "ID", "529.982.247-25"),
    ("SSN536221234 is what he typed", "SSN", "536221234"),
    ("My SSN is 417-63-82", "SSN", "417-63-82"),
    ("her social security number: 417 63 820", "SSN", "417 63 820"),
    ("My SSN is 417-63-8204 1", "SSN", "417-63-8204 1"),
]

BIRTH_DATES = [
    ("I was born on the 3rd of May '82.", "3rd of May '82"),
    ("born June 21st, '90", "June 21st, '90"),
    ("Birth date: 21-Jun-90", "21-Jun-90"),
    ("she was born 21st June in Kano", "21st June"),
    ("b. 12 August 1958", "12 August 1958"),
    ("Geb.-Dat. 3/5/82", "3/5/82"),
    ("geboren am dritten Mai 1982", "dritten Mai 1982"),
    ("nací el primero de abril del 84", "primero de abril del 84"),
    ("F. nac.: 14-07-79", "14-07-79"),
    ("nascido em 1º de abril de 84", "1º de abril de 84"),
    ("nato il 1° aprile '84", "1° aprile '84"),
    ("född 3 maj 1982", "3 maj 1982"),
    ("geboren op 3 mei 1982", "3 mei 1982"),
    ("मेरा जन्म 14 जुलाई 79 को हुआ", "14 जुलाई 79"),
]

ADDRESSES = [
    ("Eircode D02 AF30", "D02 AF30"),
    ("we moved to Melbourne VIC 3000", "VIC 3000"),
    ("PLZ 6020", "6020"),
    ("postcode 0010, Pretoria", "0010"),
    ("k1a 0b1 is my postal code", "k1a 0b1"),
    ("Buenos Aires, C1425DKA", "C1425DKA"),
    ("Μένω στην οδό Ερμού 15", "οδό Ερμού 15"),
    ("Bağdat Cad. No: 45/3", "Bağdat Cad. No: 45/3"),
    ("Jalan Ampang 12", "Jalan Ampang 12"),
    ("Jeg bor på Nørregade 112, 2. tv", "Nørregade 112, 2. tv"),
    ("14 Elm Street, NY 10001", "14 Elm Street, NY 10001"),
]

INITIALS = [
    ("es", "El juez leyó la declaración de K. en voz alta.", ["K."]),
    ("es", "Según R , la puerta estaba abierta.", ["R"]),
    ("fr", "Il a entendu le témoin ( L . ) le lundi.", ["L ."]),
    ("fr", "La lettre envoyée par H. est arrivée.", ["H."]),
    ("de", "Die Aussage von T. wurde verlesen.", ["T."]),
    ("es", "Anexo B, grupo C, vitamina D, de tipo C.", []),
    ("fr", "Point A, salle B, sans S.A. enfin, par classe C", []),
    ("de", "Halle B, Klasse D, mit Typ C.", []),
    ("en", "Plan B, from C to F, by P.", []),
]

HARMLESS = [
    "Contract of 3rd May '22, order of 14-07-24.",
    "It rose by +1,200,000 in May.",
    "invoice4471902 is paid",
    "The order20260412 file, scan20260412143022 and 1000000euros",
    "Vertrag vom 03.05.22 bis zum dritten Mai",
    "Call 12 x 5 metres of pipe",
    "We paid 1010 for model 1011 AB and 2000 in spring.",
    "A123456 and B12345A are parts; the gang met at gate 12",
    "a boiler of 147 kW and 20 kg of salt",
    "the SSN is 2 lines long",
]


@pytest.mark.parametrize(("text", "value"), PHONES)
def test_telephone_numbers_are_found_whole(text: str, value: str) -> None:
    assert found(text) == [("PHONE", value)]


@pytest.mark.parametrize(("text", "label", "value"), GLUED)
def test_numbers_glued_to_words_are_found(text: str, label: str, value: str) -> None:
    assert any(kind == label and value in span for kind, span in found(text))


@pytest.mark.parametrize(("text", "value"), BIRTH_DATES)
def test_birth_dates_are_found_in_the_words_of_many_languages(text: str, value: str) -> None:
    assert [span for kind, span in found(text) if kind == "DOB"] == [value]


@pytest.mark.parametrize(("text", "value"), ADDRESSES)
def test_postcodes_and_streets_of_many_countries_are_found(text: str, value: str) -> None:
    assert any(kind == "ADDRESS" and value in span for kind, span in found(text))


@pytest.mark.parametrize(("language", "text", "initials"), INITIALS)
def test_initials_in_running_text_are_names(language: str, text: str, initials: list[str]) -> None:
    assert [span for _kind, span in found(text, language=language)] == initials


@pytest.mark.parametrize("text", HARMLESS)
def test_numbers_that_belong_to_nobody_stay(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize("text", ["model TX482193", "img20.jpg", "a 0655014217 b", "x@abc123456def.com", "12345678Z"])
def test_a_short_or_foreign_prefix_does_not_count_as_glue(text: str) -> None:
    assert unglued(text) is None


def test_unglued_text_maps_to_the_original() -> None:
    view = unglued("tel0655014217merci")
    assert view is not None
    assert view.text == "tel 0655014217 merci"
    assert view.original_span(4, 14) == (3, 13)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (
            "My card is 4111 1111 1111 1111, no wait, 4111 1111 1111 1129",
            ["4111 1111 1111 1111", "4111 1111 1111 1129"],
        ),
        ("My SSN is five 3 6, two two, 1234", ["five 3 6, two two, 1234"]),
        ("My passport is R147 KW", ["R147 KW"]),
        ("My passport is T63 kg", ["T63 kg"]),
        ("call 415 555 0132, sorry, 415 555 0187", ["415 555 0132", "415 555 0187"]),
    ],
)
def test_announced_and_corrected_values_are_redacted(text: str, hidden: list[str]) -> None:
    assert [value for _, value in found(text)] == hidden


@pytest.mark.parametrize(
    "text", ["my code is 2500 lines long", "our number is up", "the reading is 48217, order 88123"]
)
def test_what_only_looks_announced_is_kept(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "known", "left"),
    [
        ("My account number is 4471 9026 3315", "is 4", ["4471 9026 3315"]),
        ("My account number is 4471 9026 3315", "9026", ["4471", "3315"]),
        ("My account number is 4471 9026 3315", "4471 9026 3315", []),
        ("My account number is 4471 nine six", "4471", ["nine six"]),
        ("My mobile is 4471 902633 E-mail", "4471 902633", []),
        ("My passport is R147 KW", "R147", ["KW"]),
        ("My passport is R147 DOB", "R147", []),
        ("My door code is maple 42 tango", "42", ["maple", "tango"]),
        ("My account number is 4471 9026, meter reading 20817 kWh", "4471 9026", []),
    ],
)
def test_what_is_left_of_an_announced_value_is_redacted(text: str, known: str, left: list[str]) -> None:
    start = text.index(known)
    found = [Entity("NAME", start, start + len(known), 0.9, "other")]
    told = fill_told(SpokenWords(original(text), "en"), found)
    assert [text[entity.start : entity.end] for entity in told] == left
