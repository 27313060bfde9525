"""Composes sentences with values, as people speak: with repairs, pauses, parts in any order, among other talk."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from models.training.spoken.grammar import Grammar, ValueType
from models.training.spoken.verbalize import PAUSE, Speaker, Token, random_style

HARMLESS_SHARE: Final = 0.36
_SHAPES: Final = {
    "plain": 24, "after": 16, "mixed": 13, "corrected": 18, "pause": 12, "alone": 12, "question": 5
}  # fmt: skip
_BROKEN: Final = ("mixed", "corrected", "pause")
"""Shapes for values that people say in parts or take back."""

_TALK_ONLY, _SEVERAL, _AMONG = 0.09, 0.1, 0.34
"""Shares of the sentences without a value, with several, and with other talk around."""

_ASIDE = 0.3
"""Share of the pauses within a value in which people talk of something else, where the language has such talk."""

_OTHER_QUESTION = 0.05


@dataclass
class Sentence:
    """What somebody says.

    Attributes:
        tokens: In order. Those of a value have its group.
        labels: Label of each group.
        shape: How the values are said.
        asked: Label of what the assistant has asked for, or nothing.
    """

    tokens: list[Token] = field(default_factory=list)
    labels: dict[int, str] = field(default_factory=dict)
    shape: str = "plain"
    asked: str = ""

    @property
    def said(self) -> str:
        """The spoken words, with commas where the speaker pauses."""
        text = " ".join(token.said for token in self.tokens)
        for sign in ",.?!…":
            text = text.replace(f" {sign}", sign)
        return text


Part = tuple[str, bool]
"""A text with marks, and whether it belongs to the value. Talk between two parts of a value belongs to none."""

_VALUE: Final = "\0"
"""Stands for the value in a sentence, or at both ends of it."""


class Composer:
    """Composes the sentences of one grammar."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._chance: random.Random = grammar.chance
        kinds = [kind for kind in grammar.types.values() if kind.weight > 0]
        self._personal = [kind for kind in kinds if kind.personal]
        self._harmless = [kind for kind in kinds if not kind.personal]
        self._shapes: Final[Mapping[str, Callable[[ValueType], list[Part]]]] = {
            "plain": self._plain, "after": self._after, "mixed": self._mixed, "corrected": self._corrected,
            "pause": self._pause, "alone": self._alone, "question": self._question,
        }  # fmt: skip

    def compose(self) -> Sentence:
        """One utterance."""
        roll = self._chance.random()
        if roll < _TALK_ONLY:
            return self._sentence("talk", [(self._talk(), False)], {})
        if roll < _TALK_ONLY + _SEVERAL:
            return self._several()
        sentence = self._single(self._kind())
        if self._chance.random() < _AMONG:
            return self._among(sentence)
        return sentence

    def _kind(self) -> ValueType:
        kinds = self._harmless if self._chance.random() < HARMLESS_SHARE else self._personal
        return self._chance.choices(kinds, [kind.weight for kind in kinds])[0]

    def _single(self, kind: ValueType) -> Sentence:
        shape = self._chance.choices([*_SHAPES], [*_SHAPES.values()])[0]
        if (shape in _BROKEN and not kind.repaired) or (shape == "after" and not kind.after):
            shape = "plain"
        sentence = self._sentence(shape, self._shapes[shape](kind), {1: kind.label})
        sentence.asked = self._asked(kind, shape)
        return sentence

    def _asked(self, kind: ValueType, shape: str) -> str:
        roll = self._chance.random()
        if roll < _OTHER_QUESTION:
            return self._chance.choice(self._personal).label
        answered = kind.personal or kind.label == "READING"
        return kind.label if answered and roll < (0.85 if shape == "alone" else 0.3) else ""

    def _several(self) -> Sentence:
        sentences = [self._single(self._kind()) for _ in range(self._chance.choice((2, 2, 2, 3)))]
        whole = sentences[0]
        for other in sentences[1:]:
            whole = self._joined(whole, self._grammar.pick("between"), other)
        return replace(whole, shape="several")

    def _among(self, sentence: Sentence) -> Sentence:
        if self._chance.random() < 0.6:
            before = self._sentence("talk", [(self._talk() + self._stop(), False)], {})
            sentence = replace(self._joined(before, "", sentence), shape=sentence.shape, asked=sentence.asked)
        while self._chance.random() < 0.45:
            after = self._sentence("talk", [(self._talk(), False)], {})
            sentence = replace(self._joined(sentence, self._stop(), after), shape=sentence.shape)
        return sentence

    def _joined(self, first: Sentence, between: str, second: Sentence) -> Sentence:
        shift = max(first.labels, default=0)
        moved = [replace(t, group=t.group + shift if t.group else 0) for t in second.tokens]
        joint = self._sentence("", [(between, False)], {}).tokens if between else []
        labels = first.labels | {group + shift: label for group, label in second.labels.items()}
        return Sentence([*first.tokens, *joint, *moved], labels, first.shape, first.asked)

    def _stop(self) -> str:
        return self._chance.choice((" .", " .", " ,", ""))

    def _talk(self) -> str:
        return self._grammar.pick("talk")

    def _sentence(self, shape: str, parts: list[Part], labels: dict[int, str]) -> Sentence:
        speaker = Speaker(self._grammar, random_style(self._grammar))
        tokens: list[Token] = []
        group, opened, apart = 1, False, False
        for text, inside in parts:
            for token in speaker.tokens(text):
                if inside and labels:
                    group, opened, apart = group + apart, True, False
                    token = replace(token, group=group)  # noqa: PLW2901
                elif token.kind != PAUSE:
                    apart = opened
                tokens.append(token)
        found = range(1, group + 1) if opened else ()
        return Sentence(_without_outer_pauses(tokens), dict.fromkeys(found, *labels.values()), shape)

    # ---- shapes

    def _value(self, kind: ValueType) -> str:
        return self._grammar.expand(self._chance.choice(kind.values))

    def _frame(self, entries: list[str] | tuple[str, ...], kind: ValueType, value: list[Part]) -> list[Part]:
        noun = self._grammar.expand(self._chance.choice(kind.nouns)) if kind.nouns else ""
        frame = self._grammar.expand(self._chance.choice(entries), {"noun": noun, "V": _VALUE})
        opening = self._grammar.maybe("opening", 0.3)
        before, _, after = frame.partition(_VALUE)
        tail = self._grammar.maybe("tail", 0.3) if not after.strip() else self._grammar.maybe("tail", 0.12)
        return [(f"{opening} {before}", False), *value, (f"{after} {tail}", False)]

    def _plain(self, kind: ValueType) -> list[Part]:
        return self._frame([*kind.before], kind, [(self._value(kind), True)])

    def _after(self, kind: ValueType) -> list[Part]:
        return self._frame([*kind.after], kind, [(self._value(kind), True)])

    def _question(self, kind: ValueType) -> list[Part]:
        parts = self._plain(kind)
        return (
            [(self._grammar.pick("check"), False), *parts] if self._chance.random() < 0.4 else [*parts, (" ?", False)]
        )

    def _alone(self, kind: ValueType) -> list[Part]:
        value: list[Part] = [(self._value(kind), True)]
        if kind.repaired and self._chance.random() < 0.3:
            value = self._chance.choice((self._repair, self._hesitate))(kind)
        if self._chance.random() < 0.5:
            return value
        before, _, after = self._grammar.expand(
            self._chance.choice(self._grammar.lists["answer"]), {"V": _VALUE}
        ).partition(_VALUE)
        return [(before, False), *value, (after, False)]

    def _pause(self, kind: ValueType) -> list[Part]:
        return self._either_frame(kind, self._hesitate(kind))

    def _corrected(self, kind: ValueType) -> list[Part]:
        return self._either_frame(kind, self._repair(kind))

    def _mixed(self, kind: ValueType) -> list[Part]:
        value = self._value(kind)
        parts = self._split(value)
        in_parts = len(parts) > 1 and "<s:@>" not in value and ("|" in value or " " not in value)
        return self._either_frame(kind, self._reordered(parts) if in_parts else self._repair(kind))

    def _either_frame(self, kind: ValueType, value: list[Part]) -> list[Part]:
        entries = kind.after if kind.after and self._chance.random() < 0.25 else kind.before
        return self._frame([*entries], kind, value)

    def _hesitate(self, kind: ValueType) -> list[Part]:
        parts = self._split(self._value(kind))
        pieces: list[Part] = [(parts[0], True)]
        for part in parts[1:]:
            filler = self._grammar.maybe("hesitation", 0.55) or self._aside()
            pause = self._chance.choice((",", ".", "…", ","))
            between = [(f"{pause} {filler} ,", False)] if filler else [(pause, True)]
            pieces += [*between, (part, True)]
        return pieces

    def _aside(self) -> str:
        return self._grammar.maybe("aside", _ASIDE) if "aside" in self._grammar.lists else ""

    def _repair(self, kind: ValueType) -> list[Part]:
        right = self._value(kind)
        parts = self._split(right)
        roll = self._chance.random()
        if roll < 0.35 and len(parts) > 1:
            at = self._chance.randrange(len(parts))
            wrong = self._mistaken(parts[at], kind)
            repair = self._grammar.expand(self._chance.choice(self._grammar.lists["repair"]))
            before, after = (" | ".join(some) for some in ([*parts[:at], wrong], parts[at:]))
            return [(f"{before} ,", True), (repair, False), (after, True)]
        wrong = self._mistaken(right, kind)
        if roll < 0.5 and len(parts) > 1:
            at = self._chance.choice((0, len(parts) - 1))
            wrong = " | ".join([*parts[:at], self._mistaken(parts[at], kind), *parts[at + 1 :]])
            entry = self._chance.choice(self._grammar.lists["repair_start" if at == 0 else "repair_end"])
            return _marked_parts(f"{_value(wrong)} {self._grammar.expand(entry, {'right': _value(parts[at])})}")
        entry = self._chance.choice(self._grammar.lists["repair_whole"])
        repair = self._grammar.expand(self._chance.choice(self._grammar.lists["repair"]))
        return _marked_parts(
            self._grammar.expand(entry, {"repair": repair, "wrong": _value(wrong), "right": _value(right)})
        )

    def _reordered(self, parts: list[str]) -> list[Part]:
        if len(parts) > 3 or (len(parts) == 3 and self._chance.random() < 0.4):
            cut = self._chance.randint(1, len(parts) - 1)
            parts = [" | ".join(parts[:cut]), " | ".join(parts[cut:])]
        entry = self._chance.choice(self._grammar.lists[f"mixed{len(parts)}"])
        return _marked_parts(self._grammar.expand(entry, {f"p{n}": _value(part) for n, part in enumerate(parts, 1)}))

    def _split(self, marked: str) -> list[str]:
        """The parts of a value; one long run of digits is cut."""
        parts = [part.strip() for part in marked.split("|")]
        if len(parts) > 1 or not (parts[0].startswith("<d:") or parts[0].startswith("<l:")) or " " in parts[0]:
            return self._words_apart(parts[0]) if len(parts) == 1 else parts
        mark, text = parts[0][1], parts[0][3:-1]
        if len(text) < 4:
            return parts
        cut = self._chance.randint(2, len(text) - 2)
        return [f"<{mark}:{text[:cut]}>", f"<{mark}:{text[cut:]}>"]

    def _words_apart(self, text: str) -> list[str]:
        words = text.split()
        if len(words) < 2:
            return [text]
        cut = self._chance.randint(1, len(words) - 1)
        return [" ".join(words[:cut]), " ".join(words[cut:])]

    def _mistaken(self, marked: str, kind: ValueType) -> str:
        """A value that differs a little: one number or letter, or, for words, another value of the type."""
        places = [at for at in range(len(marked)) if self._may_change(marked, at)]
        if not places:
            return self._value(kind)
        at = self._chance.choice(places)
        others = "123456789" if marked[at].isdigit() else "ABCDEFGHKLMNPRSTVW"
        return marked[:at] + self._chance.choice(others.replace(marked[at], "")) + marked[at + 1 :]

    @staticmethod
    def _may_change(marked: str, at: int) -> bool:
        opened = marked.rfind("<", 0, at)
        inside = opened > marked.rfind(">", 0, at) and at > opened + 2 and marked[at] != ">"
        return inside and marked[opened + 1] in "dl"


def _value(text: str) -> str:
    return f"{_VALUE}{text}{_VALUE}"


def _marked_parts(text: str) -> list[Part]:
    """The parts of a text in which each piece of a value stands between two ``_VALUE``."""
    return [(part, number % 2 == 1) for number, part in enumerate(text.split(_VALUE))]


def _without_outer_pauses(tokens: list[Token]) -> list[Token]:
    """The tokens without a pause at the start, pauses in a row, or a pause that opens or closes a value."""
    kept: list[Token] = []
    for token in tokens:
        if token.kind == PAUSE and (not kept or kept[-1].kind == PAUSE):
            continue
        kept.append(token)
    for at, token in enumerate(kept):
        if token.kind == PAUSE and token.group:
            edges = kept[at - 1 : at + 2 : 2]
            if len(edges) < 2 or any(edge.group != token.group for edge in edges):
                kept[at] = replace(token, group=0)
    return kept
