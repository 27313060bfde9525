"""Security codes, one-time codes, codes of doors, ends of numbers, and passwords that are words."""

from __future__ import annotations

import pytest

from models.text import TextSource
from tests.unit.redaction.helpers import found

CODES = [
    ("en", "CVC: 907", "907"),
    ("en", "the three digits, the security code, are 907", "907"),
    ("en", "I was texted an OTP, it says; OTP is 55 90 31", "55 90 31"),
    ("en", "the code they texted me is 559031", "559031"),
    ("en", "the code I just got by sms was 559 031", "559 031"),
    ("en", "verification code G-559031", "G-559031"),
    ("en", "the code to the front door is 9071#", "9071#"),
    ("en", "garage code: 9071", "9071"),
    ("en", "the code on the back is 412", "412"),
    ("en", "The code on the back of the card is 7731", "7731"),
    ("es", "El código del reverso es 412", "412"),
    ("fr", "Mon code de carte bleue est 4821", "4821"),
    ("fr", "le code au dos de la carte est 412", "412"),
    ("de", "Die Nummer auf der Rückseite ist 412", "412"),
    ("en", "the three digits on the back are 412", "412"),
    ("en", "the combination for the safe is 31-9-27", "31-9-27"),
    ("en", "my pin number 9071", "9071"),
    ("en", "the gate code's 9071", "9071"),
    ("en", "please use code 9071 for the back door", "9071"),
    ("en", "press 9071 at the gate", "9071"),
    ("en", "the code for the gate, the rear one, is 9071", "9071"),
    ("en", "the gate code, it is 9071", "9071"),
    ("en", "the front door code is 907", "907"),
    ("es", "el código de la puerta es 9071", "9071"),
    ("es", "el código que me enviaron es 559031", "559031"),
    ("fr", "le code d'entrée est 9071", "9071"),
    ("de", "der Türcode lautet 9071", "9071"),
    ("de", "meine TAN ist 559031", "559031"),
    ("hi", "ओटीपी 559031 है", "559031"),
]

SAID = [
    ("en", "the cvv on the card is nine oh seven", "nine oh seven"),
    ("en", "door code is nine zero seven one", "nine zero seven one"),
    ("en", "the combination is thirty one nine twenty seven", "thirty one nine twenty seven"),
    ("es", "el código de seguridad es nueve cero siete", "nueve cero siete"),
    ("de", "der sicherheitscode ist neun null sieben", "neun null sieben"),
]

PASSWORDS = [
    ("en", "our wifi password is greenlantern", "greenlantern"),
    ("en", "the password for the router is now quiet river nine", "quiet river nine"),
    ("en", "Passphrase: correct-horse", "correct-horse"),
    ("en", "I set my password to moonwalk, sorry", "moonwalk"),
    ("en", "password x7mango please", "x7mango"),
    ("de", "unser WLAN-Passwort lautet Seepferdchen", "Seepferdchen"),
    ("de", "das Kennwort ist blauer Stein und der Rest egal", "blauer Stein"),
    ("es", "la contraseña del wifi es luna roja", "luna roja"),
    ("es", "mi clave es tigre9", "tigre9"),
    ("fr", "le mot de passe : soleil vert", "soleil vert"),
    ("hi", "wifi ka password neela haathi hai", "neela haathi"),
    ("hi", "पासवर्ड है सूरज", "सूरज"),
    ("en", "the password is easy meadow42", "easy meadow42"),
    ("en", "my password is wrong turn lucky", "wrong turn lucky"),
    ("en", "my password is bearded", "bearded"),
    ("en", "the password is ladyoftheevening", "ladyoftheevening"),
    ("fr", "mon mot de passe est bon vent", "bon vent"),
]

STAY = [
    ("en", "error code 907 on the display"),
    ("en", "the fault code you sent me is 559031 again"),
    ("en", "article code 9071, discount code 559031, in stock"),
    ("en", "a combination of 907 parts"),
    ("en", "the alarm code 31 means low pressure"),
    ("en", "security code section 4 was updated"),
    ("en", "the last four digits of the meter are 9071"),
    ("en", "the combination is 9000 dollars, thanks"),
    ("en", "the combination is 90 and 71 pumps in stock"),
    ("en", "the building code is 2021 edition, as said"),
    ("en", "the fault access code is 9071, as said"),
    ("en", "the access code error is 9071, as said"),
    ("en", "press 9071 on the display"),
    ("en", "the code you sent us failed, the total is 9071, thanks"),
    ("en", "I forgot my password please help"),
    ("en", "my password is not accepted"),
    ("en", "the password was changed yesterday"),
    ("en", "password is case sensitive"),
    ("en", "the password is at least eight characters long"),
    ("en", "Is the password the same as before?"),
    ("en", "what is the password for the app"),
    ("en", "the password is on the back of the router"),
    ("en", "the password is something you choose yourself"),
    ("en", "Password: refer to the sheet"),
    ("en", "the password is still wrong, I tried it again"),
    ("en", "my password is apparently expired"),
    ("en", "the password is valid until 2031"),
    ("de", "Mein Passwort ist heute abgelaufen."),
    ("de", "das Kennwort ist leider nicht mehr gültig"),
    ("fr", "le mot de passe est expiré depuis hier"),
    ("de", "mein Passwort ist falsch"),
    ("en", "The password is strong enough"),
    ("en", "The password is secure enough for us"),
    ("en", "The password is expired tomorrow"),
    ("en", "The password is wrong anyway"),
    ("en", "The password is changed every month"),
    ("en", "The password is locked after five tries"),
    ("en", "The password is saved across devices"),
    ("en", "The password is set per user"),
    ("de", "Das Passwort ist falsch wieder"),
    ("es", "La contraseña es correcta para todos"),
    ("fr", "Le mot de passe est enregistré dans le coffre"),
    ("de", "das Passwort wurde zurückgesetzt"),
    ("es", "la contraseña es incorrecta"),
    ("es", "la clave es la paciencia"),
    ("fr", "mon mot de passe est oublié"),
    ("hi", "mera password kya hai"),
    ("hi", "password yaad nahi hai"),
]


@pytest.mark.parametrize(("language", "text", "secret"), CODES)
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.OCR])
def test_security_codes_are_redacted(language: str, text: str, secret: str, source: TextSource) -> None:
    assert ("SECRET", secret) in found(text, source, language)


@pytest.mark.parametrize(("language", "text", "secret"), SAID)
def test_spoken_security_codes_are_redacted(language: str, text: str, secret: str) -> None:
    assert found(text, TextSource.SPEECH, language) == [("SECRET", secret)]


@pytest.mark.parametrize(("language", "text", "secret"), PASSWORDS)
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH])
def test_passwords_are_redacted(language: str, text: str, secret: str, source: TextSource) -> None:
    assert found(text, source, language) == [("SECRET", secret)]


@pytest.mark.parametrize(("language", "text"), STAY)
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH])
def test_talk_about_codes_and_passwords_is_kept(language: str, text: str, source: TextSource) -> None:
    assert found(text, source, language) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the last 4 of his social: 9071", [("SSN", "9071")]),
        ("last four digits of the ssn are 9071", [("SSN", "9071")]),
        ("my visa card ending in 9071", [("ID", "9071")]),
        ("her social ends in 9071", [("ID", "9071")]),
        ("the last four of my credit card are 9071", [("ID", "9071")]),
        ("die letzten vier Ziffern meiner Karte sind 9071", [("ID", "9071")]),
    ],
)
def test_the_last_digits_of_a_number_are_redacted(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_two_passwords_are_both_redacted() -> None:
    assert found("my password is not tulip88, it's meadow42") == [("SECRET", "tulip88"), ("SECRET", "meadow42")]
