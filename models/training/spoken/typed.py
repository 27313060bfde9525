"""Writes the whole utterances as messages that people type, once each, with labels.

    python -m models.training.spoken.typed --weights CACHE --seed 0 --out FILE

The rows are those of ``generate`` without ``words``. Names come from the pinned lists, numbers are written in digits.
Half of the messages have the capitals and the full stop of a careful writer.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from models.redaction.ner.gazetteer import WEIGHTS_NAME
from models.redaction.normalize.transliterate import transliterated
from models.training.name_texts import NameSource
from models.training.spoken.grammar import LANGUAGES, MAKERS, SPLITS, Grammar, build_grammar
from models.training.spoken.utterances import pieces_of, slot_of, unnamed, utterances_of, value_of
from models.weights.store import verify

_NAMES: Final = {"given": "g", "surname": "s", "name": "n"}
"""Slots of the utterances, and the kind of name that ``NameSource`` gives for them."""
_MARK: Final = re.compile(r"<\w:([^>]*)>")
_BAR: Final = re.compile(r" *\| *")
_AROUND_SIGNS: Final = re.compile(r" *([@./\-]) *")

_CAREFUL: Final = 0.5
_SMALL_NAMES: Final = 2 / 3
"""Shares of the messages: with capitals and a full stop; of the others, those whose names are in small letters."""

_LATIN: Final = 1 / 3
"""Share of the messages in Hindi in Latin letters."""

Piece = tuple[str, str]
"""A text, and its label or nothing."""


def rows(source: NameSource, chance: random.Random, name: str) -> Iterator[Mapping[str, Any]]:
    """Every utterance of every language and split."""
    for language in LANGUAGES:
        for split in SPLITS:
            grammar = build_grammar(language, split, chance)
            for number, line in enumerate(utterances_of(language, split)):
                latin = language == "hi" and chance.random() < _LATIN
                pieces = list(_pieces(line, grammar, source if latin or language != "hi" else None))
                pieces = [(_latin(text), label) for text, label in pieces] if latin else pieces
                style = _careful if chance.random() < _CAREFUL else _careless
                yield _row(f"{name}-{language}-{split}-{number}", language, split, style(pieces, chance))


def _row(name: str, language: str, split: str, pieces: list[Piece]) -> Mapping[str, Any]:
    text, spans = "", []
    for piece, label in pieces:
        if label and piece:
            spans.append({"start": len(text), "end": len(text) + len(piece), "label": label})
        text += piece
    return {
        "id": name, "lang": language, "split": split, "shape": "typed", "text": text, "spans": spans,
        "typed": True, "whole": False,
    }  # fmt: skip


def _latin(text: str) -> str:
    view = transliterated(text)
    return view.text if view else text


def _pieces(line: str, grammar: Grammar, source: NameSource | None) -> Iterator[Piece]:
    """The pieces of an utterance; without a source, names are those of the grammar, in the letters of the language."""
    for text, name, more in pieces_of(line):
        yield text, ""
        if not name:
            continue
        if source and name in _NAMES:
            yield source.name(_NAMES[name], grammar.language), "NAME"
        elif name in MAKERS:
            yield written(grammar.expand(f"{{{name}:{more}}}")), ""
        elif (kind := slot_of(name, grammar)) is None:
            yield written(unnamed(name, grammar)), ""
        else:
            yield written(value_of(kind, grammar)), kind.label


def written(marked: str) -> str:
    """A value with marks as it is typed: ``<d:415> | <d:555>`` is ``415 555``."""
    plain = _BAR.sub(" ", _MARK.sub(r"\1", marked))
    return _AROUND_SIGNS.sub(r"\1", plain) if "<s:" in marked else plain


def _careful(pieces: list[Piece], _chance: random.Random) -> list[Piece]:
    first = next((at for at, (text, _) in enumerate(pieces) if text), None)
    if first is None:
        return pieces
    text, label = pieces[first]
    end = [] if pieces[-1][0].endswith((".", "!", "?", "\N{DEVANAGARI DANDA}")) else [(".", "")]
    return [*pieces[:first], (text[:1].upper() + text[1:], label), *pieces[first + 1 :], *end]


def _careless(pieces: list[Piece], chance: random.Random) -> list[Piece]:
    small = chance.random() < _SMALL_NAMES
    return [(text.lower() if small or label != "NAME" else text, label) for text, label in pieces]


def main() -> None:
    """Write the rows that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="the cache folder of `vestibule models list`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    source = NameSource(verify(WEIGHTS_NAME, given.weights), chance)
    with given.out.open("w", encoding="utf-8") as out:
        for each in rows(source, chance, f"t{given.seed}"):
            out.write(json.dumps(each, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
