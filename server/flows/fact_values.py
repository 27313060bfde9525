"""What an app may tell of a session before it begins."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from server.flows.conditions import FlowPart, Name
from server.flows.fields import fits
from server.flows.texts import Text

_NUMBER: Final = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,6})?")
"""Fewer digits than a telephone number with its code has."""
_MOST_DIGITS: Final = 12
"""Of a number, with those after the point: fewer than the number of a card has."""
_NO_NUMBER: Final = "must be a number without commas, with at most nine digits before the point and twelve in all"
_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")
_MOST_DIGITS_OF_A_WORD: Final = 9


class Fact(FlowPart):
    """Something that the app knows before the session, such as the reading of last month. It is stored readable.

    So it must not be personal: a number has at most nine digits before the point and twelve in all, and the redactor
    reads words without options.
    """

    name: Name = Field(description="A machine word, which no field has.")
    kind: Literal["number", "yes_no", "date", "word"] = Field(description="What its values are.")
    label: Text | None = Field(None, description="What people call it. Empty: the name, with spaces.")
    unit: Annotated[str, Field(max_length=16)] = Field("", description="Of a number.")
    options: Annotated[list[Name], Field(max_length=200)] = Field(
        default=[],
        description="Of a word: those that it may be, such as names of places. They are stored as they are. Without "
        "options the redactor reads each word, and refuses one that may name a person or a place.",
    )

    @model_validator(mode="after")
    def _options_are_words(self) -> Self:
        if self.options and self.kind != "word":
            raise ValueError("only a word has options")
        if len(set(self.options)) < len(self.options):
            raise ValueError("two options are the same")
        if not all(map(is_word, self.options)):
            raise ValueError(f"an option has more than {_MOST_DIGITS_OF_A_WORD} digits")
        return self

    def problem(self, value: str) -> str:
        """Why a value does not fit, as a clause without the value; empty where it fits."""
        match self.kind:
            case "number":
                return "" if _is_short_number(value) else _NO_NUMBER
            case "yes_no":
                return "" if value in ("yes", "no") else "must be yes or no"
            case "date":
                return "" if fits(date.fromisoformat, value, 10) else "must be a date such as 2026-11-28"
            case "word" if self.options:
                return "" if value in self.options else "must be one of its options"
            case "word":
                return "" if is_word(value) else "must be a machine word with at most nine digits"


def is_word(value: str) -> bool:
    """Whether a value may be one of a fact of the kind ``word``."""
    return bool(_WORD.fullmatch(value)) and sum(map(str.isdigit, value)) <= _MOST_DIGITS_OF_A_WORD


def _is_short_number(value: str) -> bool:
    return bool(_NUMBER.fullmatch(value)) and sum(map(str.isdigit, value)) <= _MOST_DIGITS
