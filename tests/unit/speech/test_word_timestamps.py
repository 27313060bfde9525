"""Tokens to words."""

from __future__ import annotations

from models.speech.whisper.word_timestamps import group_words, rate_words

PIECES = {
    1: b" wa",
    2: b"ter",
    3: b",",
    4: b" me",
    5: b"ters",
    6: b" \xe0\xa4",
    7: b"\xa8",
    8: "水".encode(),
    9: "表".encode(),
}


class Bytes:
    def decode(self, ids: list[int], *, skip_special_tokens: bool = True) -> str:
        assert skip_special_tokens
        return b"".join(PIECES[i] for i in ids).decode(errors="replace")


def words(*tokens: int) -> list[tuple[str, float, float, float]]:
    timed = tuple((t, n / 10, (n + 1) / 10, 1.0 - n / 10) for n, t in enumerate(tokens))
    return [(w.text.reveal(), w.start_s, w.end_s, round(w.confidence, 2)) for w in group_words(timed, Bytes())]


def test_tokens_join_to_words_with_their_marks() -> None:
    assert words(1, 2, 3, 4, 5) == [("water,", 0.0, 0.3, 0.8), ("meters", 0.3, 0.5, 0.6)]


def test_tokens_of_a_split_character_form_one_word() -> None:
    assert words(1, 6, 7) == [("wa", 0.0, 0.1, 1.0), ("न", 0.1, 0.3, 0.8)]


def test_scripts_without_spaces_give_a_word_a_character() -> None:
    assert [w[0] for w in words(8, 9)] == ["水", "表"]


def test_no_tokens_give_no_words() -> None:
    assert words() == []


def rated(text: str, *tokens: int) -> list[tuple[str, float]]:
    words = rate_words(tokens, [1.0 - n / 10 for n in range(len(tokens))], Bytes(), text)
    return [(text[w.start : w.end], round(w.confidence, 2)) for w in words]


def test_the_probabilities_of_a_word_are_multiplied_without_punctuation() -> None:
    assert rated("water, meters", 1, 2, 3, 4, 5) == [("water,", 0.9), ("meters", 0.42)]


def test_a_character_of_several_tokens_counts_once() -> None:
    assert rated("wa न", 1, 6, 7) == [("wa", 1.0), ("न", 0.8)]


def test_words_are_not_rated_where_the_text_is_another() -> None:
    assert rated("a meter", 1, 2) == []
    assert rated("") == []
