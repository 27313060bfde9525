"""Composes sentences with values, as people speak: with repairs, pauses, parts in any order, among other talk."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from models.training.spoken.broken_values import in_parts, mistaken, parts_of
from models.training.spoken.grammar import MAKERS, Grammar, ValueType
from models.training.spoken.sentences import VALUE, Part, Sentence, marked_parts, sentence_of, value_mark
from models.training.spoken.utterances import WRONG, gives_value, marked_text, pieces_of, slot_of, unnamed, value_of
from models.training.spoken.verbalize import Speaker, random_style

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

_UTTERED, _AMONG_UTTERED, _BROKEN_UTTERED, _ASKED = 0.6, 0.2, 0.12, 0.15
"""Share of the sentences that are whole utterances; shares of these with other talk around, with a value that is broken
further, and after a question for it.
"""


class Composer:
    """Composes the sentences of one grammar.

    Args:
        grammar: The lists and types.
        utterances: Whole utterances with slots, see ``utterances``.
    """

    def __init__(self, grammar: Grammar, utterances: Sequence[str] = ()) -> None:
        self._grammar = grammar
        self._personal_lines = [line for line in utterances if gives_value(line, grammar)]
        self._harmless_lines = [line for line in utterances if not gives_value(line, grammar)]
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
        if self._personal_lines and self._chance.random() < _UTTERED:
            return self._uttered()
        roll = self._chance.random()
        if roll < _TALK_ONLY:
            return self._sentence("talk", [(self._talk(), "")])
        if roll < _TALK_ONLY + _SEVERAL:
            return self._several()
        sentence = self._single(self._kind())
        if self._chance.random() < _AMONG:
            return self._among(sentence)
        return sentence

    def _uttered(self) -> Sentence:
        harmless = self._harmless_lines and self._chance.random() < HARMLESS_SHARE
        line = self._chance.choice(self._harmless_lines if harmless else self._personal_lines)
        asked = [name for _, name, _ in pieces_of(line) if name in self._grammar.types]
        sentence = self.utter(line)
        if asked and self._chance.random() < _ASKED:
            sentence.asked = self._grammar.types[asked[0]].label
        return self._among(sentence) if self._chance.random() < _AMONG_UTTERED else sentence

    def utter(self, line: str) -> Sentence:
        """An utterance with slots, as somebody says it."""
        return replace(self._sentence("uttered", list(self._parts(line))), whole=False)

    def _parts(self, line: str) -> Iterator[Part]:
        """The parts of an utterance."""
        pieces = [*pieces_of(line)]
        broken: dict[str, list[str]] = {}
        for text, name, more in pieces:
            yield marked_text(text, self._grammar), ""
            if not name:
                continue
            if name in MAKERS:
                yield self._grammar.expand(f"{{{name}:{more}}}"), ""
            elif (kind := slot_of(name, self._grammar)) is None:
                yield unnamed(name, self._grammar), ""
            elif wanted := {other for _, known, other in pieces if known == name} - {""}:
                if name not in broken:
                    numbers = [int(number) for number in wanted - {WRONG}]
                    broken[name] = self._broken(kind, max(2, *numbers) if numbers else 1)  # a part alone is no whole
                yield self._piece(kind, broken[name], more), kind.label
            else:
                yield from self._whole(kind)

    def _broken(self, kind: ValueType, count: int) -> list[str]:
        """A value in so many parts."""
        value = value_of(kind, self._grammar)
        return in_parts(self._chance, value, count) if count > 1 else [value]

    def _piece(self, kind: ValueType, parts: Sequence[str], more: str) -> str:
        if more.isdigit():
            return parts[min(int(more), len(parts)) - 1]
        value = " | ".join(parts)
        return (mistaken(self._chance, value) or value_of(kind, self._grammar)) if more else value

    def _whole(self, kind: ValueType) -> list[Part]:
        if kind.repaired and kind.personal and self._chance.random() < _BROKEN_UTTERED:
            return self._chance.choice((self._repair, self._hesitate))(kind)
        return [(value_of(kind, self._grammar), kind.label)]

    def _kind(self) -> ValueType:
        kinds = self._harmless if self._chance.random() < HARMLESS_SHARE else self._personal
        return self._chance.choices(kinds, [kind.weight for kind in kinds])[0]

    def _single(self, kind: ValueType) -> Sentence:
        shape = self._chance.choices([*_SHAPES], [*_SHAPES.values()])[0]
        if (shape in _BROKEN and not kind.repaired) or (shape == "after" and not kind.after):
            shape = "plain"
        sentence = self._sentence(shape, self._shapes[shape](kind))
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
            before = self._sentence("talk", [(self._talk() + self._stop(), "")])
            sentence = replace(self._joined(before, "", sentence), shape=sentence.shape, asked=sentence.asked)
        while self._chance.random() < 0.45:
            after = self._sentence("talk", [(self._talk(), "")])
            sentence = replace(self._joined(sentence, self._stop(), after), shape=sentence.shape)
        return sentence

    def _joined(self, first: Sentence, between: str, second: Sentence) -> Sentence:
        shift = max(first.labels, default=0)
        moved = [replace(t, group=t.group + shift if t.group else 0) for t in second.tokens]
        joint = self._sentence("", [(between, "")]).tokens if between else []
        labels = first.labels | {group + shift: label for group, label in second.labels.items()}
        return Sentence([*first.tokens, *joint, *moved], labels, first.shape, first.asked, first.whole and second.whole)

    def _stop(self) -> str:
        return self._chance.choice((" .", " .", " ,", ""))

    def _talk(self) -> str:
        return self._grammar.pick("talk")

    def _sentence(self, shape: str, parts: Sequence[Part]) -> Sentence:
        return sentence_of(shape, parts, Speaker(self._grammar, random_style(self._grammar)))

    # ---- shapes

    def _value(self, kind: ValueType) -> str:
        return self._grammar.expand(self._chance.choice(kind.values))

    def _frame(self, entries: list[str] | tuple[str, ...], kind: ValueType, value: list[Part]) -> list[Part]:
        noun = self._grammar.expand(self._chance.choice(kind.nouns)) if kind.nouns else ""
        frame = self._grammar.expand(self._chance.choice(entries), {"noun": noun, "V": VALUE})
        opening = self._grammar.maybe("opening", 0.3)
        before, _, after = frame.partition(VALUE)
        tail = self._grammar.maybe("tail", 0.3) if not after.strip() else self._grammar.maybe("tail", 0.12)
        return [(f"{opening} {before}", ""), *value, (f"{after} {tail}", "")]

    def _plain(self, kind: ValueType) -> list[Part]:
        return self._frame([*kind.before], kind, [(self._value(kind), kind.label)])

    def _after(self, kind: ValueType) -> list[Part]:
        return self._frame([*kind.after], kind, [(self._value(kind), kind.label)])

    def _question(self, kind: ValueType) -> list[Part]:
        parts = self._plain(kind)
        return [(self._grammar.pick("check"), ""), *parts] if self._chance.random() < 0.4 else [*parts, (" ?", "")]

    def _alone(self, kind: ValueType) -> list[Part]:
        value: list[Part] = [(self._value(kind), kind.label)]
        if kind.repaired and self._chance.random() < 0.3:
            value = self._chance.choice((self._repair, self._hesitate))(kind)
        if self._chance.random() < 0.5:
            return value
        before, _, after = self._grammar.expand(
            self._chance.choice(self._grammar.lists["answer"]), {"V": VALUE}
        ).partition(VALUE)
        return [(before, ""), *value, (after, "")]

    def _pause(self, kind: ValueType) -> list[Part]:
        return self._either_frame(kind, self._hesitate(kind))

    def _corrected(self, kind: ValueType) -> list[Part]:
        return self._either_frame(kind, self._repair(kind))

    def _mixed(self, kind: ValueType) -> list[Part]:
        value = self._value(kind)
        parts = parts_of(self._chance, value)
        in_parts = len(parts) > 1 and "<s:@>" not in value and ("|" in value or " " not in value)
        return self._either_frame(kind, self._reordered(parts, kind) if in_parts else self._repair(kind))

    def _either_frame(self, kind: ValueType, value: list[Part]) -> list[Part]:
        entries = kind.after if kind.after and self._chance.random() < 0.25 else kind.before
        return self._frame([*entries], kind, value)

    def _hesitate(self, kind: ValueType) -> list[Part]:
        parts = parts_of(self._chance, self._value(kind))
        pieces: list[Part] = [(parts[0], kind.label)]
        for part in parts[1:]:
            filler = self._grammar.maybe("hesitation", 0.55) or self._aside()
            pause = self._chance.choice((",", ".", "…", ","))
            between = [(f"{pause} {filler} ,", "")] if filler else [(pause, kind.label)]
            pieces += [*between, (part, kind.label)]
        return pieces

    def _aside(self) -> str:
        return self._grammar.maybe("aside", _ASIDE) if "aside" in self._grammar.lists else ""

    def _mistaken(self, marked: str, kind: ValueType) -> str:
        return mistaken(self._chance, marked) or self._value(kind)

    def _repair(self, kind: ValueType) -> list[Part]:
        right = self._value(kind)
        parts = parts_of(self._chance, right)
        roll = self._chance.random()
        if roll < 0.35 and len(parts) > 1:
            at = self._chance.randrange(len(parts))
            wrong = self._mistaken(parts[at], kind)
            repair = self._grammar.expand(self._chance.choice(self._grammar.lists["repair"]))
            before, after = (" | ".join(some) for some in ([*parts[:at], wrong], parts[at:]))
            return [(f"{before} ,", kind.label), (repair, ""), (after, kind.label)]
        wrong = self._mistaken(right, kind)
        if roll < 0.5 and len(parts) > 1:
            at = self._chance.choice((0, len(parts) - 1))
            wrong = " | ".join([*parts[:at], self._mistaken(parts[at], kind), *parts[at + 1 :]])
            entry = self._chance.choice(self._grammar.lists["repair_start" if at == 0 else "repair_end"])
            return marked_parts(
                f"{value_mark(wrong)} {self._grammar.expand(entry, {'right': value_mark(parts[at])})}", kind.label
            )
        entry = self._chance.choice(self._grammar.lists["repair_whole"])
        repair = self._grammar.expand(self._chance.choice(self._grammar.lists["repair"]))
        return marked_parts(
            self._grammar.expand(entry, {"repair": repair, "wrong": value_mark(wrong), "right": value_mark(right)}),
            kind.label,
        )

    def _reordered(self, parts: list[str], kind: ValueType) -> list[Part]:
        if len(parts) > 3 or (len(parts) == 3 and self._chance.random() < 0.4):
            cut = self._chance.randint(1, len(parts) - 1)
            parts = [" | ".join(parts[:cut]), " | ".join(parts[cut:])]
        entry = self._chance.choice(self._grammar.lists[f"mixed{len(parts)}"])
        return marked_parts(
            self._grammar.expand(entry, {f"p{n}": value_mark(part) for n, part in enumerate(parts, 1)}), kind.label
        )
