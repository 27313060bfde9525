"""Lines in, lines out."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from models.recognition_json import rated_text
from models.redaction.types import Redactor
from models.text import RawText, Recognition, RecognizedWord
from server.cli.offline_transcribe import transcribe_lines
from tests.fakes.redactor import PhraseRedactor
from tests.fakes.speech import ScriptedSpeech


def answers(
    lines: Sequence[object], texts: Sequence[str | RawText], redactor: Redactor | None = None
) -> list[dict[str, Any]]:
    out = io.StringIO()
    given = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    transcribe_lines(given, out, ScriptedSpeech(texts), redactor)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_answers_come_in_order_and_errors_are_lines(data: Path, tmp_path: Path) -> None:
    clip = str(data / "visit.webm")
    (tmp_path / "note.txt").write_text("no audio, but long enough to be looked at, and looked at again")
    rows = answers(
        [
            {"id": 1, "audio": clip, "lang": "de"},
            {"id": 2, "audio": clip},
            "",
            {"id": 3, "audio": str(tmp_path / "none.wav")},
            {"id": "folder", "audio": str(tmp_path)},
            {"id": 4, "audio": str(tmp_path / "note.txt")},
            {"id": 5},
            {"id": 6, "audio": clip, "lang": 7},
            "not json",
            "[]",
            {"id": "last", "audio": clip},
        ],
        ["guten Tag", "", "good day"],
    )
    assert [r["id"] for r in rows] == [1, 2, 3, "folder", 4, 5, 6, None, None, "last"]
    assert rows[0]["text"] == "guten Tag"
    assert rows[0]["segments"] == [
        {"text": "guten Tag", "start_s": 0.0, "end_s": rows[0]["audio_s"], "confidence": 0.9}
    ]
    assert rows[0]["compute_s"] == 0.25
    reasons = [r["error"]["reason"] for r in rows if "error" in r]
    assert reasons == [
        "NO_SPEECH",
        "NO_SUCH_FILE",
        "FILE_UNREADABLE",
        "UNSUPPORTED_MEDIA",
        "INVALID_INPUT",
        "INVALID_INPUT",
        "BAD_JSON",
        "BAD_JSON",
    ]
    assert rows[-1]["text"] == "good day"


RATED = RawText(
    "I am John Carter",
    Recognition((RecognizedWord(5, 9, 0.4), RecognizedWord(10, 16, 0.25)), (RawText("I am Joan Carter"),), 0.6),
)


def test_unredacted_lines_report_what_redact_takes(data: Path) -> None:
    (row,) = answers([{"id": 1, "audio": str(data / "visit.ogg")}], [RATED])
    assert row["words"] == [
        {"start": 5, "end": 9, "confidence": 0.4},
        {"start": 10, "end": 16, "confidence": 0.25},
    ]
    assert (row["alternatives"], row["confidence"]) == (["I am Joan Carter"], 0.6)
    assert rated_text(row["text"], row).recognition == RATED.recognition


def test_redacted_lines_hold_no_alternatives(data: Path) -> None:
    clip = [{"id": 1, "audio": str(data / "visit.ogg")}]
    (row,) = answers(clip, [RATED], PhraseRedactor({"John Carter": "NAME"}))
    assert not {"words", "alternatives", "confidence"} & row.keys()
    assert "Joan" not in json.dumps(row)


def test_without_unredacted_no_personal_word_is_printed(data: Path) -> None:
    (row,) = answers(
        [{"id": 1, "audio": str(data / "visit.ogg")}], ["I am John Carter"], PhraseRedactor({"John Carter": "NAME"})
    )
    assert "Carter" not in json.dumps(row)
    assert "[REDACTED_" in row["text"]
    assert "[REDACTED_" in row["segments"][0]["text"]


@pytest.mark.parametrize("language", ["", None])
def test_a_missing_language_means_detection(data: Path, language: str | None) -> None:
    engine = ScriptedSpeech(["hello"])
    line = json.dumps({"id": 1, "audio": str(data / "visit.flac"), "lang": language})
    transcribe_lines([line], io.StringIO(), engine)
    assert engine.options[0].language is None


@pytest.mark.parametrize("name", ["page.pdf", "photo.jpg", "scan.tiff", "picture.png"])
def test_a_picture_is_told_the_command_that_reads_it(tmp_path: Path, name: str) -> None:
    heads = {"pdf": b"%PDF-1.7\n", "jpg": b"\xff\xd8\xff\xe0", "tiff": b"II*\x00", "png": b"\x89PNG\r\n\x1a\n"}
    file = tmp_path / name
    file.write_bytes(heads[file.suffix[1:]] + bytes(200))
    [row] = answers([{"id": 1, "audio": str(file)}], [])
    assert row["error"]["message"].endswith("file, no recording.")
    assert row["error"]["hint"] == "vestibule read reads the print in pictures and PDFs."
