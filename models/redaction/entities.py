"""The registry of entity types: all properties of a type that the rest of the package looks up by label.

``ENTITY_TYPES`` is sorted by priority, lowest first. When two recognizers match the same characters, the type further
down wins, because its label is more specific. ``docs/reference/entities.md`` is written from the descriptions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Joining(StrEnum):
    """How neighbouring entities of one type are joined into one."""

    NEVER = "never"
    NAME = "name"
    """Parts of one name: over a space, a hyphen or an initial's full stop."""
    ADDRESS = "address"
    """Parts of one address: over a comma and up to two words."""


@dataclass(frozen=True, slots=True)
class EntityType:
    """One type of entity.

    Attributes:
        label: What tags and policies call it: ``PHONE`` in ``[REDACTED_PHONE]``.
        description: What is found, one sentence for the reference.
        evidence: What the detection relies on, for the reference.
        joining: How parts are joined.
        end_may_show: Whether a mask may show the last characters. Otherwise it hides the whole value.
        is_number: Whether values begin with a digit. A misheard digit before the value then belongs to it.
        needs_digit: Whether every value has a digit. An answer without one is then not of this type.
        is_spelled: Whether values mix letters and digits. A short word beside digits may then be a part.
        answers_with_number: Whether a bare number may answer a question for this type.
    """

    label: str
    description: str
    evidence: str
    joining: Joining = Joining.NEVER
    end_may_show: bool = False
    is_number: bool = False
    needs_digit: bool = False
    is_spelled: bool = False
    answers_with_number: bool = False


ENTITY_TYPES: Final = (
    EntityType("UNREADABLE", "Words in pictures that the OCR is not sure of.", "the score of the OCR"),
    EntityType(
        "ID",
        "National numbers of some thirty countries (Aadhaar, PAN, NHS, DNI, NIR, Steuer-ID, CPF and others), VIN of "
        "vehicles, files of courts, numbers of customers and members, long numbers that nothing explains.",
        "checksums, the word beside it",
        end_may_show=True,
        is_number=True,
        needs_digit=True,
        is_spelled=True,
        answers_with_number=True,
    ),
    EntityType(
        "NAME",
        "Names of people, also spelled, after a title or an introduction.",
        "a local classifier, word lists, context",
        joining=Joining.NAME,
    ),
    EntityType(
        "AGE",
        "Ages over 89, in seven languages; in English any age that somebody turns on a day of a month.",
        "a word for age or for turning it",
    ),
    EntityType("HANDLE", "Handles of social media.", "shape, and a word that speaks of one"),
    EntityType(
        "DOB",
        "Birth dates in seven languages, written or spoken.",
        "a word for birth, or a date alone as an answer",
        needs_digit=True,
        answers_with_number=True,
    ),
    EntityType(
        "PHONE",
        "Telephone numbers, written or spoken.",
        "numbering plans of the language's regions, grouping, context",
        end_may_show=True,
        is_number=True,
        needs_digit=True,
        answers_with_number=True,
    ),
    EntityType(
        "ADDRESS",
        "Streets in English, Spanish, French, German, Italian, Dutch, Nordic languages, Polish, Hungarian, Hindi and "
        "Indian English; two streets that meet; P.O. boxes and military mail; postcodes, those of five or six digits "
        "with a town or a word.",
        "shape, classifier; number, town, region and country beside a street go with it",
        joining=Joining.ADDRESS,
        is_spelled=True,
        answers_with_number=True,
    ),
    EntityType(
        "MEDICAL_ID",
        "Medical record, health plan, Medicare, NPI, DEA and German insurance numbers.",
        "checksums, context",
        end_may_show=True,
        is_number=True,
    ),
    EntityType(
        "LICENCE",
        "Driving licences of the UK, India, Germany, France and states of the USA.",
        "shape, context",
        end_may_show=True,
        is_number=True,
        is_spelled=True,
    ),
    EntityType(
        "PASSPORT",
        "Passports, identity cards, machine-readable lines.",
        "check digits, shape, context",
        end_may_show=True,
        is_number=True,
        is_spelled=True,
    ),
    EntityType(
        "PLATE",
        "Number plates of India, UK, Germany, France, Spain, Italy and the USA.",
        "shape; all but India and France need a word; in a photograph of a site, a line of their own (not the USA)",
        end_may_show=True,
        is_spelled=True,
    ),
    EntityType(
        "ACCOUNT",
        "Account, routing (ABA), sort and branch (IFSC) numbers of banks.",
        "check numbers, context",
        end_may_show=True,
        is_number=True,
    ),
    EntityType("URL", "Web addresses that lead to a person: profiles, log-in data, own pages.", "shape"),
    EntityType("IP", "IPv4 and IPv6 addresses.", "shape"),
    EntityType(
        "SSN",
        "US social security and tax numbers.",
        "shape and areas that exist",
        end_may_show=True,
        is_number=True,
    ),
    EntityType(
        "CC",
        "Numbers of payment cards, and when they expire: beside a word for a card or its number, or where the text "
        "begins with a word for expiring.",
        "Luhn, context",
        end_may_show=True,
        is_number=True,
    ),
    EntityType("MAC", "Hardware addresses of network devices.", "shape", end_may_show=True),
    EntityType(
        "WALLET",
        "Addresses of Bitcoin, Litecoin, Dogecoin, Tron, Ripple, Ethereum and Monero.",
        "checksums",
        end_may_show=True,
    ),
    EntityType("IBAN", "International bank account numbers.", "check numbers", end_may_show=True, is_spelled=True),
    EntityType("EMAIL", 'E-mail addresses, also spoken ("john dot doe at example dot com").', "shape"),
    EntityType(
        "SECRET",
        "Passwords, also said in words; PIN, security codes of cards, one-time codes, codes of doors and alarms; "
        "private keys, JWT, keys and tokens of some twenty services.",
        "shape, the name beside it",
    ),
)

LABELS: Final = frozenset(entity.label for entity in ENTITY_TYPES)
"""Every label that a tag can have."""

PRIORITY: Final = {entity.label: place for place, entity in enumerate(ENTITY_TYPES)}
"""Priority of each label when two recognizers match the same characters; the higher wins. A policy's own types have
none.
"""


def labels_where(has: Callable[[EntityType], bool]) -> frozenset[str]:
    """The labels of the types that have a property."""
    return frozenset(entity.label for entity in ENTITY_TYPES if has(entity))
