"""Times of day beside telephone numbers and codes."""

from __future__ import annotations

import pytest

from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.unit.redaction.helpers import found


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("mobile 07700-900-417 after 5pm", "07700-900-417"),
        ("call me after 5pm on 0161 496 0455", "0161 496 0455"),
        ("ring before 9am please, mobile is 07700 900 417", "07700 900 417"),
        ("ext 4417 before 6:30pm", "4417"),
        ("ext 4417 before 6.30 pm", "4417"),
        ("call me after 9 am on 0161 496 0455", "0161 496 0455"),
        ("call me after 9 a.m. on 0161 496 0455", "0161 496 0455"),
        ("call me after 17:30 on 0161 496 0455", "0161 496 0455"),
        ("my number is 0161 496 0455, after half past five", "0161 496 0455"),
        ("phone 0161 496 0455 between 9am and 5pm", "0161 496 0455"),
        ("phone 0161 496 0455 between 9 and 5pm", "0161 496 0455"),
        ("phone 0161 496 0455, mornings 8am to 10.30am", "0161 496 0455"),
        ("tel 0161 496 0455 (after 5pm)", "0161 496 0455"),
        ("call 0161 496 0455 from 5pm till 8pm tonight", "0161 496 0455"),
        ("my number is 07700 900 417, not after 10pm", "07700 900 417"),
        ("my mobile is 07700 900 417 but only 12pm-1pm", "07700 900 417"),
        ("my mobile is 07700 900 417 but only 9-11am", "07700 900 417"),
    ],
)
def test_a_time_beside_a_telephone_number_stays(text: str, number: str) -> None:
    assert found(text) == [("PHONE", number)]


@pytest.mark.parametrize("text", ["call me at 5pm", "ring me after 6:30pm", "text me before 9 a.m."])
def test_a_time_for_a_call_stays(text: str) -> None:
    for source in (TextSource.TYPED, TextSource.SPEECH):
        assert found(text, source) == []


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("my pin is 5pm7", "5pm7"),
        ("my pin is 5am", "5am"),  # a code may look like a time
        ("my number is 0161 496 0455, then 13pm", "13pm"),  # no time
        ("my number is 0161 496 0455, then 5pm77", "5pm77"),
    ],
)
def test_what_only_looks_like_a_time_is_hidden(text: str, hidden: str) -> None:
    assert any(hidden in value for _, value in found(text))


def test_a_time_after_a_code_stays_if_a_word_introduces_it() -> None:
    assert found("my pin is 4821 after 5pm") == [("SECRET", "4821")]
    assert found("my passport is 533380006, i start at 7am") == [("PASSPORT", "533380006")]


@pytest.mark.models
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH])
@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("mobile 07700-900-417 after 5pm", "mobile [REDACTED_PHONE] after 5pm"),
        ("call me after 5pm on 0161 496 0455", "call me after 5pm on [REDACTED_PHONE]"),
        ("ring before 9am please, mobile is 07700 900 417", "ring before 9am please, mobile is [REDACTED_PHONE]"),
    ],
)
def test_a_text_with_a_number_and_a_time_is_safe(
    real_redactor: LocalRedactor, text: str, redacted: str, source: TextSource
) -> None:
    result = real_redactor.redact(RawText(text), RedactionContext(source)).text
    assert (result.value, result.safe_for_llm) == (redacted, True)
