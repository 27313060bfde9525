"""Partials: a growing prefix in which nothing personal ever appears, however the words arrive."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.redaction.holdback import PartialRedactor, PartialState
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.fakes.classifier import WordListClassifier

SPEECH = RedactionContext(TextSource.SPEECH)
PARTIALS = PartialRedactor(LocalRedactor(WordListClassifier({"john": "GIVEN_NAME", "carter": "SURNAME"})))

SAID = (
    "Hello, my name is John Carter. I am at the Riverside site to read the water meter. You can call me "
    "on four one five, five five five, oh one three two, or write to john dot carter at example dot com. "
    "The meter reads four eight two one seven cubic metres. That is all for today from me."
)


def shown_for(hypotheses: list[str]) -> list[str]:
    state, shown = PartialState(), []
    for hypothesis in hypotheses:
        text, state = PARTIALS.step(state, RawText(hypothesis), SPEECH)
        state = PartialState.from_carry(state.to_carry())
        shown.append(text.value)
    return shown


def growing(text: str, step: int = 1) -> list[str]:
    words = text.split()
    return [" ".join(words[:n]) for n in range(1, len(words) + 1, step)]


def test_the_whole_visit_word_by_word() -> None:
    shown = shown_for(growing(SAID))
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))
    assert shown[-1].startswith(
        "Hello, my name is [REDACTED_NAME]. I am at the Riverside site to read the water meter. You can call me on "
        "[REDACTED_PHONE], or write to [REDACTED_EMAIL]. The meter reads four eight two one seven cubic metres."
    )


@pytest.mark.parametrize(
    ("hypotheses", "last"),
    [
        (["the pump is"], ""),  # one hypothesis agrees with nobody
        (["the pump is old", "the pump is old"], "the pump"),  # two words are held
        (["the pump is old", "the bump is old and", "the bump is old and loud"], "the bump is"),
        (["call me on four one", "call me on four one five"], "call me on"),  # digits may go on
        (["my name is Xq", "my name is Xq Zw", "my name is Xq Zw and so"], "my name is"),  # unknown, but introduced
        (["so she said Xq", "so she said Xq went", "so she said Xq went to"], "so she said"),  # a capital may be a name
        (["it is k r", "it is k r z"], "it is"),
    ],
)
def test_what_is_held(hypotheses: list[str], last: str) -> None:
    assert shown_for(hypotheses)[-1] == last


def test_what_was_shown_stays_when_recognition_changes_its_mind() -> None:
    shown = shown_for(
        ["the pump is old now", "the pump is old now", "a pump is cold now", "a pump is cold now and loud today"]
    )
    assert shown[1].startswith("the pump is")
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))


@settings(deadline=None)
@given(st.integers(1, 7), st.lists(st.integers(0, 60), max_size=4))
def test_nothing_planted_survives_any_chunking(step: int, rewinds: list[int]) -> None:
    hypotheses = growing(SAID, step)
    for at in rewinds:
        if at < len(hypotheses):
            hypotheses.insert(at, hypotheses[at].replace("Carter", "Parter").replace("four one", "for one"))
    shown = shown_for(hypotheses)
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))
    for text in shown:
        for planted in ("john", "carter", "example dot com", "four one five", "oh one three two"):
            assert planted not in text.lower()
