"""Reads the word lists of a language and checks them.

A file ``<language>/<subject>.yaml`` is a mapping from the name of a list to its entries: a YAML list, whose entries may
hold spaces, or a text of words between spaces. In a file of tables each name has a mapping from a value to its words:
``'4': four``. All scalars are strings, so ``no`` and ``on`` are words. Entries are brought to NFC. ``schema`` says
which subjects there are, and what each may hold.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

import yaml

from models.redaction.lexicons.accents import with_optional_accents
from models.redaction.lexicons.schema import SUBJECTS, Form, Subject

_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where PyYAML was built with it

_CODE_LENGTH: Final = 2

ANY: Final = "any"
"""The folder of words that belong to no language, such as brand names."""

Lists = Mapping[str, tuple[str, ...]]
"""Name of a list to its entries."""


Tables = Mapping[str, Lists]
"""Name of a table to its values, and their words."""

_NO_LISTS: Final[Lists] = MappingProxyType({})


class LexiconInvalid(ValueError):
    """A word list that ships with this package is broken; the message names file, line and list."""


@lru_cache
def languages(subject: str) -> tuple[str, ...]:
    """ISO 639-1 codes of the languages that have a file of this subject, sorted."""
    folders = (folder for folder in files(__package__).iterdir() if folder.is_dir())
    return tuple(sorted(f.name for f in folders if f.joinpath(f"{subject}.yaml").is_file()))


@lru_cache
def known_languages() -> tuple[str, ...]:
    """ISO 639-1 codes of the languages that have any file, sorted."""
    folders = (folder.name for folder in files(__package__).iterdir() if folder.is_dir())
    return tuple(sorted(name for name in folders if len(name) == _CODE_LENGTH))


@lru_cache
def word_lists(language: str, subject: str) -> Lists:
    """The lists of one subject in one language; none if the language has no such file.

    Raises:
        LexiconInvalid: The file does not have the form that this module describes.
    """
    text = _text(language, subject)
    return checked(text, f"{language}/{subject}.yaml", SUBJECTS.get(subject)) if text else _NO_LISTS


@lru_cache
def word_tables(language: str, subject: str) -> Tables:
    """The tables of one subject in one language; none if the language has no such file.

    Raises:
        LexiconInvalid: The file does not have the form that this module describes.
    """
    file = f"{language}/{subject}.yaml"
    root = _root(_text(language, subject) or "{}", file)
    return MappingProxyType({key: _lists(node, file) for key, node in _pairs(root, file, SUBJECTS.get(subject))})


def _text(language: str, subject: str) -> str:
    file = files(__package__).joinpath(language, f"{subject}.yaml")
    return file.read_text("utf-8") if file.is_file() else ""


def words(language: str, subject: str, name: str = "all") -> frozenset[str]:
    """The entries of one list as a set; empty if the language has no such list."""
    return frozenset(word_lists(language[:2].lower() if language != ANY else ANY, subject).get(name, ()))


def across(subject: str, name: str) -> tuple[str, ...]:
    """The entries of one list in all languages, each once: languages in order of their codes, English first."""
    codes = sorted(languages(subject), key=lambda code: (code != "en", code))
    return tuple(dict.fromkeys(entry for code in codes for entry in word_lists(code, subject).get(name, ())))


def alternatives(subject: str, name: str) -> str:
    """The entries of one list in all languages as alternatives of one expression, the longest first.

    It also matches longer words without their accents, as many people type them.
    """
    return with_optional_accents("|".join(sorted(across(subject, name), key=len, reverse=True)))


def checked(text: str, file: str, subject: Subject | None = None) -> Lists:
    """Parse and check the text of one file.

    Args:
        text: YAML.
        file: Its name, for messages.
        subject: What it may hold; anything without one.

    Raises:
        LexiconInvalid: It does not have the form that this module describes.
    """
    return _lists(_root(text, file), file, subject)


def _root(text: str, file: str) -> yaml.Node:
    try:
        root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise LexiconInvalid(f"{file} is no YAML: {error}") from error
    if root is None:
        raise LexiconInvalid(f"{file} is empty")
    return root


def _lists(root: yaml.Node, file: str, subject: Subject | None = None) -> Lists:
    expressions = subject is not None and subject.form is Form.EXPRESSIONS
    return MappingProxyType(
        {key: _entries(node, f"{_at(node, file)}: {key}", expressions) for key, node in _pairs(root, file, subject)}
    )


def _pairs(root: yaml.Node, file: str, subject: Subject | None = None) -> Iterator[tuple[str, yaml.Node]]:
    """The keys of a mapping with their values. Each key is there once, and the subject knows it."""
    if not isinstance(root, yaml.MappingNode):
        raise LexiconInvalid(f"{_at(root, file)} must be a mapping")
    seen = set()
    for key, value in root.value:
        if key.value in seen:
            raise LexiconInvalid(f"{_at(key, file)}: {key.value} is there twice")
        if subject and subject.keys and key.value not in subject.keys:
            raise LexiconInvalid(
                f"{_at(key, file)}: {key.value} is no list of this file; it has {_named(subject.keys)}"
            )
        seen.add(key.value)
        yield key.value, value
    if missing := [key for key in (subject.required if subject and root.value else ()) if key not in seen]:
        raise LexiconInvalid(f"{file} lacks {_named(missing)}")


def _named(keys: Mapping[str, str] | list[str]) -> str:
    return ", ".join(keys)


def _at(node: yaml.Node, file: str) -> str:
    return f"{file}, line {node.start_mark.line + 1}"


def _entries(node: yaml.Node, where: str, expressions: bool) -> tuple[str, ...]:
    parts = node.value.split() if isinstance(node, yaml.ScalarNode) else _items(node)
    if not parts or not all(part.strip() for part in parts):
        raise LexiconInvalid(f"{where} must be a list of words")
    entries = tuple(unicodedata.normalize("NFC", part) for part in parts)
    if twice := sorted({entry for entry in entries if entries.count(entry) > 1}):
        raise LexiconInvalid(f"{where} has {', '.join(twice)} twice")
    for entry in entries if expressions else ():
        _compile(entry, where)
    return entries


def _items(node: yaml.Node) -> list[str]:
    """The entries of a YAML list; none if it is no list of scalars."""
    items = node.value if isinstance(node, yaml.SequenceNode) else []
    return [item.value for item in items] if all(isinstance(item, yaml.ScalarNode) for item in items) else []


def _compile(entry: str, where: str) -> None:
    try:
        re.compile(entry)
    except re.error as error:
        raise LexiconInvalid(f"{where}: {entry} is no regular expression: {error}") from error
