"""Reads what is particular to a country from ``<iso>.yaml`` and checks it.

``languages`` are those in which its telephone numbers are tried without a country code. ``identifiers`` are numbers of
its people: a ``pattern``, the ``score`` of a match without a context word, the name of a ``checksum``, ``context``
words (expressions in small letters), and the ``entity``, which is ``ID`` unless it says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from models.redaction.entities import LABELS
from models.redaction.patterns.checksums import checksum

Expression = Annotated[str, StringConstraints(min_length=2, max_length=300)]


class CountryInvalid(ValueError):
    """A country's file is broken; the message names the file and every key that is wrong."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Identifier(_Part):
    """A number of a person in one country."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,20}$")]
    pattern: Expression
    score: Annotated[float, Field(gt=0.0, le=1.0)]
    checksum: str = "none"
    context: Annotated[tuple[Expression, ...], Field(min_length=1)]
    entity: str = "ID"

    @field_validator("pattern", "context")
    @classmethod
    def _compiles(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for expression in [value] if isinstance(value, str) else value:
            try:
                re.compile(expression)
            except re.error as error:
                raise ValueError(f"{expression} is no regular expression: {error}") from None
        return value

    @field_validator("checksum")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            checksum(value)
        except LookupError:
            raise ValueError(f"there is no checksum {value}") from None
        return value

    @field_validator("entity")
    @classmethod
    def _is_a_label(cls, value: str) -> str:
        if value not in LABELS:
            raise ValueError(f"there is no entity {value}")
        return value


class Country(_Part):
    """What is particular to one country."""

    languages: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")], ...] = ()
    identifiers: tuple[Identifier, ...] = ()

    @field_validator("identifiers", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        """Read the names of identifiers from their keys."""
        if not isinstance(value, dict):
            return value
        return tuple({"name": name, **(part if isinstance(part, dict) else {})} for name, part in value.items())


def parsed(text: str, file: str) -> Country:
    """A country from the text of its file; ``file`` is for messages.

    Raises:
        CountryInvalid: It does not have the form that this module describes.
    """
    try:
        return Country.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise CountryInvalid(f"{file} is no YAML: {error}") from None
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise CountryInvalid(f"{file} does not fit: {'; '.join(wrong)}") from None


@lru_cache
def countries() -> Mapping[str, Country]:
    """Every country that has a file, by its ISO 3166 code in small letters, sorted.

    Raises:
        CountryInvalid: A file does not have the form that this module describes.
    """
    found = sorted((file for file in files(__package__).iterdir() if file.name.endswith(".yaml")), key=lambda f: f.name)
    return MappingProxyType({f.name.removesuffix(".yaml"): parsed(f.read_text("utf-8"), f.name) for f in found})


@lru_cache
def phone_regions(language: str) -> tuple[str, ...]:
    """Regions whose numbering plans are tried for a text in this language."""
    return tuple(code.upper() for code, country in countries().items() if language in country.languages)
