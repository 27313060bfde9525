"""What people who tried it saw hidden that should stay, and shown that should not."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.redaction.redactor import build_redactor
from models.redaction.types import RedactionContext, Redactor
from models.text import RawText


@pytest.fixture(scope="module")
def redactor(weights_cache: Path) -> Redactor:
    return build_redactor(weights_cache)


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("fr", "Le compteur marque 01284,7 m3 à 8 h 15."),
        ("fr", "La réunion est à 9 h 45."),
        ("fr", "Ouvert de 8 h à 12 h 30"),
        ("hi", "मीटर रीडिंग 04821 है।"),
        ("de", "Die Bestellnummer ist 88120."),
    ],
)
def test_readings_and_times_stay(redactor: Redactor, language: str, text: str) -> None:
    assert redactor.redact(RawText(text), RedactionContext(language=language)).text.value == text


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "text", "secret"),
    [
        ("en", "the code on the back is 412", "412"),
        ("en", "The code on the back of the card is 7731", "7731"),
        ("en", "the three digits on the back are 412", "412"),
        ("de", "Die Nummer auf der Rückseite ist 412", "412"),
        ("es", "El código del reverso es 412", "412"),
        ("fr", "Mon code de carte bleue est 4821", "4821"),
        ("fr", "le code au dos de la carte est 412", "412"),
        ("de", "Die Anruferin ist eine 94-jährige Dame.", "94"),
    ],
)
def test_codes_and_ages_do_not(redactor: Redactor, language: str, text: str, secret: str) -> None:
    assert secret not in redactor.redact(RawText(text), RedactionContext(language=language)).text.value
