"""What is split between two utterances of a stream is covered in both."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.redaction.redactor import LocalRedactor
from models.redaction.streaming.open_tail import (
    NO_TAIL,
    TailAwareRedactor,
    combine_with_tail,
    open_tail,
    texts_with_tail,
)
from models.redaction.streaming.partials import PartialRedactor, PartialState
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.fakes.classifier import WordListClassifier
from tests.unit.redaction.helpers import patterns_only

REDACTOR = LocalRedactor(WordListClassifier({"tarn": "GIVEN_NAME", "quist": "SURNAME"}))


def finals(parts: list[str], language: str = "en", redactor: LocalRedactor = REDACTOR) -> list[str]:
    """What each utterance of a stream shows in the end."""
    context, tail, shown = RedactionContext(TextSource.SPEECH, language), NO_TAIL, []
    for part in map(RawText, parts):
        judged = combine_with_tail(tail, part, redactor.redact_many(texts_with_tail(tail, part), context))
        shown.append(judged.text.value)
        tail = open_tail(part, judged.entities, language, tail)
    return shown


SPLIT = [
    ("en", ["My number is four one five.", "Five five five.", "Oh one three two, thanks."],
     ["My number is [REDACTED_PHONE].", "[REDACTED_PHONE].", "[REDACTED_PHONE], thanks."]),
    ("en", ["My number is", "nine nine three eight"], ["My number is", "[REDACTED_PHONE]"]),
    ("en", ["My passport is", "77 03 44 18"], ["My passport is", "[REDACTED_PASSPORT]"]),
    ("en", ["my e-mail is", "tarn dot quist at example dot com"], ["my e-mail is", "[REDACTED_EMAIL]"]),
    ("en", ["My name is Tarn Quist.", "I'm at the site"], ["My name is [REDACTED_NAME].", "I'm at the site"]),
    ("en", ["My name is Tarn.", "Quist, like before"], ["My name is [REDACTED_NAME].", "[REDACTED_NAME], like before"]),
    ("en", ["you can write to tarn dot", "quist at example dot com"],
     ["you can write to [REDACTED_EMAIL]", "[REDACTED_EMAIL]"]),
    ("en", ["My name is", "Xabier Oyarzun and I am late"], ["My name is", "[REDACTED_NAME] and I am late"]),
    ("en", ["It is spelled K R.", "Z A K please"], ["It is [REDACTED_NAME].", "[REDACTED_NAME] please"]),
    ("es", ["mi número es seis uno nueve", "cero cuatro dos ocho siete tres"],
     ["mi número es [REDACTED_PHONE]", "[REDACTED_PHONE]"]),
    ("fr", ["mon numéro est le zéro six", "douze trente-quatre cinquante-six soixante-dix-huit"],
     ["mon numéro est le [REDACTED_ID]", "[REDACTED_PHONE]"]),
    ("de", ["meine Nummer ist null eins sieben", "sechs fünf vier drei zwo eins"],
     ["meine Nummer ist [REDACTED_PHONE]", "[REDACTED_PHONE]"]),
    ("hi", ["मेरा नंबर है सात शून्य तीन", "आठ दो नौ एक छह चार पाँच"], ["मेरा नंबर है [REDACTED_PHONE]", "[REDACTED_PHONE]"]),
    # what breaks off behind an introduction is covered at once, for it cannot be taken back
    ("en", ["we live at sixty", "three willow road"], ["we live at [REDACTED_ADDRESS]", "[REDACTED_ADDRESS]"]),
    ("en", ["my address is eleven otter", "drive, thanks"],
     ["my address is [REDACTED_ADDRESS]", "[REDACTED_ADDRESS], thanks"]),
    ("en", ["nine four", "two two", "seven oh one three six"],
     ["[REDACTED_ID]", "[REDACTED_ID]", "[REDACTED_ID]"]),
    # the number stands behind the street
    ("de", ["ich wohne in der gartenstraße", "dreiundzwanzig b"],
     ["ich wohne in der [REDACTED_ADDRESS]", "[REDACTED_ADDRESS]"]),
    ("es", ["vivo en la calle del sol", "siete tercero derecha"],
     ["vivo en la [REDACTED_ADDRESS]", "[REDACTED_ADDRESS]"]),
    # nothing of this goes together
    ("en", ["I live at home.", "With two people."], None),
    ("en", ["One two.", "Thank you."], None),
    ("en", ["Too 3.", "Thank you."], None),
    ("en", ["The valve is at four.", "Two people are here."], None),
    ("en", ["It is in the house.", "Two pumps failed."], None),
    ("en", ["The meter reads four eight two one seven.", "Two people are here."], None),
    ("en", ["I am in room four one two.", "Thank you."], None),
    ("en", ["See you at seven thirty.", "Twelve cubic metres."], None),
    ("en", ["The pump is loud.", "Is it the valve?"], None),
]  # fmt: skip


@pytest.mark.parametrize(("language", "parts", "shown"), SPLIT)
def test_values_split_over_utterances_are_covered(
    real_redactor: LocalRedactor, language: str, parts: list[str], shown: list[str] | None
) -> None:
    """Of which type a part is taken to be does not matter."""
    said = finals(parts, language, real_redactor)
    assert [_TAG.sub("#", part) for part in said] == [_TAG.sub("#", part) for part in shown or parts]


_TAG = re.compile(r"\[REDACTED_\w+\]")


@pytest.mark.parametrize(
    ("language", "text", "tail"),
    [
        ("en", "The pump is loud.", ""),
        ("en", "", ""),
        ("en", "...", ""),
        ("en", "so my number is four one five.", "so my number is four one five"),
        ("en", "my email address is", "my email address is"),
        ("en", "one two three go on with the words that come before the last and then it is spelled K",
         "before the last and then it is spelled K"),
        ("de", "und die Nummer ist", "und die Nummer ist"),
    ],
)  # fmt: skip
def test_only_a_few_words_of_an_open_end_are_kept(language: str, text: str, tail: str) -> None:
    found = patterns_only().redact(RawText(text), RedactionContext(TextSource.SPEECH, language)).entities
    kept = open_tail(RawText(text), found, language).reveal()
    assert kept.endswith(tail)
    assert bool(kept) == bool(tail)
    assert len(kept.split()) <= 12


def test_the_tail_is_carried_over_and_not_in_repr() -> None:
    state = PartialState(tail=RawText("my number is four"))
    assert "four" not in repr(state)
    assert PartialState.from_payload(state.to_payload()) == state
    old = {key: value for key, value in state.to_payload().items() if key != "tail"}
    assert PartialState.from_payload(old).tail == NO_TAIL  # sealed by a worker of before


def test_without_a_tail_the_text_is_redacted_once() -> None:
    text = RawText("call me")
    assert texts_with_tail(NO_TAIL, text) == [text]
    assert TailAwareRedactor(REDACTOR, NO_TAIL).redact(text, RedactionContext()) == REDACTOR.redact(
        text, RedactionContext()
    )


def test_only_the_beginning_of_a_long_utterance_is_joined_to_the_tail() -> None:
    long = RawText("five five five " + "and the pump is loud " * 60)
    _alone, joined = texts_with_tail(RawText("my number is four one five"), long)
    assert len(joined) < 260
    left = combine_with_tail(
        RawText("my number is four one five"),
        long,
        REDACTOR.redact_many(texts_with_tail(RawText("my number is four one five"), long), SPEECH),
    )
    assert left.text.value == "[REDACTED_PHONE] " + "and the pump is loud " * 60


SPEECH = RedactionContext(TextSource.SPEECH)
SAID = (
    "Hello there, you can reach me on four one five, five five five, oh one three two or at tarn dot quist at example "
    "dot com and my name is Tarn Quist"
)
PLANTED = re.compile(
    r"one three two|oh one three|five five|five oh|quist at|example|tarn dot|\b(?:tarn|quist)\b", re.IGNORECASE
)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 29), min_size=1, max_size=2, unique=True), st.integers(1, 5))
def test_no_split_into_utterances_reveals_a_value(cuts: list[int], step: int) -> None:
    words, borders = SAID.split(), [0, *sorted(cuts), len(SAID.split())]
    partials, tail = PartialRedactor(REDACTOR), NO_TAIL
    for low, high in pairwise(borders):
        said = words[low:high]
        state = PartialState(tail=tail)
        for end in [*range(1, len(said), step), len(said), len(said)]:
            shown, state = partials.step(state, RawText(" ".join(said[:end])), SPEECH)
            state = PartialState.from_payload(state.to_payload())
            assert not PLANTED.search(shown.value)
        final = TailAwareRedactor(REDACTOR, tail).redact(RawText(" ".join(said)), SPEECH)
        assert not PLANTED.search(final.text.value)
        tail = open_tail(RawText(" ".join(said)), final.entities, "en", tail)
