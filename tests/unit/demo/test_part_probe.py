"""Readable parts of values are found in sentences, and harmless numbers are not."""

from __future__ import annotations

import json

import pytest

from server.cli.demo.part_probe import PartProbe, sentences_in, sentences_of_requests
from server.cli.demo.planted import Planted, data_folder, planted_media, planted_values

PHONE = Planted("PHONE", "4155550132", "", "clip")
NAME = Planted("NAME", "John Carter", "", "clip")
EMAIL = Planted("EMAIL", "maria.lopez@example.com", "", "page")
ADDRESS = Planted("ADDRESS", "31 Willow Court", "", "page")
PROBE = PartProbe([PHONE, NAME, EMAIL, ADDRESS])


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


def test_parts_that_occur_in_kept_texts_are_not_searched_for() -> None:
    assert PartProbe([PHONE], ["reading 5550"]).search(["The reading is 555."]) == []


def test_every_demo_value_has_a_searchable_part_that_no_harmless_text_holds() -> None:
    media = planted_media(data_folder())
    harmless = [text for medium in media for text in medium.harmless]
    probe = PartProbe(planted_values(data_folder()), harmless)
    assert probe.search(harmless) == []
    for value in planted_values(data_folder()):
        assert value in [hit.planted for hit in probe.search([f"It is {value.value}, yes."])]


def test_sentences_are_extracted_from_json_inside_strings() -> None:
    nested = {"id": "a-b", "text": "call me now", "more": ['{"said": "it is John"}', "[REDACTED_NAME] is here", 7]}
    assert list(sentences_in(nested)) == ["call me now", "it is John", "[REDACTED_NAME] is here"]


def test_messages_are_extracted_from_http_requests() -> None:
    body = json.dumps({"messages": [{"role": "user", "content": 'I am "John"\n{"text": "call 415 now"}'}]}).encode()
    received = b"POST /v1/chat/completions HTTP/1.1\r\n\r\n" + body
    assert list(sentences_of_requests(received)) == ['I am "John"', "call 415 now"]
