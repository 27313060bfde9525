"""Transcripts as files."""

from __future__ import annotations

import json

import pytest

from server.cli.talk.transcript_formats import Line, written

LINES = [
    Line(0, 0.25, 1.5, "Hello, I am [REDACTED_NAME].", 0.9, "en"),
    Line(2, 3661.0, 3662.0456, "a --> b <i>", 0.5, "en"),
]
EXPECTED = {
    "text": "Hello, I am [REDACTED_NAME].\na --> b <i>\n",
    "srt": "1\n00:00:00,250 --> 00:00:01,500\nHello, I am [REDACTED_NAME].\n\n"
    "2\n01:01:01,000 --> 01:01:02,046\na --> b <i>\n",
    "vtt": "WEBVTT\n\n00:00:00.250 --> 00:00:01.500\nHello, I am [REDACTED_NAME].\n\n"
    "01:01:01.000 --> 01:01:02.046\na --&gt; b &lt;i&gt;\n",
}


@pytest.mark.parametrize("form", EXPECTED)
def test_each_format_is_written(form: str) -> None:
    assert written(LINES, form) == EXPECTED[form]


def test_json_has_all_fields() -> None:
    assert json.loads(written(LINES, "json"))[1] == {
        "utterance": 2,
        "start_s": 3661.0,
        "end_s": 3662.0456,
        "text": "a --> b <i>",
        "confidence": 0.5,
        "language": "en",
    }


@pytest.mark.parametrize(("form", "empty"), [("text", ""), ("srt", ""), ("vtt", "WEBVTT\n"), ("json", "[]\n")])
def test_an_empty_transcript_is_valid_in_each_format(form: str, empty: str) -> None:
    assert written([], form) == empty


def test_no_cue_ends_after_the_next_one_starts() -> None:
    lines = [Line(0, 0.25, 2.9, "One.", 0.9, "en"), Line(1, 2.818, 4.0, "Two.", 0.9, "en")]
    assert "00:00:00,250 --> 00:00:02,818" in written(lines, "srt")
    assert "00:00:00.250 --> 00:00:02.818" in written(lines, "vtt")
    assert json.loads(written(lines, "json"))[0]["end_s"] == 2.9, "what was measured"
