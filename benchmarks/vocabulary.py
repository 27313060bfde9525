"""Whether expected words are recognised more often, and never where nobody said them.

    python -m benchmarks.vocabulary --data DIR/manifest.jsonl ... [--limit N] [--others 10]

Of each clip, the words that are rare in its language stand for those that an app would list, such as names of sites
and codes of staff. Each clip is recognised three times: without a vocabulary, with its rare words among ``--others``
rare words of other clips, and with those others alone. Printed:

heard      share of the rare words that are in the transcript, without and with the vocabulary
invented   rare words of other clips that are in a transcript although nobody said them, each way
WER        words wrong in all, each way

Clips without a rare word, and languages without a list of frequent words, are left out.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.speech import Clip, error, manifest, words
from models.errors import NoSpeech
from models.media.audio_decoder import decode
from models.media.samples import Samples
from models.redaction.ner.gazetteer import WEIGHTS_NAME
from models.speech.engines import CTRANSLATE2, build_engine
from models.speech.types import SpeechEngine, SpeechOptions
from models.training.name_texts import common_words
from models.weights.store import verify
from server.settings import Settings

LEAST_LETTERS = 4
SEED = 5
WAYS = ("without", "with its words", "others alone")


@dataclass(frozen=True)
class Tried:
    """A clip and its transcript each way."""

    clip: Clip
    rare: frozenset[str]
    others: frozenset[str]
    texts: tuple[str, ...]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--others", type=int, default=10)
    arguments = parser.parse_args()
    if not arguments.data:
        print("Give --data: the clips of tests/data hold too few rare words to say anything.")
        return
    engine = build_engine(CTRANSLATE2, Settings().weights_dir)
    print(f"{'set':20s} {'clips':>5s} {'rare':>5s} {'way':15s} {'heard':>7s} {'invented':>9s} {'WER':>7s}")
    for path in arguments.data:
        show(path.parent.name, tried(engine, manifest(path, arguments.limit), arguments.others))


def tried(engine: SpeechEngine, clips: Sequence[Clip], count: int) -> list[Tried]:
    """Recognise every clip with a rare word each way."""
    chance = random.Random(SEED)
    rare = [(clip, rare_words(clip)) for clip in clips]
    rare = [(clip, found) for clip, found in rare if found]
    results = []
    for clip, own in rare:
        said = set(words(clip.text))
        strangers = sorted({word for _, found in rare for word in found} - said)
        others = chance.sample(strangers, min(count, len(strangers)))
        mixed = chance.sample([*own, *others], len(own) + len(others))
        audio = decode(clip.audio.read_bytes())
        texts = tuple(hear(engine, audio, clip.language, expected) for expected in ((), tuple(mixed), tuple(others)))
        results.append(Tried(clip, own, frozenset(others), texts))
    return results


def rare_words(clip: Clip) -> frozenset[str]:
    """Words of a clip that are not among the frequent ones of its language."""
    frequent = frequent_words(clip.language)
    found = {word for word in words(clip.text) if word.isalpha() and len(word) >= LEAST_LETTERS}
    return frozenset(found - frequent) if frequent else frozenset()


@cache
def frequent_words(language: str) -> frozenset[str]:
    """Empty where there is no list."""
    lists = verify(WEIGHTS_NAME, Settings().weights_dir)
    known = (lists / f"small_{language}.msgpack.gz").exists()
    return frozenset(common_words(lists, language)) if known else frozenset()


def hear(engine: SpeechEngine, audio: Samples, language: str, expected: tuple[str, ...]) -> str:
    """The transcript; empty without speech."""
    try:
        transcript = engine.transcribe(audio, SpeechOptions(language=language, vocabulary=expected))
    except NoSpeech:
        return ""
    return " ".join(segment.text.reveal() for segment in transcript.segments)


def show(name: str, results: Sequence[Tried]) -> None:
    """Print a line each way."""
    rare = sum(len(one.rare) for one in results)
    for number, way in enumerate(WAYS):
        texts = [one.texts[number] for one in results]
        heard = [set(words(text)) for text in texts]
        found = sum(len(one.rare & said) for one, said in zip(results, heard, strict=True))
        invented = sum(len(one.others & said) for one, said in zip(results, heard, strict=True))
        wrong = error([one.clip for one in results], texts, words)
        print(
            f"{name:20s} {len(results):5d} {rare:5d} {way:15s} {found / max(1, rare):7.3f} {invented:9d} {wrong:7.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
