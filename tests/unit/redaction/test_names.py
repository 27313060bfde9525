"""Names in five languages with the real classifier, head and lists: what must go, and what must stay."""

from __future__ import annotations

import pytest

from benchmarks._named import UNNAMED, named
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from models.training.harmless_hindi import MEASURED_HINDI
from tests.unit.redaction.harmless_visits import MEASURED_VISITS


@pytest.fixture(scope="module")
def redactor(real_redactor: LocalRedactor) -> LocalRedactor:
    return real_redactor


def _redacted(redactor: LocalRedactor, text: str, language: str, source: TextSource = TextSource.TYPED) -> str:
    return redactor.redact(RawText(text), RedactionContext(source, language)).text.value


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "text", "names"),
    [
        ("en", "Priyanka told Bartholomew that the valve is closed.", ["Priyanka", "Bartholomew"]),
        ("en", "yesterday dmitri and yolanda walked round the plant", ["dmitri", "yolanda"]),
        ("en", "My manager Okwudili Nwosu signed the form.", ["Okwudili", "Nwosu"]),
        ("en", "ask for jo or sam", ["jo", "sam"]),
        ("en", "ask for jo and sam", ["jo", "sam"]),
        ("de", "Laut Brandt war das Ventil schon im Mai undicht.", ["Brandt"]),
        ("de", "Wiebke Petersen hat den Zähler gestern abgelesen.", ["Wiebke", "Petersen"]),
        ("de", "Annegrets Bericht liegt seit Montag im Büro.", ["Annegret"]),
        ("es", "Según Marisol Quintanilla, la tubería estaba rota.", ["Marisol", "Quintanilla"]),
        ("fr", "Selon Bérengère Vasseur, la vanne fuyait déjà.", ["Bérengère", "Vasseur"]),
        ("hi", "श्री हरीश वर्मा ने फ़ॉर्म पर हस्ताक्षर किए।", ["हरीश", "वर्मा"]),
        ("hi", "mera naam rakesh yadav hai aur main mumbai se hoon", ["rakesh", "yadav"]),
    ],
)
def test_names_are_redacted(redactor: LocalRedactor, language: str, text: str, names: list[str]) -> None:
    value = _redacted(redactor, text, language)
    assert [name for name in names if name in value] == []


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Meter 00482 reads 7719, the seal is broken."),
        ("en", "from 6:35 p.m. to 3 a.m. on Sunday"),
        ("en", "Could you put me through to the billing department?"),
        ("en", "I am at the Riverside site to read the water meter."),
        ("en", "how do i reset my password on the app"),
        ("de", "Die Pumpe im Erdgeschoss läuft seit gestern nicht mehr."),
        ("de", "Bitte unterschreiben Sie auf der zweiten Seite."),
        ("es", "La bomba del sótano no funciona desde ayer."),
        ("fr", "Le contrat avec la régie des eaux finit en automne."),
        ("hi", "तहखाने का पंप कल से बंद है।"),
    ],
)
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH])
def test_harmless_sentences_are_kept(redactor: LocalRedactor, language: str, text: str, source: TextSource) -> None:
    assert _redacted(redactor, text, language, source) == text


@pytest.mark.models
def test_few_names_leak_and_few_harmless_sentences_change(redactor: LocalRedactor) -> None:
    leaked = total = 0
    for language, text, spans in named():
        hidden = redactor.redact(RawText(text), RedactionContext(language=language)).entities
        for start, end in spans:
            total += 1
            leaked += not any(e.start <= start and end <= e.end for e in hidden)
    touched = sum(_redacted(redactor, text, language) != text for language, text in UNNAMED)
    assert leaked / total <= 0.12  # 3 or 4 of 38, as the processor's arithmetic has it
    assert touched / len(UNNAMED) <= 0.08


@pytest.mark.models
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH])
def test_few_harmless_hindi_sentences_change(redactor: LocalRedactor, source: TextSource) -> None:
    touched = sum(_redacted(redactor, text, language, source) != text for language, text in MEASURED_HINDI)
    assert touched / len(MEASURED_HINDI) <= 0.12


@pytest.mark.models
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH])
def test_few_harmless_visit_sentences_change(redactor: LocalRedactor, source: TextSource) -> None:
    touched = sum(_redacted(redactor, text, language, source) != text for language, text in MEASURED_VISITS)
    assert touched / len(MEASURED_VISITS) <= 0.16
