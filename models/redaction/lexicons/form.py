"""What a file of a language may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType


class Form(Enum):
    """What the entries of a file are."""

    WORDS = "words"
    TABLES = "tables of words"
    """Each key has a mapping from a value to its words."""
    EXPRESSIONS = "regular expressions"
    """Each entry is compiled, and matches whole words of text in small letters."""


@dataclass(frozen=True)
class Subject:
    """One file of a language.

    Attributes:
        about: What it is for, and what is missing without it.
        form: What its entries are.
        keys: Each key that it may have, and what it holds; empty if the module that reads the file checks them.
        required: Keys that it must have.
    """

    about: str
    form: Form = Form.WORDS
    keys: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    required: tuple[str, ...] = ()
