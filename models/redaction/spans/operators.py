"""What is written in the place of something personal: a tag, a masked end, or a tag with a keyed hash.

A hash is keyed by the session and cut to eight hex digits: the same person is the same tag within a session, two
sessions have nothing in common, and nobody without the workers' key can try names out against it. With eight digits two
of a thousand people share a tag once in some 8,600 sessions; with four they would in every one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from models.redaction.entities import labels_where
from models.redaction.normalize.words import MARKS
from models.redaction.types import RedactionScope

MAX_SHOWN: Final = 4
"""Characters that a mask may leave: what receipts print of a card."""

HIDDEN_PER_SHOWN: Final = 1
"""For each character that a mask leaves, at least so many more are hidden; a shorter value is hidden whole."""

MASKABLE: Final = labels_where(lambda entity: entity.end_may_show)
"""Types of which the end may be shown; the end of a name or an address is a name or an address."""

MASK: Final = "***"
TAG_START: Final = "[REDACTED_"
_HASH_DIGITS: Final = 8
_EARLIER_HASH_DIGITS: Final = 4
"""What earlier versions wrote; kept texts have them."""
_PHONE_DIGITS: Final = 9
"""The end of a telephone number that is the same with and without its country code."""

_LINKED_NAMES: Final = 100
"""A text with more names is a list, and comparing each with each would not be linear."""

TITLES: Final = re.compile(
    r"(?:mr|mrs|ms|miss|mx|dr|prof|professor|sir|madam|herr|frau|hr|sr|sra|srta|señor|señora|señorita|senor|senora|senorita|don|doña|dona|m|mme|mlle|monsieur"
    r"|madame|shri|smt|kumari|ji)"
)
"""A title in small letters, which is no part of who somebody is."""

_ACCENTS = re.compile("[\u0300-\u036f]")
"""Marks on letters; the vowel signs of Indian scripts are not among them."""

_WORDS = re.compile(rf"[^\W_](?:[^\W_]|[{MARKS}])*")


class Operator(StrEnum):
    """What to do with an entity."""

    TAG = "tag"
    MASK = "mask"
    HASH = "hash"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Treatment:
    """An operator with its option.

    Attributes:
        shown: Characters at the end that a mask leaves readable.
    """

    operator: Operator = Operator.TAG
    shown: int = 0


TAGGED: Final = Treatment()


def tag(label: str, suffix: str = "") -> str:
    """What stands for an entity of this type."""
    return f"[REDACTED_{label}_{suffix}]" if suffix else f"[REDACTED_{label}]"


def protected_pattern(types: Sequence[str], *, masks: bool) -> re.Pattern[str]:
    """What an earlier run wrote, and a later one must leave as it is.

    Only tags of these types pass, with eight hex digits after them (four in earlier versions) or none, and four
    characters at most after a mask; something that looks like one with other words in it is text like any other.
    """
    digits = rf"[0-9a-f]{{{_HASH_DIGITS}}}|[0-9a-f]{{{_EARLIER_HASH_DIGITS}}}"
    tags = rf"\[REDACTED_(?:{'|'.join(sorted(types))})(?:_(?:{digits}))?\]"
    mask = rf"|\*{{3}}(?=[A-Z]{{0,3}}\d)[A-Z\d]{{1,{MAX_SHOWN}}}(?![^\W_])" if masks else ""
    return re.compile(tags + mask)


def session_key(worker_key: bytes, scope: RedactionScope) -> bytes:
    """The key of one session's hashes, from the key that only workers hold."""
    message = "\0".join(("vestibule/tags/1", scope.client_id, scope.session_id))
    return hmac.new(worker_key, message.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()


def masked(reading: str, shown: int) -> str:
    """Stars, and the last characters if they are part of a number and enough is hidden before them."""
    kept = [c for c in unicodedata.normalize("NFKC", reading).upper() if c.isascii() and c.isalnum()]
    end = "".join(kept[-shown:]) if shown else ""
    if len(kept) < shown * (1 + HIDDEN_PER_SHOWN) or not any(c.isdigit() for c in end):
        return MASK
    return MASK + end


def hashed(label: str, identity: str, key: bytes) -> str:
    """A tag that is the same for the same identity under the same key."""
    message = f"{label}\0{identity}".encode("utf-8", "surrogatepass")
    return tag(label, hmac.new(key, message, hashlib.sha256).hexdigest()[:_HASH_DIGITS])


def identity_of(label: str, reading: str) -> str:
    """What is the same for the same person or number, however it was written.

    Case, accents, titles and separators do not count.
    """
    plain = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", reading).casefold()))
    if label == "NAME":
        words = _WORDS.findall(plain)
        return " ".join([w for w in words if not TITLES.fullmatch(w)] or words)
    compact = "".join(_WORDS.findall(plain))
    return compact[-_PHONE_DIGITS:] if label == "PHONE" and compact.isdigit() else compact


def full_names(names: Sequence[str]) -> dict[str, str]:
    """For each name of a text the one whole name that it is a part of, itself where none or several have it."""
    words = {name: frozenset(name.split()) for name in names}
    if len(words) > _LINKED_NAMES:
        return {}
    linked = {}
    for name, parts in words.items():
        longer = [other for other, others in words.items() if parts < others]
        linked[name] = longer[0] if len(longer) == 1 else name
    return linked
