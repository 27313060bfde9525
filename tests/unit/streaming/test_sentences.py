"""Pieces of a reply are regrouped into sentences, in every script."""

# ruff: noqa: RUF001 - marks of many scripts, on purpose

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest

from server.streaming.sentences import LONGEST_PIECE_CHARACTERS, sentences


async def split(pieces: Iterable[str]) -> list[str]:
    async def given() -> AsyncIterator[str]:
        for piece in pieces:
            yield piece

    return [sentence async for sentence in sentences(given())]


SENTENCES = [
    ["Thank you. ", "What does the meter read? ", "Now!"],
    ["Wait... ", "Really?! ", "Yes."],
    ["It reads 4821.7 m3. ", "See https://a.test/?a=1!b for more."],
    ["धन्यवाद। ", "मीटर की रीडिंग क्या है?"],
    ["谢谢。", "水表的读数是多少？", "请告诉我！", "好"],
    ["ありがとうございます。", "メーターの値は？！", "「はい。」", "と言いました。"],
    ["ありがとう。 ", "次です。"],
    ["شكرا لك. ", "ما هي قراءة العداد؟ ", "أين أنت؟"],
    ["شکریہ۔ ", "میٹر کتنا ہے؟"],
    ["Շնորհակալ եմ։ ", "Որտեղ եք։"],
    ["ကျေးဇူးတင်ပါတယ်။ ", "ဘယ်မှာလဲ။"],
    ["አመሰግናለሁ። ", "የት ነህ፧"],
    ["One\n", "Two\n\n", "Three"],
    ["３．５です。", "はい。"],
]


@pytest.mark.parametrize("expected", SENTENCES)
async def test_each_sentence_is_a_piece(expected: list[str]) -> None:
    whole = "".join(expected)
    assert await split([whole]) == expected
    assert await split(whole) == expected, "character by character"


@pytest.mark.parametrize("letter", ["word ", "字"])
async def test_text_without_a_sentence_end_is_cut(letter: str) -> None:
    text = letter * 1000
    pieces = await split([text])
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= LONGEST_PIECE_CHARACTERS
