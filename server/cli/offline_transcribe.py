"""``vestibule transcribe --jsonl``: one JSON object a line in and out, in order, local models in this process."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TextIO

from models.errors import InvalidInput, VestibuleError
from models.media.audio_decoder import AudioLimits, decode
from models.numbered_tags import TagNumbers
from models.recognition_json import recognition_fields
from models.redaction.types import RedactionContext, Redactor
from models.speech.types import Segment, SpeechEngine, SpeechOptions
from models.text import RawText, TextSource
from server.cli.offline_input import LineCounts, error_answer, json_object, recording_bytes

OFFLINE_LIMITS = AudioLimits(max_bytes=1 << 30, max_s=4 * 3_600.0)
"""Generous limits: the files and the machine are the operator's own."""


def transcribe_lines(
    stdin: Iterable[str], stdout: TextIO, engine: SpeechEngine, redactor: Redactor | None = None
) -> LineCounts:
    """Answer every line of ``stdin`` on ``stdout``, in order.

    A line that cannot be answered becomes ``{"id", "error": {"reason", "message", "hint"}}`` and the next one is read.

    Args:
        stdin: Objects ``{"id", "audio", "lang"?}``, one a line; blank lines are skipped.
        stdout: Flushed after every line.
        engine: Recognises the speech.
        redactor: None prints the text unredacted, with what recognition reports of it: ``words``, ``alternatives`` and
            ``confidence``, as ``redact_lines`` takes them.

    Returns:
        How many lines were answered, and how many of them with an error.
    """
    counts = LineCounts()
    for line in stdin:
        if not line.strip():
            continue
        answer = _answer(line, engine, redactor)
        stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        stdout.flush()
        counts = counts.with_answer(answer)
    return counts


def _answer(line: str, engine: SpeechEngine, redactor: Redactor | None) -> dict[str, Any]:
    request: dict[str, Any] = {}
    try:
        request = _parse(line)
        return {"id": request["id"], **_transcribe(request, engine, redactor)}
    except VestibuleError as error:
        return error_answer(request.get("id"), error)


def _parse(line: str) -> dict[str, Any]:
    row = json_object(line)
    return {"id": row.get("id"), "audio": row.get("audio"), "lang": row.get("lang")}


def _transcribe(request: dict[str, Any], engine: SpeechEngine, redactor: Redactor | None) -> dict[str, Any]:
    data = recording_bytes(
        request["audio"], "audio", OFFLINE_LIMITS.max_bytes, "vestibule read reads the print in pictures and PDFs."
    )
    samples = decode(data, OFFLINE_LIMITS)
    transcript = engine.transcribe(samples, SpeechOptions(language=_language(request["lang"])))
    numbers = TagNumbers()

    def shown(text: RawText) -> str:
        if redactor is None:
            return text.reveal()
        redacted = redactor.redact(text, RedactionContext(TextSource.SPEECH, transcript.language)).text
        return redacted.with_numbers(numbers).value

    return {
        "text": shown(transcript.text),
        **(recognition_fields(transcript.text) if redactor is None else {}),
        "segments": [_segment(s, shown(s.text)) for s in transcript.segments],
        "language": transcript.language,
        "audio_s": round(transcript.audio_s, 3),
        "compute_s": round(transcript.compute_s, 4),
    }


def _segment(segment: Segment, text: str) -> dict[str, Any]:
    return {
        "text": text,
        "start_s": round(segment.start_s, 3),
        "end_s": round(segment.end_s, 3),
        "confidence": round(segment.confidence, 3),
    }


def _language(code: object) -> str | None:
    if code is None or isinstance(code, str):
        return code or None
    raise InvalidInput("lang must be a string.")
