"""Numbers of things and amounts in German, Spanish, French and Hindi stay; numbers of people beside them do not."""

from __future__ import annotations

import pytest

from models.redaction.normalize.view import original
from models.redaction.recognizers.filters.quantity_context import is_amount, is_harmless
from models.text import TextSource
from tests.unit.redaction.helpers import found


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Die Seriennummer der Pumpe? Seriennummer: 90817263"),
        ("de", "Bestellnummer 5512098 vom Mai"),
        ("de", "Rg. 4711 vom Mai, das kostet nie 2000 Euro"),
        ("de", "Lieferschein-Nr. 66120934"),
        ("de", "Bestell-Nr. 4500123456"),
        ("de", "Nummer der Bestellung 4500123456"),
        ("en", "the number of the invoice 4500123456"),
        ("es", "número de la factura 4500123456"),
        ("fr", "n° de la commande 4500123456"),
        ("de", "Zählernummer 1ESY1161234567 am Schrank"),
        ("de", "Gerät mit Seriennummer XK 8812 00934"),
        ("es", "el número de serie es 90817263"),
        ("es", "pedido número 5512098"),
        ("es", "Lectura anterior 120934, lectura actual 121007"),
        ("es", "factura nº 66120934"),
        ("fr", "le numéro de série est le 90817263"),
        ("fr", "numéro de commande : 5512098"),
        ("fr", "Relevé précédent 120934"),
        ("fr", "bon de livraison n° 66120934"),
        ("hi", "सीरियल नंबर 90817263 है"),
        ("hi", "ऑर्डर नंबर 5512098 कब आएगा"),
        ("hi", "shikayat number 5512098 ka kya hua"),
    ],
)
def test_reference_numbers_are_kept(language: str, text: str) -> None:
    assert found(text, language=language) == []


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "I have a complaint, 4155550132", "4155550132"),
        ("en", "complaint. 415 555 0132", "415 555 0132"),
        ("en", "I am at the taxi stand 4155550132", "4155550132"),
        ("en", "Here is the complaint: 536221234", "536221234"),
        ("en", "I opened a ticket, 415 555 0132.", "415 555 0132"),
        ("en", "my order (415) 555 0132", "(415) 555 0132"),
        ("en", "About the order: 4155550132 is mine", "4155550132"),
        ("es", "Mi pieza, 612 34 56 78", "612 34 56 78"),
        ("fr", "C'est pour une facture, 06 12 34 56 78", "06 12 34 56 78"),
        ("hi", "मेरी शिकायत है 98765 43210", "98765 43210"),
        ("hi", "meri shikayat 9876543210", "9876543210"),
    ],
)
def test_a_telephone_number_after_an_object_is_redacted(language: str, text: str, value: str) -> None:
    assert [piece for _type, piece in found(text, language=language)] == [value]


@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH])
@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "no invoice 07700 900123", "07700 900123"),
        ("en", "there is no ticket 07700 900123", "07700 900123"),
        ("en", "I have no order 4155550132", "4155550132"),
        ("en", "my id is a ticket 4155550132", "4155550132"),
        ("en", "I need a spare part. 41555501", "41555501"),
        ("es", "no es la factura 612345678", "612345678"),
        ("es", "no pedido 612345678", "612345678"),
        ("pt", "está no pedido 912 345 678", "912 345 678"),
        ("pt", "o número está no pedido 912345678", "912345678"),
        ("hi", "मेरा नंबर आज बिल 9876543210", "9876543210"),
        ("hi", "नंबर मीटर 98765 43210", "98765 43210"),
        ("de", "nr bestellung 01714821395", "01714821395"),
        ("de", "Meine Nummer ist neu Bestellung 01714821395", "01714821395"),
        ("fr", "no commande 0612345678", "0612345678"),
    ],
)
def test_no_and_is_before_an_object_make_no_reference_number(
    language: str, text: str, value: str, source: TextSource
) -> None:
    assert value.replace(" ", "") in "".join(piece for _type, piece in found(text, source, language)).replace(" ", "")


@pytest.mark.parametrize(
    ("language", "text", "kind", "value"),
    [
        ("de", "Seriennummer 90817263, Rückruf an 0151 23456789", "PHONE", "0151 23456789"),
        ("de", "Meine Nummer ist 0151 23456789", "PHONE", "0151 23456789"),
        ("de", "zur Bestellung: Telefon 0151 23456789", "PHONE", "0151 23456789"),
        ("de", "Kundennummer 90817263", "ID", "90817263"),
        ("es", "número de serie 90817263, avisen al 655 443 322", "PHONE", "655 443 322"),
        ("es", "para el pedido, mi número es 655443322", "PHONE", "655443322"),
        ("fr", "numéro de série 90817263, rappelez le 06 55 44 33 22", "PHONE", "06 55 44 33 22"),
        ("fr", "pour la commande le numéro est 0655443322", "PHONE", "0655443322"),
        ("en", "for the order the number is 415 555 0132", "PHONE", "415 555 0132"),
        ("fr", "pour la commande, le numéro est 0655443322", "PHONE", "0655443322"),
        ("hi", "सीरियल नंबर 90817263, मेरा नंबर 9811223344", "PHONE", "9811223344"),
        ("hi", "ऑर्डर के लिए मेरा नंबर 9811223344 है", "PHONE", "9811223344"),
    ],
)
def test_numbers_of_people_are_redacted(language: str, text: str, kind: str, value: str) -> None:
    assert (kind, value) in found(text, language=language)


@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.OCR])
@pytest.mark.parametrize(
    ("language", "text", "kind", "value"),
    [
        ("en", "membership number 415 555 0177", "ID", "415 555 0177"),
        ("en", "client id 415 555 0177", "ID", "415 555 0177"),
        ("en", "my policy number is 020 7946 0911", "ID", "020 7946 0911"),
        ("en", "account number: 415 555 0177", "ACCOUNT", "415 555 0177"),
        ("en", "number of the account 415 555 0177", "ACCOUNT", "415 555 0177"),
        ("en", "patient no. 415 555 0177", "MEDICAL_ID", "415 555 0177"),
        ("de", "Mitgliedsnummer 0151 23456777", "ID", "0151 23456777"),
        ("de", "Versicherungs-Nr. 4711 0815 77", "ID", "4711 0815 77"),
        ("de", "mein Beitrag, Personalnummer 88 1207", "ID", "88 1207"),
        ("de", "Kontonummer 0151 23456777", "ACCOUNT", "0151 23456777"),
        ("de", "Kundennummer 4711", "ID", "4711"),
        ("es", "número de socio: 612 345 677", "ID", "612 345 677"),
        ("es", "número de cuenta 612 345 677", "ACCOUNT", "612 345 677"),
        ("fr", "n° client 06 12 34 56 77", "ID", "06 12 34 56 77"),
        ("it", "numero cliente 347 123 4577", "ID", "347 123 4577"),
        ("pt", "o número de cliente é 912 345 677", "ID", "912 345 677"),
        ("hi", "ग्राहक संख्या 98765 43277", "ID", "98765 43277"),
        ("en", "customer number +44 20 7946 0911", "PHONE", "+44 20 7946 0911"),
        ("en", "customer phone number 415 555 0177", "PHONE", "415 555 0177"),
        ("en", "the customer 415-555-0177 called", "PHONE", "415-555-0177"),
        ("en", "the customer's number is 415 555 0177", "PHONE", "415 555 0177"),
        ("de", "Telefonnummer des Kunden 0151 23456777", "PHONE", "0151 23456777"),
    ],
)
def test_the_name_of_a_number_tells_its_type(
    language: str, text: str, kind: str, value: str, source: TextSource
) -> None:
    assert found(text, source, language) == [(kind, value)]


@pytest.mark.parametrize(
    ("language", "text", "dates"),
    [
        ("de", "meine bestellnummer ist 5581974", []),
        ("fr", "ma commande 5581974", []),
        ("de", "am 5 8 1974", ["5 8 1974"]),
        ("es", "nací el 5 de agosto 1974", ["5 de agosto 1974"]),
    ],
)
def test_a_number_that_ends_like_a_year_is_not_a_date(language: str, text: str, dates: list[str]) -> None:
    hidden = [piece for kind, piece in found(text, TextSource.SPEECH, language) if kind == "DOB"]
    assert [any(date in piece for piece in hidden) for date in dates] == [True] * len(dates)
    assert bool(hidden) is bool(dates)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("कुल 1750 रुपये हुए", "1750"),
        ("₹1750 जमा करें", "1750"),
        ("कुल 2,750 रुपए", "2,750"),
        ("यह 240 यूनिट है", "240"),
        ("यहाँ से 18 किलोमीटर", "18"),
        ("सुबह 11 बजे आइए", "11"),
        ("das dauert 48 Stunden", "48"),
        ("a 12 metros de la pared", "12"),
        ("depuis 15 jours", "15"),
        ("bill 1750 rupaye ka hai", "1750"),
        ("Netz: 230 V, 50 Hz", "230"),
        ("Leistung 1800 W.", "1800"),
        ("achtzehn heißt 1800 Watt", "1800"),
    ],
)
def test_amounts_are_recognized(text: str, number: str) -> None:
    at = text.index(number)
    assert is_amount(original(text), at, at + len(number))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1800 W Lake St", "1800"),
        ("12 दिनेश जी", "12"),
        ("कमरा 14 बारह लोग", "14"),
        ("98112233445 रुपये", "98112233445"),
    ],
)
def test_numbers_that_only_resemble_amounts_are_not_amounts(text: str, number: str) -> None:
    at = text.index(number)
    assert not is_harmless(original(text), at, at + len(number))
