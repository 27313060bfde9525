"""Transcripts as files: plain text, SubRip, WebVTT, JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Final

FORMATS: Final = ("text", "srt", "vtt", "json")


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word, or all that one tag covers; times in seconds of the audio."""

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Line:
    """A finished utterance; times in seconds of the audio. ``words`` is None where they were not asked for."""

    utterance: int
    start_s: float
    end_s: float
    text: str
    confidence: float
    language: str
    words: tuple[TimedWord, ...] | None = None


def written(lines: Sequence[Line], form: str) -> str:
    """A whole transcript in one of ``FORMATS``, with a line break at its end."""
    if form == "srt":
        blocks = [f"{n}\n{_span(line, ',')}\n{line.text}\n" for n, line in enumerate(_apart(lines), start=1)]
        return "\n".join(blocks)
    if form == "vtt":
        # WebVTT reads "-->" and tags in a cue; a transcript may hold both.
        cues = [f"{_span(line, '.')}\n{_escaped(line.text)}\n" for line in _apart(lines)]
        return "\n".join(["WEBVTT\n", *cues])
    if form == "json":
        return json.dumps([_fields(line) for line in lines], ensure_ascii=False, indent=2) + "\n"
    return "".join(f"{line.text}\n" for line in lines)


def _fields(line: Line) -> dict[str, Any]:
    """What JSON shows of a line."""
    fields = asdict(line)
    if line.words is None:
        del fields["words"]
    return fields


def _apart(lines: Sequence[Line]) -> list[Line]:
    """The lines without overlap: no cue ends after the next one starts. Utterances share the silence between them."""
    apart = [replace(a, end_s=max(a.start_s, min(a.end_s, b.start_s))) for a, b in pairwise(lines)]
    return [*apart, *lines[-1:]]


def _span(line: Line, point: str) -> str:
    return f"{_clock(line.start_s, point)} --> {_clock(line.end_s, point)}"


def _clock(seconds: float, point: str) -> str:
    whole_ms = round(seconds * 1000)
    minutes, ms = divmod(whole_ms, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{ms // 1000:02d}{point}{ms % 1000:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
