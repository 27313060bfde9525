"""Words of which recognition is not sure are hidden with the value beside them."""

from __future__ import annotations

import pytest

from models.redaction.policy.loader import parse_policies
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText, Recognition, RecognizedWord, TextSource
from tests.fakes.classifier import WordListClassifier

REDACTOR = LocalRedactor(WordListClassifier({"torvik": "SURNAME", "inga": "GIVEN_NAME"}))
SPEECH = RedactionContext(TextSource.SPEECH, "en")


def redacted(marked: str) -> str:
    """The redaction of a text in which "word~0.3" is a word with that confidence; the others have 0.95."""
    words, written = list[RecognizedWord](), ""
    for piece in marked.split():
        word, _, confidence = piece.partition("~")
        start = len(written) + bool(written)
        written = f"{written} {word}".strip()
        words.append(RecognizedWord(start, start + len(word), float(confidence or 0.95)))
    return REDACTOR.redact(RawText(written, Recognition(tuple(words))), SPEECH).text.value


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("my car is AB12 CDE, 47~0.6 and it leaks", "my car is [REDACTED_PLATE] and it leaks"),
        ("this is Inga Torvik sen~0.04 from the shop", "this is [REDACTED_NAME] from the shop"),
        ("this is Inga Torvik sen~0.4 from the shop", "this is [REDACTED_NAME] sen from the shop"),
        ("write to Zed~0.05 Torvik, please", "write to [REDACTED_NAME], please"),
        ("ask Inga Torvik and~0.02 wait", "ask [REDACTED_NAME] and wait"),
        ("ask Inga Torvik K~0.5 B~0.5 soon", "ask [REDACTED_NAME] soon"),
        ("the blorn~0.03 is in room 12~0.3 today", "the blorn is in room 12 today"),
        ("Inga Torvik 48~0.6 cubic meters", "[REDACTED_NAME] 48 cubic meters"),
        ("Inga Torvik one~0.2 two~0.2 six~0.2 pumps~0.08", "[REDACTED_NAME] pumps"),
    ],
)
def test_a_doubted_word_goes_with_the_value_beside_it(marked: str, expected: str) -> None:
    assert redacted(marked) == expected


def test_a_word_without_a_confidence_is_not_in_doubt() -> None:
    text = RawText("this is Inga Torvik sen", Recognition((RecognizedWord(0, 4, 0.9),), confidence=0.1))
    assert REDACTOR.redact(text, SPEECH).text.value == "this is [REDACTED_NAME] sen"


def test_what_a_policy_allows_is_not_taken() -> None:
    allowing = LocalRedactor(
        WordListClassifier({"torvik": "SURNAME"}), policies=parse_policies("default: {allow: [Sensor B]}")
    )
    text = "Torvik Sensor B"
    recognition = Recognition((RecognizedWord(0, 6, 0.9), RecognizedWord(7, 13, 0.01), RecognizedWord(14, 15, 0.1)))
    assert allowing.redact(RawText(text, recognition), SPEECH).text.value == "[REDACTED_NAME] Sensor B"


@pytest.mark.parametrize(
    ("text", "confidence", "safe"),
    [
        ("it was something like 48 he thinks", 0.4, False),
        ("it was something like four eight he thinks", 0.4, False),
        ("it was something like 48 he thinks", 0.8, True),
        ("it was something like 4 he thinks", 0.4, True),
        ("the reading is 4821", 0.4, True),
        ("that was 48 euros at the shop", 0.4, True),
        ("the meter leaks", 0.4, True),
        ("call me on 415-555-0132", 0.4, True),
    ],
)
def test_a_doubted_text_with_an_unexplained_number_is_not_safe(text: str, confidence: float, safe: bool) -> None:
    rated = RawText(text, Recognition(confidence=confidence))
    assert REDACTOR.redact(rated, SPEECH).text.safe_for_llm is safe


@pytest.mark.parametrize(
    ("text", "alternative", "expected"),
    [
        ("this is tore vick from the shop", "this is Torvik from the shop", "this is [REDACTED_NAME] from the shop"),
        ("it is 4155 oh well at the gate", "it is 415-555-0132 at the gate", "it is [REDACTED_PHONE] at the gate"),
        ("the pump leaks", "Torvik, the pump leaks", "the pump leaks"),
        ("call Torvik at noon", "call Torvik at night", "call [REDACTED_NAME] at noon"),
    ],
)
def test_what_another_hypothesis_names_is_hidden_in_its_place(text: str, alternative: str, expected: str) -> None:
    rated = RawText(text, Recognition(alternatives=(RawText(alternative),)))
    assert REDACTOR.redact(rated, SPEECH).text.value == expected
