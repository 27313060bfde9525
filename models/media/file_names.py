"""Names of files as people give them. They are shown and never opened: no path is made from one."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import Final
from urllib.parse import unquote

from models.redaction.lexicons.loader import across
from models.redaction.normalize.invisible import without_invisible
from models.redaction.types import RedactionContext

MOST_CHARACTERS: Final = 120
"""Longest name that is kept, with its extension."""

_PATH = re.compile(r"[/\\]")
_RESERVED = re.compile(r'[<>:"|?*\u2044\u2215\u2216\u29f5\u29f8\u29f9]')
"""What Windows does not allow in a name, and what looks like a slash."""

_DEVICES = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"}
    | {f"{port}{number}" for port in ("COM", "LPT") for number in range(10)}
)
"""Names that Windows takes for a device, whatever their extension is."""

EXTENSIONS: Final = (
    *(".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".tif", ".tiff", ".gif", ".bmp", ".svg", ".pdf"),
    *(".webm", ".wav", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac", ".flac", ".amr", ".3gp"),
)
"""Extensions that are known; they say nothing about a person."""

_PLAIN_WORDS: Final = frozenset(across("file_names", "all"))

_NONE_LEFT = ""
_ROUNDS = 8


def clean_file_name(given: str) -> str:
    """The name without what could mislead a person or a program; empty if nothing of it is left.

    Of a path only the last part stays, also if it is written as in a URL (``%2f``). Control characters, invisible ones
    and marks that change the direction of the text go, compatibility forms of letters become plain ones (NFKC), and
    reserved characters become ``_``.
    """
    name = given
    for _ in range(_ROUNDS):  # what a step leaves may be something that an earlier one removes
        cleaned = _cleaned(name)
        if cleaned == name:
            return name
        name = cleaned
    return _NONE_LEFT


def _cleaned(name: str) -> str:
    text = " ".join(without_invisible(unicodedata.normalize("NFKC", unquote(name))).split())
    parts = (_RESERVED.sub("_", part).strip(" .") for part in reversed(_PATH.split(text)))
    last = next((part for part in parts if part), _NONE_LEFT)
    if last.partition(".")[0].rstrip().upper() in _DEVICES:
        last = f"_{last}"
    return _shortened(last)


def _shortened(name: str) -> str:
    if len(name) <= MOST_CHARACTERS:
        return name
    stem, extension = split_extension(name)
    return stem[: MOST_CHARACTERS - len(extension)].rstrip(" .") + extension


def split_extension(name: str) -> tuple[str, str]:
    """The name before its extension, and the extension in small letters with its dot; empty if it is not known."""
    stem, dot, last = name.rpartition(".")
    extension = f"{dot}{last.lower()}"
    return (stem, extension) if stem and extension in EXTENSIONS else (name, "")


def with_spaces(stem: str) -> str:
    """The words of a name, as a person reads them: ``MariaLopez_scan`` is ``Maria Lopez scan``."""
    spaced = stem.replace("_", " ").replace("+", " ")
    pairs = zip(" " + spaced, spaced, strict=False)
    return "".join(f" {char}" if before.islower() and char.isupper() else char for before, char in pairs).strip()


def in_file_name(context: RedactionContext) -> RedactionContext:
    """The context of a name of a file: the common words of such names are nobody's name, in any language."""
    return replace(context, expected_phrases=context.expected_phrases | _PLAIN_WORDS)
