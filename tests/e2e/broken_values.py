"""Values as people say them when it goes wrong: corrected, in two utterances, misheard. And what of them can be read.

The sentences are composed from templates that nothing was trained on, and misheard with the model of what recognition
makes of speech. The values are those of ``planted_values``, so the truth is known.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Final

from models.training.spoken.composer import Composer
from models.training.spoken.confusions import ConfusionModel
from models.training.spoken.grammar import ValueType, build_grammar
from models.training.spoken.sentences import Sentence
from models.training.spoken.verbalize import DIGIT, PAUSE, SIGN
from server.cli.demo.planted import Planted
from tests.e2e.planted_values import RAW, Person, squeezed

CORRECTED, SPLIT, MISHEARD = "corrected", "split", "misheard"
_SHAPES: Final = {
    CORRECTED: {"corrected"},
    SPLIT: {"pause"},
    MISHEARD: {"plain", "after", "mixed", "corrected", "pause"},
}
SPLIT_OF_TEMPLATES: Final = "held"

CONTEXT, LEAST_NEEDLE = 16, 12
"""Characters before a value that are searched for with it, and fewest letters and digits worth searching for."""

RUN, SHARE = 3, 0.4
"""Digits in a row, and share of all of them in order, that give a number away."""
ALIKE, LETTERS = 0.6, 4
"""Likeness to a part of a name, and letters of a mailbox in a row, that give it away."""

_TAG = re.compile(r"\[REDACTED_[A-Z_]+\]")
_UNITS: Final = "zero one two three four five six seven eight nine".split()  # noqa: SIM905 -- reads as it is counted
_NUMBER_WORDS: Final = {word: str(n) for n, word in enumerate(_UNITS)} | {"oh": "0", "nought": "0"}


@dataclass(frozen=True, slots=True)
class Broken:
    """One value, and what somebody says to give it.

    Attributes:
        how: ``CORRECTED``, ``SPLIT`` or ``MISHEARD``.
        label: Its type of entity.
        value: The true value.
        texts: One utterance, or two.
        spans: In each utterance the parts that stand for the value.
    """

    how: str
    label: str
    value: str
    texts: tuple[str, ...]
    spans: tuple[tuple[tuple[int, int], ...], ...]
    words: tuple[tuple[int, int, float], ...] = ()
    """Start, end and confidence of each word, if recognition wrote the text."""

    @property
    def needles(self) -> list[Planted]:
        """What stands for the value in each text, with the words before it: found in any bytes, it is the raw text."""
        pieces = [
            text[max(0, min(start for start, _ in spans) - CONTEXT) : max(end for _, end in spans)]
            for text, spans in zip(self.texts, self.spans, strict=True)
            if spans
        ]
        return [Planted(RAW, piece, "", self.how) for piece in pieces if len(squeezed(piece)) >= LEAST_NEEDLE]


def broken_values(people: Sequence[Person], how: str, seed: int) -> Iterator[Broken]:
    """Each value of these people once."""
    chance = random.Random(seed)
    model = ConfusionModel.read()
    for person in people:
        for name, value, marked in _values(person):
            sentence = _composed(name, marked, how, chance)
            if how == MISHEARD:
                heard = model.corrupt(sentence, "en", chance)
                spans = tuple((start, end) for start, end, _ in heard.spans)
                yield Broken(how, sentence.labels[1], value, (heard.text,), (spans,), tuple(heard.words))
            else:
                yield Broken(how, sentence.labels[1], value, *_written(sentence, in_two=how == SPLIT))


def _values(person: Person) -> Iterator[tuple[str, str, str]]:
    """Type in the templates, value, and the value as the templates want it."""
    phone = re.sub(r"\D", "", person.phone)[-10:]
    whole = f"{person.given} {person.surname}"
    local, _, domain = person.email.partition("@")
    yield "phone", phone, f"{{d:{phone[:3]} {phone[3:6]} {phone[6:]}}}"
    yield "ssn", person.ssn, f"{{d:{person.ssn.replace('-', ' ')}}}"
    yield "card", person.card, f"{{d:{person.card}}}"
    yield "passport", person.passport, f"{{d:{person.passport}}}"
    yield "name", whole, whole
    yield (
        "email",
        person.email,
        " ".join([local.replace(".", " {sign:.} "), "{sign:@}", domain.replace(".", " {sign:.} ")]),
    )


def _composed(name: str, marked: str, how: str, chance: random.Random) -> Sentence:
    grammar = build_grammar("en", SPLIT_OF_TEMPLATES, chance)
    kind: ValueType = replace(grammar.types[name], values=[marked])
    composer = Composer(replace(grammar, types={name: kind, "reading": grammar.types["reading"]}))
    while True:
        sentence = composer.compose()
        fits = set(sentence.labels.values()) == {kind.label} and sentence.shape in _SHAPES[how]
        if fits and (how != SPLIT or _break(sentence) is not None):
            return sentence


def _break(sentence: Sentence) -> int | None:
    """The first pause inside the value; None if there is none."""
    parts = [at for at, token in enumerate(sentence.tokens) if token.group]
    return next((at for at in range(parts[0], parts[-1]) if sentence.tokens[at].kind == PAUSE), None)


def _written(sentence: Sentence, *, in_two: bool) -> tuple[tuple[str, ...], tuple[tuple[tuple[int, int], ...], ...]]:
    """The sentence as a careful listener writes it; a new utterance begins at the first pause in the value."""
    texts, spans, before = [""], [list[tuple[int, int]]()], ""
    cut = _break(sentence) if in_two else None
    for at, token in enumerate(sentence.tokens):
        if token.kind == PAUSE:
            if at == cut:
                texts.append("")
                spans.append([])
            elif texts[-1]:
                texts[-1] += ","
            before = PAUSE
            continue
        glued = not texts[-1] or SIGN in (token.kind, before) or token.kind == before == DIGIT
        start = len(texts[-1]) + (not glued)
        texts[-1] += ("" if glued else " ") + token.written
        before = token.kind
        if token.group:
            spans[-1].append((start, len(texts[-1])))
    return tuple(texts), tuple(tuple(of_text) for of_text in spans)


def can_be_read(broken: Broken, shown: Sequence[str | None], *, unfinished: bool = False) -> bool:
    """Whether a part of the true value can be read in the redacted utterances.

    Args:
        broken: What went in.
        shown: Its texts with tags, as many as there are so far; None for one that was kept from the reader.
        unfinished: Whether more of the last one may follow.
    """
    runs = [
        run
        for number, text in enumerate(shown)
        if text is not None
        for run in _visible(broken, number, text, unfinished=unfinished and number == len(shown) - 1)
    ]
    if broken.label == "NAME":
        parts = broken.value.lower().split()
        words = [word for run in runs for word in re.findall(r"[^\W\d_]{3,}", run.lower())]
        return any(_likeness(word, part) >= ALIKE for word in words for part in parts)
    if broken.label == "EMAIL":
        local = re.sub(r"[^a-z]", "", broken.value.partition("@")[0])
        return any(_common(re.sub(r"[^a-z]", "", run.lower()), local) >= LETTERS for run in runs)
    truth, digits = re.sub(r"\D", "", broken.value), [_digits(run) for run in runs]
    in_order = _in_order("".join(digits), truth)
    return any(_common(run, truth) >= RUN for run in digits) or in_order >= max(2.0, SHARE * len(truth))


def _visible(broken: Broken, number: int, redacted: str, *, unfinished: bool) -> list[str]:
    """The pieces of what stands for the value that are still in the redacted utterance."""
    text = broken.texts[number]
    pieces = [piece.strip() for piece in _TAG.split(redacted.strip())]
    pattern = r"(?:\s*)" + r".+?".join(f"({re.escape(piece)})" for piece in pieces)
    found = re.match(pattern, text, re.DOTALL) if unfinished else re.fullmatch(pattern + r"\s*", text, re.DOTALL)
    assert found, f"{redacted!r} is not {text!r} with tags"
    kept = [found.span(group) for group in range(1, len(pieces) + 1)]
    return [
        text[max(start, a) : min(end, b)]
        for start, end in _joined(broken.spans[number])
        for a, b in kept
        if max(start, a) < min(end, b)
    ]


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, those that touch as one: each digit of "212" has its own."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _digits(text: str) -> str:
    words = re.findall(r"\d|[a-z]+", text.lower())
    return "".join(_NUMBER_WORDS.get(word, word if word.isdigit() else "") for word in words)


def _common(one: str, other: str) -> int:
    """The longest string that is in both."""
    return SequenceMatcher(None, one, other, autojunk=False).find_longest_match().size


def _in_order(one: str, other: str) -> int:
    """The longest sequence that is in both in this order."""
    row = [0] * (len(other) + 1)
    for sign in one:
        new = [0]
        for at, theirs in enumerate(other):
            new.append(row[at] + 1 if sign == theirs else max(row[at + 1], new[-1]))
        row = new
    return row[-1]


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
