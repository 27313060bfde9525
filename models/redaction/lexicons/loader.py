"""Reads the word lists of a language and checks them.

A file ``<language>/<subject>.yaml`` is a mapping from the name of a list to its entries: a YAML list, whose entries may
hold spaces, or a text of words between spaces. In a file of tables each name has a mapping from a value to its words:
``'4': four``. All scalars are strings, so ``no`` and ``on`` are words. Entries are brought to NFC.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

import yaml

_Loader: Final = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # libyaml where PyYAML was built with it

ANY: Final = "any"
"""The folder of words that belong to no language, such as brand names."""

Lists = Mapping[str, tuple[str, ...]]
"""Name of a list to its entries."""


_NO_LISTS: Final[Lists] = MappingProxyType({})


class LexiconInvalid(ValueError):
    """A word list that ships with this package is broken; the message names file and list."""


@lru_cache
def languages(subject: str) -> tuple[str, ...]:
    """ISO 639-1 codes of the languages that have a file of this subject, sorted."""
    folders = (folder for folder in files(__package__).iterdir() if folder.is_dir())
    return tuple(sorted(f.name for f in folders if f.joinpath(f"{subject}.yaml").is_file()))


Tables = Mapping[str, Lists]
"""Name of a table to its values, and their words."""


@lru_cache
def word_lists(language: str, subject: str) -> Lists:
    """The lists of one subject in one language; none if the language has no such file.

    Raises:
        LexiconInvalid: The file does not have the form that this module describes.
    """
    text = _text(language, subject)
    return checked(text, f"{language}/{subject}") if text else _NO_LISTS


@lru_cache
def word_tables(language: str, subject: str) -> Tables:
    """The tables of one subject in one language; none if the language has no such file.

    Raises:
        LexiconInvalid: The file does not have the form that this module describes.
    """
    name = f"{language}/{subject}"
    raw = _mapping(_text(language, subject) or "{}", name)
    return MappingProxyType({key: _lists(value, f"{name}: {key}") for key, value in raw.items()})


def _text(language: str, subject: str) -> str:
    file = files(__package__).joinpath(language, f"{subject}.yaml")
    return file.read_text("utf-8") if file.is_file() else ""


def words(language: str, subject: str, name: str = "all") -> frozenset[str]:
    """The entries of one list as a set; empty if the language has no such list."""
    return frozenset(word_lists(language[:2].lower() if language != ANY else ANY, subject).get(name, ()))


def checked(text: str, name: str) -> Lists:
    """Parse and check the text of one file; ``name`` is for messages.

    Raises:
        LexiconInvalid: It does not have the form that this module describes.
    """
    return _lists(_mapping(text, name), name)


def _mapping(text: str, name: str) -> dict[str, object]:
    try:
        raw = yaml.load(text, Loader=_Loader)  # noqa: S506 - BaseLoader builds strings, lists and mappings only
    except yaml.YAMLError as error:
        raise LexiconInvalid(f"{name} is no YAML: {error}") from error
    if not isinstance(raw, dict):
        raise LexiconInvalid(f"{name} must be a mapping")
    return raw


def _lists(raw: object, name: str) -> Lists:
    if not isinstance(raw, dict):
        raise LexiconInvalid(f"{name} must be a mapping")
    return MappingProxyType({key: _entries(value, f"{name}: {key}") for key, value in raw.items()})


def _entries(value: object, name: str) -> tuple[str, ...]:
    parts = value.split() if isinstance(value, str) else value
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) and part.strip() for part in parts):
        raise LexiconInvalid(f"{name} must be a list of words")
    entries = tuple(unicodedata.normalize("NFC", part) for part in parts)
    if twice := sorted({entry for entry in entries if entries.count(entry) > 1}):
        raise LexiconInvalid(f"{name} has {', '.join(twice)} twice")
    return entries
