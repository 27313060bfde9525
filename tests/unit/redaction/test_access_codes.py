"""Codes of letters and digits that open a door, a lock, an alarm or a network; codes of things stay readable."""

from __future__ import annotations

import pytest

from models.text import TextSource
from tests.unit.redaction.helpers import found

CODES = [
    ("en", "the gate code is R7730K", "R7730K"),
    ("en", "Gate code: 8F2, ring twice", "8F2"),
    ("en", "door code 52d18 as always", "52d18"),
    ("en", "the code for the lock box is T9-41", "T9-41"),
    ("en", "the code for gate 12 is 90K71", "90K71"),
    ("en", "the gate code for yard 3B is 8871", "8871"),
    ("fr", "le code du bâtiment C est 8871", "8871"),
    ("de", "der Türcode von Block 4 lautet 88K1", "88K1"),
    ("en", "the code for gate 12 is 9071", "9071"),
    ("en", "our alarm code is 63M90", "63M90"),
    ("en", "alarm code 63M90", "63M90"),
    ("en", "the wifi code is qx7m2k9w", "qx7m2k9w"),
    ("en", "please key in 63M90 at the side door", "63M90"),
    ("en", "the code they texted me is 5K90P1", "5K90P1"),
    ("en", "the access code is 63 M 90", "63 M 90"),
    ("en", 'the lock code is "63M90"', "63M90"),
    ("en", "the gate code is (9071)", "9071"),
    ("en", "keypad code 63-M-90", "63-M-90"),
    ("en", "63M90 is the gate code", "63M90"),
    ("en", "63M90, that's our alarm code", "63M90"),
    ("en", "412 is your security code", "412"),
    ("de", "der Code für die Haustür ist 52D18", "52D18"),
    ("de", "Torcode 52D18, bitte klingeln", "52D18"),
    ("de", "Der Code der Alarmanlage lautet K8812", "K8812"),
    ("de", "Zutrittscode: 7F30", "7F30"),
    ("de", "52D18 ist der Code fürs Tor", "52D18"),
    ("de", "9071 ist der Türcode", "9071"),
    ("de", "der WLAN-Code ist 8812KQ", "8812KQ"),
    ("de", "WPA-Schlüssel: 8812KQ77", "8812KQ77"),
    ("fr", "le code du portail est 52D18", "52D18"),
    ("fr", "le code de la porte B est 90K7", "90K7"),
    ("fr", "code immeuble 52D18", "52D18"),
    ("fr", "le code de l'alarme, c'est 63M90", "63M90"),
    ("fr", "digicode : A90B1", "A90B1"),
    ("fr", "52D18 est le code du garage", "52D18"),
    ("fr", "la clé wifi est 8812kq77", "8812kq77"),
    ("es", "el código de la puerta es 52D18", "52D18"),
    ("es", "código del garaje: 7F30", "7F30"),
    ("es", "la clave de la alarma es 63M90", "63M90"),
    ("es", "52D18 es el código del portal", "52D18"),
    ("es", "la clave wifi es 8812KQ77", "8812KQ77"),
    ("it", "il codice del portone è 52D18", "52D18"),
    ("it", "il codice dell'allarme è 6390", "6390"),
    ("it", "codice cancello: 7F30", "7F30"),
    ("it", "52D18 è il codice della porta", "52D18"),
    ("it", "la chiave del wifi è 8812KQ77", "8812KQ77"),
    ("pt", "o código da porta é 52D18", "52D18"),
    ("pt", "o código da porta é o 4711", "4711"),
    ("es", "el código de la puerta es el 52D18", "52D18"),
    ("fr", "le code du portail est le 4711", "4711"),
    ("it", "il codice del portone è 4711", "4711"),
    ("pt", "o código do alarme é 6390", "6390"),
    ("pt", "código do portão: 7F30", "7F30"),
    ("pt", "52D18 é o código da garagem", "52D18"),
    ("pt", "a chave do wifi é 8812KQ77", "8812KQ77"),
    ("hi", "गेट का कोड 52D18 है", "52D18"),
    ("hi", "darwaze ka code 7F30 hai", "7F30"),
    ("hi", "52D18 गेट का कोड है", "52D18"),
]

STAY = [
    ("en", "the display shows error code E404"),
    ("en", "the washer shows door code E40"),
    ("en", "alarm code A12 means low pressure"),
    ("en", "the alarm code is E31 on the boiler"),
    ("en", "alarm code E104 on the boiler"),
    ("en", "the product code is B12, as printed"),
    ("en", "promo code SUMMER25 at checkout"),
    ("en", "the promo code they sent me is SUMMER25"),
    ("en", "the colour code of the door is RAL7016"),
    ("en", "the part code for the gate is 52D18"),
    ("en", "part number 52D18 for the door"),
    ("en", "the code for gate B12 does not work"),
    ("en", "dress code for the lobby on the 2nd"),
    ("en", "the code of conduct 3rd edition"),
    ("en", "the door code is 2nd on the list"),
    ("en", "the access code changes at 10am"),
    ("en", "building code R302 applies"),
    ("en", "the code of the lift module is in file lift2b"),
    ("en", "a combination of B12 and D3"),
    ("de", "Fehlercode E404 am Tor"),
    ("de", "der Motorcode ist 52D18"),
    ("de", "Artikelcode B12 für die Tür"),
    ("de", "der Code für Tor B12 geht nicht"),
    ("de", "der Türcode ist 24h gültig"),
    ("fr", "code promo HIVER25"),
    ("fr", "le code promo reçu est HIVER25"),
    ("fr", "code erreur F04 du portail"),
    ("fr", "le code couleur de la porte est RAL7016"),
    ("fr", "le code de la porte B12 ne marche pas"),
    ("es", "código de error E404 en la puerta"),
    ("es", "el código promocional que me enviaron es VERANO25"),
    ("it", "codice errore E404 del cancello"),
    ("it", "il codice articolo è B12"),
    ("pt", "código de erro E404 do portão"),
    ("pt", "o código do produto é B12"),
    ("hi", "एरर कोड E404 है"),
]

STAY_IN_WRITING = [  # in speech, "el código" announces a secret, and a code may be the number of an account
    ("es", "el código de producto es B12"),
    ("it", "codice sconto ESTATE25"),
]


@pytest.mark.parametrize(("language", "text", "secret"), CODES)
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH, TextSource.OCR])
def test_codes_with_letters_are_redacted(language: str, text: str, secret: str, source: TextSource) -> None:
    seen = found(text, source, language)
    if source is TextSource.SPEECH:  # where a word beside the code may go with it
        assert any(kind == "SECRET" and secret in value for kind, value in seen)
    else:
        assert seen == [("SECRET", secret)]


@pytest.mark.parametrize(("language", "text"), STAY)
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH])
def test_codes_of_things_are_kept(language: str, text: str, source: TextSource) -> None:
    assert found(text, source, language) == []


@pytest.mark.parametrize(("language", "text"), STAY_IN_WRITING)
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.OCR])
def test_codes_of_things_are_kept_in_writing(language: str, text: str, source: TextSource) -> None:
    assert found(text, source, language) == []


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "the gate code is four seven bee one two"),
        ("en", "the door code is nine oh seven one"),
        ("it", "il codice del cancello è sette due nove uno"),
    ],
)
def test_a_spoken_code_is_redacted(language: str, text: str) -> None:
    assert [kind for kind, _value in found(text, TextSource.SPEECH, language)] == ["SECRET"]
