"""Modules, classes, functions and parameters have the field's names, not private ones."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.source_tree import Module, modules, nodes, places, where

PRIVATE_NAMES = {
    "allocator", "arrival", "asked", "at_once", "border", "clock", "corner", "ct2", "cutting", "desk", "edge",
    "everyday", "findings", "goods", "guard", "guesses", "hear", "heard", "host", "listener", "listening", "makers",
    "material", "mayend", "measures", "misheard", "open_end", "pieces", "put_off", "quiet", "readings", "repeats",
    "seen", "strips", "tails", "unseen", "voice", "whose", "windowed", "wire", "writing",
}  # fmt: skip
"""Names that say nothing to a stranger when a module or a class has no other. The field has its own, used now."""

PRIVATE_WORDS = {
    "crowd", "cutter", "ears", "follower", "holdback", "hush", "judgement", "recogniser", "romanize", "seat", "sieve",
    "sightings", "sights", "turnstile", "workshop",
}  # fmt: skip
"""Words that no function, class or parameter may have as a part."""


def words_of(name: str) -> set[str]:
    """The words of an identifier, in lower case: ``PriorityLimiter`` and ``priority_limiter`` have the same."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}


def defined(module: Module) -> Iterator[tuple[str, int]]:
    """Functions, classes and parameters of a module, with their lines."""
    for node in nodes(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno


def test_modules_and_classes_use_standard_terms() -> None:
    def wrong() -> Iterator[str]:
        for module in modules():
            if set(module.name.split(".")) & PRIVATE_NAMES or words_of(module.name) & PRIVATE_WORDS:
                yield module.path
            for node in nodes(module):
                if isinstance(node, ast.ClassDef) and node.name.lstrip("_").lower() in PRIVATE_NAMES:
                    yield f"{where(module, node.lineno)} {node.name}"
            for name, line in defined(module):
                if words_of(name) & PRIVATE_WORDS:
                    yield f"{where(module, line)} {name}"

    assert places(wrong()) == []


def test_the_words_of_an_identifier_are_found_in_both_spellings() -> None:
    assert words_of("TurnstileOfSeats") == {"turnstile", "of", "seats"}
    assert words_of("_leave_the_turnstile") == {"leave", "the", "turnstile"}
