"""What recognition made of the demo's clips on some runs, and what must be hidden in it."""

from __future__ import annotations

import pytest

from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.unit.redaction.helpers import patterns_only


@pytest.mark.parametrize(
    ("heard", "redacted"),
    [
        (
            "My number is 2 out 2, 555, all 1 4 3, no late, all 1 4 7.",
            "My number is [REDACTED_PHONE].",
        ),
        (
            "My number is 2.02555 I'll win 4-3, no late, I'll win 4-7. This is our office.",
            "My number is [REDACTED_PHONE]. This is our office.",
        ),
        (
            "My phone number is 907-555-0W9-91.",
            "My phone number is [REDACTED_PHONE].",
        ),
        (
            "You can reach me at rootandochtilgadol.example.net",
            "You can reach me at [REDACTED_EMAIL]",
        ),
        (
            "You can reach me at Ruben.Dilgato.adexample.net",
            "You can reach me at [REDACTED_EMAIL]",
        ),
        (
            "You can reach me at www.rubin.dilgadol.adxample.net",
            "You can reach me at [REDACTED_EMAIL]",
        ),
    ],
)
def test_what_a_clip_of_the_demo_said_is_hidden(heard: str, redacted: str) -> None:
    context = RedactionContext(TextSource.SPEECH, "en")
    assert patterns_only().redact(RawText(heard), context).text.value == redacted
