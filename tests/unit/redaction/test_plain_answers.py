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


@pytest.mark.models
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH])
@pytest.mark.parametrize(
    "said",
    [
        "hiya",
        "Hiya",
        "hiya, just reading the meter",
        "hiya mate",
        "heya",
        "cheers pal",
        "cheers mate",
        "thanks pal",
        "ok pal, on my way",
        "hello mate",
        "ta love",
        "morning all",
    ],
)
def test_greetings_stay(redactor: LocalRedactor, source: TextSource, said: str) -> None:
    assert redactor.redact(RawText(said), RedactionContext(source, "en")).text.value == said


@pytest.mark.models
@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        ("hiya tom", "tom"),
        ("hiya, tom here", "tom"),
        ("hiya roy is my name", "hiya roy"),
        ("my name is hiya", "hiya"),
        ("rahul pal", "rahul pal"),
        ("cheers rahul pal", "rahul pal"),
        ("pal is here", "pal"),
        ("thanks Pal", "Pal"),
    ],
)
def test_names_like_greetings_are_hidden(redactor: LocalRedactor, said: str, hidden: str) -> None:
    assert hidden not in redactor.redact(RawText(said), RedactionContext(TextSource.TYPED, "en")).text.value


@pytest.mark.models
@pytest.mark.parametrize("said", ["hiya", "ta", "cheers pal"])
def test_after_a_question_for_a_name_a_greeting_may_be_one(redactor: LocalRedactor, said: str) -> None:
    context = RedactionContext(TextSource.TYPED, "en", asked_for=("NAME",))
    assert redactor.redact(RawText(said), context).entities
