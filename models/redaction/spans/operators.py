"""The replacements of an entity: a tag, a mask that shows the last characters, or a tag with a keyed hash or a number.

A hash is keyed by the session and cut to eight hex digits. Within a session the same person gets the same tag, and tags
of two sessions cannot be compared. Nobody without the workers' key can test names against a tag. See
docs/evaluation/constants/redaction.md, hash-digits.

A number is given by the server, because workers hold no state of a session: they report a longer hash beside the tag
(``models.text.TagIdentity``), and the ledger counts the different hashes of a session.
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
from models.redaction.lexicons.loader import ANY, word_lists
from models.redaction.normalize.words import MARKS
from models.redaction.types import RedactionScope

MAX_SHOWN: Final = 4
"""Most characters that a mask may show: as many as receipts print of a card number."""

HIDDEN_PER_SHOWN: Final = 1
"""Characters that must be hidden for each one that a mask shows. A shorter value is hidden whole."""

MASKABLE: Final = labels_where(lambda entity: entity.end_may_show)
"""Types of which the end may be shown; the end of a name or an address is a name or an address."""

MASK: Final = "***"
TAG_START: Final = "[REDACTED_"
_HASH_DIGITS: Final = 8
_EARLIER_HASH_DIGITS: Final = 4
"""Hex digits that earlier versions wrote. Stored texts still have them."""
_IDENTITY_DIGITS: Final = 32
"""Hex digits of the hash that a number stands for: so many that no two values of a session share one."""
_PHONE_DIGITS: Final = 9
"""Last digits of a telephone number, which are the same with and without its country code."""

_LINKED_NAMES: Final = 100
"""Most names that are compared with each other. A text with more is a list, and the time would not be linear."""

TITLES: Final = re.compile(f"(?:{'|'.join(word_lists(ANY, 'titles')['all'])})")
"""A lower-case title; it is not part of the identity."""

_ACCENTS = re.compile("[\u0300-\u036f]")
"""Marks on letters; the vowel signs of Indian scripts are not among them."""

_WORDS = re.compile(rf"[^\W_](?:[^\W_]|[{MARKS}])*")


class Operator(StrEnum):
    """What to do with an entity."""

    TAG = "tag"
    MASK = "mask"
    HASH = "hash"
    NUMBER = "number"
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
    """The tag of an entity type."""
    return f"[REDACTED_{label}_{suffix}]" if suffix else f"[REDACTED_{label}]"


def protected_pattern(types: Sequence[str], *, masks: bool) -> re.Pattern[str]:
    """Matches the output of an earlier run, which a later run must leave unchanged.

    It matches tags of these types, alone, with eight hex digits (four in earlier versions) or with a number of at most
    four digits, and masks with at most four characters after the stars. A tag with any other word in it is ordinary
    text.
    """
    digits = rf"[0-9a-f]{{{_HASH_DIGITS}}}|[0-9a-f]{{{_EARLIER_HASH_DIGITS}}}|[1-9]\d{{0,3}}"
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
    return hashed_tag(label, _digest(label, identity, key))


def hashed_tag(label: str, value_hash: str) -> str:
    """The tag with the first digits of a hash."""
    return tag(label, value_hash[:_HASH_DIGITS])


def value_hash(label: str, value: str, key: bytes) -> str:
    """The hash of a value. ``hashed`` writes its first digits for the same value under the same key."""
    return _digest(label, identity_of(label, value), key)[:_IDENTITY_DIGITS]


def tag_identity(label: str, value: str, key: bytes) -> str:
    """The hash of a value for a numbered tag. It is the same for the same words only: two persons never share one
    because their names are alike.
    """
    return _digest(label, exact_identity(label, value), key)[:_IDENTITY_DIGITS]


def _digest(label: str, identity: str, key: bytes) -> str:
    message = f"{label}\0{identity}".encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def identity_of(label: str, reading: str) -> str:
    """The canonical form of a person or number, which is the same for all spellings.

    Case, accents, titles and separators are ignored.
    """
    plain = _plain(reading)
    if label == "NAME":
        words = _WORDS.findall(plain)
        return " ".join([w for w in words if not TITLES.fullmatch(w)] or words)
    compact = "".join(_WORDS.findall(plain))
    return compact[-_PHONE_DIGITS:] if label == "PHONE" and compact.isdigit() else compact


def _plain(reading: str) -> str:
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", reading).casefold()))


def exact_identity(label: str, reading: str) -> str:
    """``identity_of``, but a single name keeps its title: Mr Carter and Mrs Carter are two persons."""
    identity = identity_of(label, reading)
    if label != "NAME" or " " in identity:
        return identity
    return " ".join(_WORDS.findall(_plain(reading)))


def full_names(names: Sequence[str]) -> dict[str, str]:
    """For each name, the one full name that contains it; the name itself if none or several do."""
    words = {name: frozenset(name.split()) for name in names}
    if len(words) > _LINKED_NAMES:
        return {}
    linked = {}
    for name, parts in words.items():
        longer = [other for other, others in words.items() if parts < others]
        linked[name] = longer[0] if len(longer) == 1 else name
    return linked
