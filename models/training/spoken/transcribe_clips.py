"""Has the clips of ``speak`` heard by the product's own engine, and writes a row of the corpus for each."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from models.errors import VestibuleError
from models.media.audio_decoder import decode
from models.speech.engines import CTRANSLATE2, build_engine
from models.speech.types import SpeechEngine, SpeechOptions, Word
from models.training.spoken.align import likeness, project
from models.training.spoken.verbalize import Token

LEAST_ALIKE: Final = 0.5
"""Clips whose text is less like what was said are left out. Nothing of the value may be in it."""


def heard_rows(clips: Sequence[dict[str, Any]], folder: Path, engine: SpeechEngine) -> Iterator[dict[str, Any]]:
    """A row for each clip that is understood; ``tokens`` and ``labels`` stay, for ``fit_confusions``."""
    for clip in clips:
        options = SpeechOptions(language=clip["lang"], word_times=True)
        try:
            transcript = engine.transcribe(decode((folder / f"{clip['id']}.wav").read_bytes()), options)
        except VestibuleError:
            continue
        text = transcript.text.reveal()
        tokens = [Token(**token) for token in clip["tokens"]]
        labels = {int(group): label for group, label in clip["labels"].items()}
        words = [word for segment in transcript.segments for word in segment.words]
        like = likeness(tokens, text, clip["lang"])
        if like < LEAST_ALIKE:
            continue
        spans = project(tokens, text, labels, clip["lang"])
        yield {
            **clip,
            "text": text,
            "spans": [{"start": start, "end": end, "label": label} for start, end, label in spans],
            "likeness": round(like, 3),
            "words": placed_words(text, words),
            "confidence": [round(segment.confidence, 3) for segment in transcript.segments],
        }  # fmt: skip


def placed_words(text: str, words: Sequence[Word]) -> list[tuple[int, int, float]]:
    """Start, end and confidence of each word in the text; a word that is not found in it is left out."""
    found, at = [], 0
    for word in words:
        start = text.find(word.text.reveal(), at)
        if start >= 0:
            at = start + len(word.text.reveal())
            found.append((start, at, round(word.confidence, 3)))
    return found


def main() -> None:
    """Hear the clips of a folder that were not heard yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="the folder that speak has filled")
    parser.add_argument("--weights", type=Path, default=Path.home() / ".cache/vestibule/weights")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shard", default="0/1", help="i/n: only every n-th clip, so that n processes share the work")
    given = parser.parse_args()
    shard, shards = map(int, given.shard.split("/"))
    engine = build_engine(CTRANSLATE2, given.weights, "cpu", 1)
    done = {json.loads(line)["id"] for line in given.out.open(encoding="utf-8")} if given.out.exists() else set()
    lines = (given.clips / "clips.jsonl").read_text(encoding="utf-8").splitlines()
    clips = [clip for clip in map(json.loads, lines[shard::shards]) if clip["id"] not in done]
    with given.out.open("a", encoding="utf-8") as out:
        for row in heard_rows(clips, given.clips, engine):
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
