"""Readable parts of values are found in sentences, and harmless numbers are not."""

from __future__ import annotations

import json

import pytest

from server.cli.demo.llm_records import record_of
from server.cli.demo.llm_replies import reply_to
from server.cli.demo.part_probe import PartProbe, sentences_in, sentences_of_requests
from server.cli.demo.planted import Medium, Planted, data_folder, planted_media

PHONE = Planted("PHONE", "4155550132", "", "clip")
NAME = Planted("NAME", "John Carter", "", "clip")
EMAIL = Planted("EMAIL", "maria.lopez@example.com", "", "page")
ADDRESS = Planted("ADDRESS", "31 Willow Court", "", "page")


def medium(*values: Planted, kept: tuple[str, ...] = ()) -> Medium:
    return Medium("toy", "\n".join(value.value for value in values), values, kept)


PROBE = PartProbe([medium(PHONE, NAME, EMAIL, ADDRESS)])
DEMO = PartProbe(planted_media(data_folder()))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("You can call me on for 1555-a-132.", PHONE),
        ("It ends with 1 3 2.", PHONE),
        ("Ask JOHN about it.", NAME),
        ("write to lopez at home", EMAIL),
        ("I live near Willow.", ADDRESS),
    ],
)
def test_a_readable_part_of_a_value_is_found(text: str, value: Planted) -> None:
    [hit] = PROBE.search(["Nothing here.", text])
    assert hit.planted == value
    assert hit.form.startswith("a readable part")


@pytest.mark.parametrize(
    "text",
    [
        "You can call me on [REDACTED_PHONE].",
        "session 41555501-0132-4155-8132-415555501320 began",
        "at 2026-11-24 09:41:00.415132 it began",
        "13 of 25, then 41 and 32",
        "The court is in Johnstown.",
    ],
)
def test_harmless_texts_give_no_hit(text: str) -> None:
    assert PROBE.search([text]) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("You can call me on four one five five five five oh one three", "4155550132"),
        ("you can call me on four one five, five five five", "4155550132"),
        ("my mobile is oh seven seven double oh nine double oh", "07700900158"),
        ("my name is Jon Carta", "John Carter"),
        ("my name is Carta", "John Carter"),
        ("I live at twenty seven Birch Wood", "27 Birchwood Avenue"),
        ("I live at twenty seven Birch", "27 Birchwood Avenue"),
        ("or write to karter at [REDACTED_EMAIL]", "john.carter@example.com"),
    ],
)
def test_parts_are_found_in_number_words_and_in_misheard_names(text: str, value: str) -> None:
    assert value in [hit.planted.value for hit in DEMO.search([text])]


def test_the_demos_own_sentences_hold_no_part() -> None:
    messages = [{"role": "user", "content": "I am at the Riverside site. My name is [REDACTED_NAME]."}]
    texts = ["".join(reply_to(messages)), record_of(messages), "The meter reads four eight two one seven cubic meters."]
    assert DEMO.search(texts) == []


def test_parts_that_occur_in_kept_texts_are_not_searched_for() -> None:
    assert PartProbe([medium(PHONE, kept=("reading 5550",))]).search(["The reading is 555."]) == []


def test_every_demo_value_has_a_searchable_part_that_no_harmless_text_holds() -> None:
    media = planted_media(data_folder())
    harmless = [text for medium in media for text in medium.harmless]
    assert DEMO.search(harmless) == []
    for value in (value for medium in media for value in medium.values):
        assert value in [hit.planted for hit in DEMO.search([f"It is {value.value}, yes."])]


def test_sentences_are_extracted_from_json_inside_strings() -> None:
    nested = {"id": "a-b", "text": "call me now", "more": ['{"said": "it is John"}', "[REDACTED_NAME] is here", 7]}
    assert list(sentences_in(nested)) == ["call me now", "it is John", "[REDACTED_NAME] is here"]


def test_messages_are_extracted_from_http_requests() -> None:
    body = json.dumps({"messages": [{"role": "user", "content": 'I am "John"\n{"text": "call 415 now"}'}]}).encode()
    received = b"POST /v1/chat/completions HTTP/1.1\r\n\r\n" + body
    assert list(sentences_of_requests(received)) == ['I am "John"', "call 415 now"]
