"""Words that a program chose: reasons, names of events and their properties, variants, names of fields.

A pattern lets a name through (``maria_lopez``), so the redactor reads them too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Set
from itertools import count
from typing import Final

from models.errors import InvalidInput, VestibuleError
from models.reasons import Reason
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from ray_tasks.types import Gateway
from server.records.program_words import is_of_programs

REDACTED: Final = "redacted"
"""Written in place of a word in which something personal was found."""

MOST_REMEMBERED: Final = 4096
"""Programs use few words, again and again. With more than these, one of them makes words up."""

_REDACT_TIMEOUT_S = 10.0
_SEPARATORS = re.compile(r"[._-]+")


def client_id_personal(hint: str = "") -> InvalidInput:
    """The refusal of the id of a new client in which something personal was found.

    Args:
        hint: What to do; empty says it to somebody who makes a key.
    """
    return InvalidInput(
        "The id of the client may name a person.",
        reason=Reason.CLIENT_ID_PERSONAL,
        hint=hint
        or "Name the app or the site: the id is stored and shown as it is. If it names nobody, say so with "
        "--client-checked, or with client_id_checked in the request.",
    )


class MachineWords:
    """Reads words as the default policy does, whose allow-list can name a product or a site.

    Those of programs, such as ``branch``, are not read.

    Args:
        gateway: Redacts.
        text_of: How a word is read.
    """

    def __init__(self, gateway: Gateway, text_of: Callable[[str], RawText] | None = None) -> None:
        self._gateway = gateway
        self._text_of = text_of or as_text
        self._personal: dict[str, bool] = {}

    async def personal(self, words: Iterable[str]) -> set[str]:
        """Those of the words in which something personal was found.

        Raises:
            Unavailable: The redactor cannot be reached, or failed.
            DeadlineExceeded: It took too long.
        """
        wanted = {word for word in words if word and not is_of_programs(word)}
        before = self._personal  # another call may replace it meanwhile
        unknown = sorted(wanted - before.keys())
        found = await self._look_at(unknown) if unknown else {}
        known = self._personal | found
        self._personal = known if len(known) <= MOST_REMEMBERED else found
        return {word for word in wanted if (before | found)[word]}

    async def replaced(self, word: str) -> str:
        """The word, or ``REDACTED`` if something personal is in it, or if it cannot be read now."""
        try:
            return REDACTED if await self.personal([word]) else word
        except VestibuleError:
            return REDACTED

    async def _look_at(self, words: Collection[str]) -> dict[str, bool]:
        redactions = await self._gateway.redact(
            list(map(self._text_of, words)), RedactionContext(TextSource.TYPED), timeout_s=_REDACT_TIMEOUT_S
        )
        return {word: bool(redaction.entities) for word, redaction in zip(words, redactions, strict=True)}


def as_text(word: str) -> RawText:
    """The word as the redactor reads it: with spaces between its parts."""
    return RawText(_SEPARATORS.sub(" ", word).strip())


def as_device(word: str) -> RawText:
    """The word as the name of a device.

    Many names are ordinary words, too. In this sentence "rose", "kiosk" and "north" are read as words, and "maria" and
    "maria-lopez" as names.
    """
    return RawText(f"The device {as_text(word).reveal()} is online.")


def as_value(word: str) -> RawText:
    """The word as a value.

    Alone, "red", "branch" and "silver" are read as names, and in this sentence as words.
    """
    return RawText(f"The value is {as_text(word).reveal()}.")


def with_safe_keys(keys: Collection[str], personal: Set[str]) -> dict[str, str]:
    """New names for keys, in order; personal ones become ``redacted``, ``redacted_2`` and so on."""
    taken = set(keys)
    free = (name for number in count(1) if (name := REDACTED if number == 1 else f"{REDACTED}_{number}") not in taken)
    return {key: next(free) if key in personal else key for key in keys}
