"""Partials: a growing prefix in which nothing personal ever appears, however the words arrive."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.redaction.ner.types import WordPrediction
from models.redaction.redactor import LocalRedactor
from models.redaction.streaming.partials import SUSPECT_WORDS, PartialRedactor, PartialState, held_back
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
        state = PartialState.from_payload(state.to_payload())
        shown.append(text.value)
    return shown


def growing(text: str, step: int = 1) -> list[str]:
    words = text.split()
    return [" ".join(words[:n]) for n in range(1, len(words) + 1, step)]


def test_the_demo_visit_word_by_word_shows_nothing_personal() -> None:
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
        (["old pumps break often", "old pumps break often"], "old pumps"),  # two words are held
        (["the pump is old", "the bump is old and", "the bump is old and loud"], "the bump is"),
        (["call me on four one", "call me on four one five"], "call me on"),  # digits may go on
        (["my name is Xq", "my name is Xq Zw", "my name is Xq Zw and so"], "my name is"),  # unknown, but introduced
        (["so she said Xq", "so she said Xq went", "so she said Xq went to"], "so she said"),  # a capital may be a name
        (["it is k r", "it is k r z"], "it is"),
    ],
)
def test_words_that_may_belong_to_a_value_are_held_back(hypotheses: list[str], last: str) -> None:
    assert shown_for(hypotheses)[-1] == last


def test_shown_text_stays_when_the_hypothesis_changes() -> None:
    shown = shown_for(
        ["the pump is old now", "the pump is old now", "a pump is cold now", "a pump is cold now and loud today"]
    )
    assert shown[1].startswith("the pump is")
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))


@pytest.mark.slow
@settings(deadline=None)
@given(st.integers(1, 7), st.lists(st.integers(0, 60), max_size=4))
def test_no_chunking_reveals_a_planted_value(step: int, rewinds: list[int]) -> None:
    hypotheses = growing(SAID, step)
    for at in rewinds:
        if at < len(hypotheses):
            hypotheses.insert(at, hypotheses[at].replace("Carter", "Parter").replace("four one", "for one"))
    shown = shown_for(hypotheses)
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))
    for text in shown:
        for planted in ("john", "carter", "example dot com", "four one five", "oh one three two"):
            assert planted not in text.lower()


class DoubtfulClassifier(WordListClassifier):
    """Is nearly sure of every word of its list, below the bar of a name."""

    score = 0.2

    def classify(self, texts: list[str]) -> list[list[WordPrediction]]:
        """See ``models.redaction.ner.types.TokenClassifier``."""
        return [[replace(guess, score=self.score) for guess in guesses] for guesses in super().classify(texts)]


def test_a_possible_name_is_held_for_a_few_words() -> None:
    partials = PartialRedactor(LocalRedactor(DoubtfulClassifier({"rose": "GIVEN_NAME"})))
    said = "ask rose about the key because she lives next door with the dog"
    state, shown = PartialState(), []
    for hypothesis in growing(said):
        text, state = partials.step(state, RawText(hypothesis), SPEECH)
        shown.append(text.value.split())
    with_name = next(words for words, text in enumerate(shown, 1) if "rose" in text)
    assert with_name - 2 == SUSPECT_WORDS, "words said behind it when it is shown"
    assert all(len(text) <= 1 for text in shown[: with_name - 1])


def test_a_likely_name_is_held_until_the_final() -> None:
    classifier = DoubtfulClassifier({"rose": "GIVEN_NAME"})
    classifier.score = 0.28
    partials, state = PartialRedactor(LocalRedactor(classifier)), PartialState()
    for hypothesis in growing("ask rose about the key because she lives next door with the dog and the cat"):
        text, state = partials.step(state, RawText(hypothesis), SPEECH)
        assert text.value in ("", "ask")


def test_redacted_words_are_not_suspects() -> None:
    redactor = LocalRedactor(DoubtfulClassifier({"rose": "GIVEN_NAME", "heather": "GIVEN_NAME"}))
    said = "rose is here, ask Dr. Rose Miller and heather"
    redaction = redactor.redact(RawText(said), SPEECH)
    assert [said[e.start : e.end] for e in redaction.entities] == ["Dr. Rose Miller"]
    assert [said[start:end] for start, end, _likely in redaction.suspects] == ["rose", "heather"]


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "please ask rose about the key she lives next door with the dog"),
        ("en", "call bob on four one five five five five oh one three two or his wife jenny williams tomorrow"),
        ("en", "my neighbour okwudili has the second key and he is always at home on fridays"),
        ("en", "the meter was read by tomasz from the water board and nobody else has been in the cellar"),
        ("es", "mi vecina paz romero tiene la llave de la puerta y vuelve el lunes por la tarde"),
        ("es", "vino ignacio quintanilla a ver la caldera el martes y desde entonces no funciona el agua caliente"),
        ("fr", "la clé est chez bérengère vasseur au deuxième étage elle rentre vers dix-huit heures"),
        ("de", "den schlüssel hat stefan petersen aus dem zweiten stock sie ist abends immer da"),
        ("hi", "chaabi mere padosi rakesh yadav ke paas hai aur woh shaam ko ghar aate hain"),
    ],
)
def test_partials_never_show_a_name_that_the_final_redacts(
    real_redactor: LocalRedactor, language: str, said: str
) -> None:
    partials, context = PartialRedactor(real_redactor), RedactionContext(TextSource.SPEECH, language)
    final = real_redactor.redact(RawText(said), context)
    hidden = {word for entity in final.entities for word in said[entity.start : entity.end].split()}
    assert "NAME" in final.text.counts
    state = PartialState()
    for hypothesis in growing(said):
        text, state = partials.step(state, RawText(hypothesis), context)
        assert hidden.isdisjoint(text.value.split())


def test_held_back_words_are_counted_with_their_stability() -> None:
    before, counts = PartialState(), []
    for hypothesis in ("old pumps break", "old pumps break often. Here", "old pumps break often and we", "old"):
        _shown, after = PARTIALS.step(before, RawText(hypothesis), SPEECH)
        hidden = held_back(before, after)
        counts.append((hidden.words, round(hidden.stability, 2)))
        before = after
    # Nobody agrees with the first; then "old" is shown and two of four agreed; then "pumps" ... Four are told as three.
    assert counts == [(3, 0.0), (3, 0.5), (3, 0.5), (0, 1.0)]
