"""A sentence of the corpus: its tokens, and the labels of its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from models.training.spoken.verbalize import PAUSE, Speaker, Token


@dataclass
class Sentence:
    """What somebody says.

    Attributes:
        tokens: In order. Those of a value have its group.
        labels: Label of each group.
        shape: How the values are said.
        asked: Label of what the assistant has asked for, or nothing.
        whole: Whether every harmless value is labelled, too.
    """

    tokens: list[Token] = field(default_factory=list)
    labels: dict[int, str] = field(default_factory=dict)
    shape: str = "plain"
    asked: str = ""
    whole: bool = True

    @property
    def said(self) -> str:
        """The spoken words, with commas where the speaker pauses."""
        text = " ".join(token.said for token in self.tokens)
        for sign in ",.?!…":
            text = text.replace(f" {sign}", sign)
        return text


Part = tuple[str, str]
"""A text with marks, and the label of the value that it belongs to, or nothing: talk between two parts of a value."""

VALUE: Final = "\0"
"""Stands for the value in a sentence, or at both ends of it."""


def value_mark(text: str) -> str:
    return f"{VALUE}{text}{VALUE}"


def marked_parts(text: str, label: str) -> list[Part]:
    """The parts of a text in which each piece of a value stands between two ``VALUE``."""
    return [(part, label if number % 2 else "") for number, part in enumerate(text.split(VALUE))]


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


def sentence_of(shape: str, parts: Sequence[Part], speaker: Speaker) -> Sentence:
    """The parts as one speaker says them. A value that talk interrupts becomes two groups."""
    tokens: list[Token] = []
    labels: dict[int, str] = {}
    last, apart = "", True
    for text, label in parts:
        for token in speaker.tokens(text):
            if label:
                if apart or label != last:
                    labels[len(labels) + 1] = label
                last, apart = label, False
                token = replace(token, group=len(labels))  # noqa: PLW2901
            elif token.kind != PAUSE:
                apart = True
            tokens.append(token)
    return Sentence(_without_outer_pauses(tokens), labels, shape)
