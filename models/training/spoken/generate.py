"""Writes rows of the corpus: sentences as recognition might write them, with labels.

A row is ``{"id", "lang", "split", "shape", "text", "spans": [{"start", "end", "label"}], "asked", "words", "said"}``.
Offsets are code points; ``words`` is ``[[start, end, confidence]]``; ``asked`` is the label of what the assistant has
asked for, or empty. Labels are those of ``models.redaction.entities``, and for harmless values READING, PRICE, TIME,
DATE_OF_THING, COUNT, THING_NUMBER and BRAND.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from models.training.spoken.composer import Composer
from models.training.spoken.confusions import DEFAULT, ConfusionModel, CorruptedText
from models.training.spoken.grammar import LANGUAGES, SPLITS, build_grammar
from models.training.spoken.sentences import Sentence
from models.training.spoken.utterances import utterances_of

_LANGUAGE_WEIGHTS: Final = {"en": 53, "es": 10, "de": 11, "fr": 10, "hi": 8, "pt": 4, "it": 4}
_SPLIT_WEIGHTS: Final = (80, 8, 12)


def sentences(
    count: int, seed: int, languages: Sequence[str] = LANGUAGES
) -> Iterator[tuple[str, str, Sentence, random.Random]]:
    """Sentences of the languages and all splits: language, split, sentence, and the generator that made it."""
    chance = random.Random(seed)
    composers = {
        (language, split): Composer(build_grammar(language, split, chance), utterances_of(language, split))
        for language in languages
        for split in SPLITS
    }
    for _ in range(count):
        language = chance.choices(languages, [_LANGUAGE_WEIGHTS[code] for code in languages])[0]
        split = chance.choices(SPLITS, _SPLIT_WEIGHTS)[0]
        yield language, split, composers[language, split].compose(), chance


def rows(count: int, seed: int, model: ConfusionModel) -> Iterator[Mapping[str, Any]]:
    """Rows of the corpus; the same for the same seed."""
    for number, (language, split, sentence, chance) in enumerate(sentences(count, seed)):
        heard = model.corrupt(sentence, language, chance)
        yield row(f"g{seed}-{number}", language, split, sentence, heard)


def row(name: str, language: str, split: str, sentence: Sentence, heard: CorruptedText) -> Mapping[str, Any]:
    """One row, ready to be written as JSON."""
    return {
        "id": name,
        "lang": language,
        "split": split,
        "shape": sentence.shape,
        "text": heard.text,
        "spans": [{"start": start, "end": end, "label": label} for start, end, label in heard.spans],
        "asked": sentence.asked,
        "whole": sentence.whole,
        "words": [list(word) for word in heard.words],
        "said": sentence.said,
    }


def main() -> None:
    """Write the rows that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--confusions", type=Path, default=DEFAULT)
    parser.add_argument("--levels", type=float, nargs="+", default=(), help="shares of well, worse, badly heard rows")
    given = parser.parse_args()
    model = ConfusionModel.read(given.confusions, given.levels)
    with given.out.open("w", encoding="utf-8") as out:
        for each in rows(given.rows, given.seed, model):
            out.write(json.dumps(each, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
