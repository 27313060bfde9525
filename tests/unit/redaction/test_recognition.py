"""What speech recognition reports of a text travels with it, and its offsets stay right."""

from __future__ import annotations

import pickle

from models.recognition_json import rated_text, recognition_fields
from models.redaction.stages import normalize
from models.text import MOST_ALTERNATIVES, UNRATED, RawText, Recognition, RecognizedWord


def rated(text: str, *confidences: float, alternatives: tuple[str, ...] = (), confidence: float = 0.9) -> RawText:
    """A text with one confidence for each of its words."""
    words, at = [], 0
    for word, sure in zip(text.split(), confidences, strict=True):
        at = text.index(word, at)
        words.append(RecognizedWord(at, at + len(word), sure))
        at += len(word)
    return RawText(text, Recognition(tuple(words), tuple(map(RawText, alternatives)), confidence))


def words_of(text: RawText) -> list[tuple[str, float]]:
    return [(text.reveal()[w.start : w.end], w.confidence) for w in text.recognition.words]


def test_the_words_of_joined_texts_stay_at_their_place() -> None:
    joined = RawText.join([rated("call me", 0.9, 0.8), RawText("on"), rated("forty two", 0.3, 0.4, confidence=0.2)])
    assert joined.reveal() == "call me on forty two"
    assert words_of(joined) == [("call", 0.9), ("me", 0.8), ("forty", 0.3), ("two", 0.4)]
    assert joined.recognition.confidence == 0.2


def test_an_alternative_of_one_piece_is_one_of_the_whole() -> None:
    joined = RawText.join([RawText("it is"), rated("fore", 0.3, alternatives=("four",)), RawText("yes")])
    assert [a.reveal() for a in joined.recognition.alternatives] == ["it is four yes"]


def test_a_long_recording_has_a_bounded_number_of_alternatives() -> None:
    joined = RawText.join([rated("fore", 0.3, alternatives=("four",))] * 40)
    assert len(joined.recognition.alternatives) == MOST_ALTERNATIVES
    assert rated_text(joined.reveal(), recognition_fields(joined)).recognition == joined.recognition


def test_a_part_keeps_the_words_in_it() -> None:
    part = rated("my code is 4711", 0.9, 0.8, 0.7, 0.2, alternatives=("my code is 4712",)).part(3, 13)
    assert part.reveal() == "code is 47"
    assert words_of(part) == [("code", 0.8), ("is", 0.7), ("47", 0.2)]
    assert part.recognition.alternatives == ()
    assert part.recognition.confidence == 0.9


def test_stripping_moves_the_words_and_strips_the_alternatives() -> None:
    text = rated("  it is 12 ", 0.9, 0.8, 0.2, alternatives=(" it is 20 ",)).stripped()
    assert words_of(text) == [("it", 0.9), ("is", 0.8), ("12", 0.2)]
    assert [a.reveal() for a in text.recognition.alternatives] == ["it is 20"]


def test_it_travels_between_processes() -> None:
    text = rated("it is 12", 0.9, 0.8, 0.2, alternatives=("it is 20",))
    moved = pickle.loads(pickle.dumps(text))
    assert moved.recognition == text.recognition
    assert pickle.loads(pickle.dumps(RawText("typed"))).recognition is UNRATED


def test_alternatives_are_never_printed() -> None:
    assert "secret" not in repr(rated("it", 0.9, alternatives=("secret",)).recognition)


def test_a_span_has_the_confidence_of_its_least_sure_word() -> None:
    recognition = rated("call me on 4711", 0.9, 0.8, 0.7, 0.2).recognition
    assert recognition.confidence_in(5, 10) == 0.7
    assert recognition.confidence_in(9, 12) == 0.2
    assert recognition.confidence_in(4, 5) == 1.0


def test_a_draft_has_the_words_where_its_view_has_them() -> None:
    hidden = RawText(
        "\u200bco\u200bde \u200b 4711",
        Recognition((RecognizedWord(1, 6, 0.5), RecognizedWord(7, 8, 0.4), RecognizedWord(9, 13, 0.3)), confidence=0.6),
    )
    (draft,) = normalize([hidden])
    text = draft.view.text
    assert [(text[w.start : w.end], w.confidence) for w in draft.recognition.words] == [("code", 0.5), ("4711", 0.3)]
    assert draft.recognition.confidence == 0.6


def test_a_typed_text_is_not_rated() -> None:
    (draft,) = normalize([RawText("it is 12")])
    assert draft.recognition is UNRATED
