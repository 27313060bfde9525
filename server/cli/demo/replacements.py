"""Checks for every planted value that its tag stands where the value was said, and that nothing of it is left."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from server.cli.demo.alignment import ALIKE, Slot, Token, Unit, align, likeness, tokens_of
from server.cli.demo.planted import Medium, Planted

FILLER: Final = frozenset(
    {
        "and",
        "it",
        "its",
        "s",
        "is",
        "so",
        "the",
        "uh",
        "um",
        "er",
        "yes",
        "no",
        "wait",
        "sorry",
        "i",
        "mean",
        "well",
        "before",
        "that",
    }
)
"""Words that may stand beside a tag: they are part of no value."""
LEAST_STRAY_DIGITS: Final = 3
LONGEST_APART: Final = 1
"""Words but filler between two digits of one number, "five hundred fifty"."""
LEAST_STRAY_LETTERS: Final = 4
LEAST_SEARCHED: Final = 5
"""Letters and digits of what was misheard that are worth looking for elsewhere."""
SPELLED_WORDS: Final = frozenset({"NAME", "EMAIL", "ADDRESS"})
"""Types of entity that are recognised by their words, not by their digits."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """What stands in a transcript in the place of one planted value.

    Attributes:
        redacted: The part of the redacted transcript that stands for the value.
        tags: The types of the tags in it.
        rest: The words and digits in it that are neither tags nor filler.
        of_any_type: Whether a tag of another type will do.
    """

    planted: Planted
    redacted: str
    tags: tuple[str, ...]
    rest: str
    of_any_type: bool = False

    @property
    def problem(self) -> str:
        """One clear sentence; empty when the value is replaced as it should be."""
        if not self.redacted:
            return "nothing stands where it was said"
        if not self.tags:
            return f"it is not replaced; {self.redacted!r} can be read"
        if self.rest:
            return f"{self.rest!r} can be read beside the tag"
        if not self.of_any_type and self.planted.type not in self.tags:
            return f"the tag is {', '.join(self.tags)}, not {self.planted.type}"
        return ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of all values of one medium.

    Attributes:
        strays: Readable parts of values, and numbers that nobody said, where no value was said.
        tag_count: Tags in the whole transcript.
    """

    medium: Medium
    replacements: tuple[Replacement, ...]
    strays: tuple[str, ...]
    tag_count: int

    @property
    def problems(self) -> list[str]:
        """One line for each thing that is wrong; empty when the transcript is clean."""
        found = [f"{r.planted.type} {r.planted.value}: {r.problem}" for r in self.replacements if r.problem]
        found += [f"{stray!r} can be read where no value was said" for stray in self.strays]
        planted = len(self.medium.values)
        if self.tag_count < planted:
            found.append(f"{planted} values were planted and only {self.tag_count} things were replaced")
        return [f"{self.medium.name}: {line}" for line in found]


def check_replacements(medium: Medium, redacted: str) -> Verdict:
    """Compare the redacted transcript of a medium with what was said.

    Raises:
        ValueError: The medium does not hold a value that it lists.
    """
    said, heard = _units(medium), tokens_of(redacted)
    owners = align(said, heard)
    slots = [index for index, unit in enumerate(said) if isinstance(unit, Slot)]
    replacements = [
        replace(
            _replacement(value, redacted, [token for token, owner in zip(heard, owners, strict=True) if owner == slot]),
            of_any_type=medium.noisy,
        )
        for value, slot in zip(medium.values, slots, strict=True)
    ]
    strays = _strays(medium.values, said, heard, owners)
    return Verdict(medium, tuple(replacements), tuple(strays), sum(bool(token.tag) for token in heard))


def heard_values(medium: Medium, heard: str) -> list[str]:
    """For each value of a medium the part of an unredacted transcript that stands for it; empty where nothing does."""
    said, tokens = _units(medium), tokens_of(heard)
    owners = align(said, tokens)
    stretches = []
    for index in (index for index, unit in enumerate(said) if isinstance(unit, Slot)):
        mine = [token for token, owner in zip(tokens, owners, strict=True) if owner == index]
        stretches.append(heard[mine[0].start : mine[-1].end] if mine else "")
    return stretches


def _units(medium: Medium) -> list[Unit]:
    """The words around the values, with a slot in the place of each value."""
    units: list[Unit] = []
    at = 0
    for value in medium.values:
        form = value.spoken or value.value
        begin = medium.said.find(form, at)
        if begin < 0:
            raise ValueError(f"{medium.name} does not hold its {value.type} after the values before it")
        units += tokens_of(medium.said[at:begin])
        own = (*tokens_of(value.value), *tokens_of(value.spoken), *tokens_of(" ".join(value.heard)))
        units.append(Slot(value.type, frozenset(token.text for token in own)))
        at = begin + len(form)
    return units + list(tokens_of(medium.said[at:]))


def _replacement(value: Planted, redacted: str, tokens: Sequence[Token]) -> Replacement:
    if not tokens:
        return Replacement(value, "", (), "")
    stretch = redacted[tokens[0].start : tokens[-1].end]
    tags = tuple(token.tag for token in tokens if token.tag)
    return Replacement(value, stretch, tags, _readable(value, redacted, tokens))


def _readable(value: Planted, redacted: str, tokens: Sequence[Token]) -> str:
    """What may be a part of the value among the tokens, as it stands in the text.

    Beside the tag of a name, mailbox or address that is every word but filler, beside that of a number every digit and
    every word that sounds like one of the number's words.
    """
    spoken = {word for word in re.findall(r"[a-z]+", value.spoken.lower()) if word not in FILLER}
    by_words = value.type in SPELLED_WORDS or not any(token.tag for token in tokens)
    spans: list[tuple[int, int]] = []
    for token in tokens:
        if token.tag or token.text in FILLER:
            continue
        if not (token.is_digit or by_words or any(likeness(word, token.text) >= ALIKE for word in spoken)):
            continue
        if spans and not any(c.isalnum() for c in redacted[spans[-1][1] : token.start]):
            spans[-1] = (spans[-1][0], token.end)
        else:
            spans.append((token.start, token.end))
    return " ".join(redacted[start:end] for start, end in spans)


def _strays(
    values: Sequence[Planted], said: Sequence[Unit], heard: Sequence[Token], owners: Sequence[int | None]
) -> list[str]:
    """Numbers that nobody said, and words of a planted value, outside the values' own places."""
    words = {
        token.text
        for value in values
        if value.type in SPELLED_WORDS
        for token in tokens_of(value.value)
        if len(token.text) >= LEAST_STRAY_LETTERS and not token.is_digit
    }
    found: list[str] = []
    row, apart = "", 0
    for token, owner in zip(heard, owners, strict=True):
        if not _is_strange(said, token, owner):
            apart = LONGEST_APART + 1 if token.tag else apart + (token.text not in FILLER)
        elif token.is_digit:
            if apart > LONGEST_APART:
                found, row = [*found, *_long_enough(row)], ""
            row, apart = row + token.text, 0
        else:
            unit = said[owner] if owner is not None else None
            found += [token.text] * _is_of_value(token, unit, words)
            apart += token.text not in FILLER
    return [*found, *_long_enough(row)]


def _long_enough(row: str) -> list[str]:
    return [row] if len(row) >= LEAST_STRAY_DIGITS else []


def _is_of_value(token: Token, said: Unit | None, words: Iterable[str]) -> bool:
    """Whether the word is more like a word of a value than like the word that it stands for."""
    if len(token.text) < LEAST_STRAY_LETTERS:
        return False
    carrier = likeness(said.text, token.text) if isinstance(said, Token) else 0.0
    return max((likeness(word, token.text) for word in words), default=0.0) >= max(ALIKE, carrier)


def _is_strange(said: Sequence[Unit], token: Token, owner: int | None) -> bool:
    """Whether the token matches nothing that was said, or another word than its own."""
    if token.tag:
        return False
    unit = said[owner] if owner is not None else None
    return not isinstance(unit, Slot) and (unit is None or unit.text != token.text)


def misheard_values(verdicts: Sequence[Verdict]) -> list[Planted]:
    """The readable text in place of each value that was not replaced. The proof searches for it elsewhere."""
    return [
        replace(r.planted, value=r.redacted, spoken="", heard=())
        for verdict in verdicts
        for r in verdict.replacements
        if not r.tags and sum(map(str.isalnum, r.redacted)) >= LEAST_SEARCHED
    ]
