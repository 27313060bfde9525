"""The written utterances of the corpus, and how their slots are filled."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from models.redaction.entities import LABELS
from models.training.spoken.broken_values import in_parts, mistaken
from models.training.spoken.composer import Composer
from models.training.spoken.grammar import LANGUAGES, SPLITS, Grammar, build_grammar
from models.training.spoken.sentences import Sentence
from models.training.spoken.utterances import SLOT, marked_text, read_utterances, utterances_of


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def english() -> Grammar:
    return build_grammar("en", "train", random.Random(4))


def composed(line: str, seed: int = 0) -> Sentence:
    """What one speaker says of one utterance, without talk around it."""
    composer = Composer(build_grammar("en", "train", random.Random(seed)), [line])
    return composer.utter(line)


def digits(sentence: Sentence, *, of_values: bool) -> str:
    return "".join(t.written for t in sentence.tokens if bool(t.group) == of_values and t.written.isdigit())


def test_every_utterance_can_be_said_and_only_its_values_are_labelled(language: str) -> None:
    composer = Composer(build_grammar(language, "train", random.Random(1)))
    for line in read_utterances(language):
        sentence = composer.utter(line)
        assert sentence.tokens, line
        assert set(sentence.labels.values()) <= LABELS | {
            "READING", "PRICE", "TIME", "DATE_OF_THING", "COUNT", "THING_NUMBER", "BRAND"
        }, line  # fmt: skip
        assert {token.group for token in sentence.tokens} - {0} == set(sentence.labels), line
        if not SLOT.search(line):
            assert not sentence.labels, line


def test_utterances_are_written_once_in_words_and_every_line_is_in_one_split(language: str) -> None:
    lines = read_utterances(language)
    assert [line for line, count in Counter(lines).items() if count > 1] == []
    assert [line for line in lines if re.search(r"\d", SLOT.sub("", line))] == []
    split = [line for name in SPLITS for line in utterances_of(language, name)]
    assert sorted(split) == sorted(lines)


def test_the_parts_of_a_value_make_it_whole() -> None:
    whole = "<d:4929174360818835>"
    for seed in range(20):
        parts = in_parts(random.Random(seed), whole, 2)
        assert "".join(part[3:-1] for part in parts) == whole[3:-1] and len(parts) == 2
    assert in_parts(random.Random(0), "<d:12>", 2) == ["<d:12>"]
    assert in_parts(random.Random(0), "<d:12> | <d:34> | <d:56>", 2) == ["<d:12> | <d:34>", "<d:56>"]


def test_parts_keep_their_own_group_in_any_order() -> None:
    sentence = composed("it ends in {iban:2} , and before that {iban:1}")
    assert list(sentence.labels.values()) == ["IBAN", "IBAN"]
    talk = [token.said for token in sentence.tokens if not token.group]
    assert talk[:3] == ["it", "ends", "in"] and "before" in talk


def test_a_value_that_is_taken_back_is_labelled_as_well_and_differs() -> None:
    sentence = composed("{ssn:wrong} , no that is the old one , {ssn}")
    assert list(sentence.labels.values()) == ["SSN", "SSN"]
    one, other = ("".join(t.written for t in sentence.tokens if t.group == group) for group in (1, 2))
    assert one != other and len(one) == len(other)


def test_numbers_of_nobody_are_written_as_digits_but_carry_no_label() -> None:
    sentence = composed("the bus forty two leaves at ten from bay {int:3-3}")
    assert digits(sentence, of_values=False) == "42103" and not sentence.labels


def test_words_that_are_rarely_numbers_stay_words() -> None:
    assert marked_text("that one is fine", english()) == "that one is fine"
    assert marked_text("row B , seat thirty one", english()) == "row <l:B> , seat <n:31>"


def test_a_mistake_changes_one_sign_and_words_have_none() -> None:
    wrong = mistaken(random.Random(0), "<d:1234>")
    assert wrong is not None and sum(a != b for a, b in zip(wrong, "<d:1234>", strict=True)) == 1
    assert mistaken(random.Random(0), "purple tiger") is None
