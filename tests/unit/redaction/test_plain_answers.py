"""Words with which people answer, hold and correct a talk. The classifier takes them for names; they name nobody."""

from __future__ import annotations

import pytest

from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource


@pytest.fixture(scope="module")
def redactor(real_redactor: LocalRedactor) -> LocalRedactor:
    return real_redactor


@pytest.mark.models
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH])
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", "Nein warte, es sind 48.215 Kilometer"),
        ("de", "Nein danke"),
        ("de", "Alles klar"),
        ("de", "Doch, warte"),
        ("en", "Hmm, dunno"),
        ("en", "Gosh, no idea"),
        ("es", "Ninguno"),
        ("es", "Perdona, quería decir otra cosa"),
        ("fr", "Non merci"),
        ("pt", "Nenhum"),
    ],
)
def test_they_stay(redactor: LocalRedactor, source: TextSource, language: str, said: str) -> None:
    redaction = redactor.redact(RawText(said), RedactionContext(source, language))
    assert (redaction.text.value, redaction.entities) == (said, ())


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "said", "hidden"),
    [
        ("de", "Nein, Warte Schulze", "Schulze"),
        ("de", "Ja, Klaus Klar hier", "Klaus Klar"),
        ("en", "No wait, Maria Lopez", "Maria Lopez"),
        ("en", "Yes, it's Hugo", "Hugo"),
        ("es", "Perdona, Ninguno Pérez", "Pérez"),
        ("pt", "Não, Joana", "Joana"),
    ],
)
def test_names_beside_them_are_hidden(redactor: LocalRedactor, language: str, said: str, hidden: str) -> None:
    redacted = redactor.redact(RawText(said), RedactionContext(TextSource.TYPED, language)).text
    assert hidden not in redacted.value
    assert redacted.counts["NAME"]
