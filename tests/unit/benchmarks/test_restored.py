"""Tags get the words that another text of the same speech has in their place, and nothing that is shown is hidden."""

from __future__ import annotations

import pytest

from benchmarks._restored import restored


@pytest.mark.parametrize(
    ("redacted", "heard", "text", "hidden"),
    [
        (
            "My number is [REDACTED_PHONE].",
            "My number is 415-555-0132.",
            "My number is 415-555-0132.",
            ["415-555-0132"],
        ),
        (
            "I am [REDACTED_NAME], hello. Call [REDACTED_PHONE_2]!",
            "I am Ann Lee, hello. Call 555.",
            "I am Ann Lee, hello. Call 555!",
            ["Ann Lee", "555"],
        ),
        ("It is 415. [REDACTED_PHONE]", "It is 415, 555 0132", "It is 415. 555 0132", ["555 0132"]),
        ("[REDACTED_NAME] [REDACTED_PHONE], yes", "Ann 555, yes", "Ann 555 —, yes", ["Ann 555", "—"]),
        ("It is [REDACTED_ID]", "It is", "It is —", ["—"]),
        ("मेरा नाम [REDACTED_NAME] है", "मेरा नाम आशा है", "मेरा नाम आशा है", ["आशा"]),
    ],
)
def test_a_tag_gets_what_was_heard_in_its_place(redacted: str, heard: str, text: str, hidden: list[str]) -> None:
    found, spans = restored(redacted, heard)
    assert found == text
    assert [found[start:end] for start, end in spans] == hidden


def test_what_the_redacted_text_shows_is_never_hidden() -> None:
    text, spans = restored("It is 0727, [REDACTED_PHONE] and 415", "It is 415 555 0132")
    shown = "".join(c for at, c in enumerate(text) if not any(start <= at < end for start, end in spans))
    assert "0727" in shown
    assert "415" in shown


def test_words_that_are_only_heard_elsewhere_are_left_out() -> None:
    assert restored("Hello there", "Hello you there, call 555") == ("Hello there", [])
