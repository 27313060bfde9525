"""Which entity type each label of a token classifier stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from models.redaction.adding.errors import invalid, shown
from models.redaction.entities import ENTITY_TYPES, LABELS
from models.strict_yaml import load_strictly, where_wrong

NOTHING: Final = "nothing"
"""How a file says that a label is nothing personal."""

_OUTSIDE: Final = "O"
_PART: Final = re.compile(r"[BIESLUM]-(?=.)")
"""What comes before a label in the schemes BIO, BIOES and BILOU."""
_MOST_BYTES: Final = 1 << 20
_MOST_LISTED: Final = 10

_PEOPLE: Final = (
    "PER PERSON GIVEN_NAME GIVENNAME FIRST_NAME FIRSTNAME MIDDLE_NAME MIDDLENAME LAST_NAME LASTNAME SURNAME FULL_NAME"
)
_READABLE: Final = "ORG ORGANIZATION ORGANISATION LOC LOCATION GPE CITY COUNTRY MISC DATE TIME"
"""Towns, organisations and dates alone identify nobody, and the built-in recognizers leave them readable, too."""

WELL_KNOWN: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{label: label for label in LABELS},
        **dict.fromkeys(_PEOPLE.split(), "NAME"),
        **dict.fromkeys("EMAIL_ADDRESS EMAILADDRESS".split(), "EMAIL"),
        **dict.fromkeys("PHONE_NUMBER PHONENUMBER TELEPHONE TEL".split(), "PHONE"),
        **dict.fromkeys("STREET STREET_ADDRESS STREETADDRESS".split(), "ADDRESS"),
        **dict.fromkeys("DATE_OF_BIRTH DATEOFBIRTH BIRTHDATE".split(), "DOB"),
        **dict.fromkeys("CREDIT_CARD CREDITCARD CREDITCARDNUMBER".split(), "CC"),
        **dict.fromkeys("PASSWORD PIN".split(), "SECRET"),
        **dict.fromkeys(_READABLE.split(), ""),
    }
)
"""What labels mean without a file; an empty text is nothing personal."""


def kinds_of(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels without the parts of a scheme: "B-HIVE" and "I-HIVE" are "HIVE". "O" stays.

    It is a scheme if every label but "O" has a part before it.
    """
    rest = [label for label in labels if label != _OUTSIDE]
    if rest and all(map(_PART.match, rest)):
        return tuple(label if label == _OUTSIDE else _PART.sub("", label, count=1) for label in labels)
    return tuple(labels)


def types_of(labels: Sequence[str], file: Path | None) -> dict[str, str]:
    """The entity type of each kind of label, or an empty text where it is nothing personal.

    Args:
        labels: Of the model, with the parts of their scheme.
        file: Says it of every kind; None takes ``WELL_KNOWN``.

    Raises:
        WeightsError: WEIGHTS_INVALID, not every kind has a type, the file names others, or all are nothing personal.
    """
    known = list(zip(labels, kinds_of(labels), strict=True))
    if hidden := [label for label, kind in known if kind == _OUTSIDE != label]:
        raise invalid(f"The label {shown(hidden[0])} of the model reads as what is outside of every value.", _RENAME)
    kinds = dict.fromkeys(kind for _, kind in known if kind != _OUTSIDE)
    said = _read(file) if file else {kind: WELL_KNOWN[kind.upper()] for kind in kinds if kind.upper() in WELL_KNOWN}
    if missing := [kind for kind in kinds if kind not in said]:
        where = "the file of labels does not have" if file else "Vestibule does not know"
        raise invalid(f"The model has labels that {where}: {_listed(missing)}.", _hint(kinds, said))
    if unknown := [kind for kind in said if kind not in kinds]:
        raise invalid(
            f"The file of labels has some that the model does not have: {_listed(unknown)}.", _hint(kinds, said)
        )
    types = {kind: said[kind] for kind in kinds}
    if not any(types.values()):
        raise invalid("No label of the model is anything personal, so it would hide nothing.", _hint(kinds, said))
    return {**types, _OUTSIDE: ""}


def _read(file: Path) -> dict[str, str]:
    """The labels of a file with their types."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise invalid("The file of labels is larger than 1 MB.", _EXAMPLE)
        found = load_strictly(content.decode("utf-8"))
    except OSError as error:
        raise invalid(f"The file of labels cannot be read: {error.strerror}.", _EXAMPLE) from None
    except (UnicodeDecodeError, RecursionError):
        raise invalid("The file of labels cannot be read.", _EXAMPLE) from None
    except yaml.YAMLError as error:
        raise invalid(f"The file of labels is no YAML{where_wrong(error)}.", _EXAMPLE) from None
    if not isinstance(found, dict) or not found:
        raise invalid("The file of labels has none.", _EXAMPLE)
    return {_label(label): _type(label, said) for label, said in found.items() if not _is_outside(label, said)}


def _is_outside(label: Any, said: Any) -> bool:
    """Whether the line says of "O" what it always is."""
    return bool(label == _OUTSIDE and said == NOTHING)


def _label(label: Any) -> str:
    if not isinstance(label, str):
        raise invalid(f"{shown(label)} in the file of labels is no text; write it in quotes.", _EXAMPLE)
    if label == _OUTSIDE:
        raise invalid("'O' in the file of labels is what is outside of every value; it is nothing personal.", _EXAMPLE)
    return label


def _type(label: Any, said: Any) -> str:
    if said == NOTHING:
        return ""
    if not isinstance(said, str) or said not in LABELS:
        known = ", ".join(entity.label for entity in ENTITY_TYPES)
        raise invalid(
            f"The label {shown(label)} is to be {shown(said)}, which is no type of entity.",
            f"There are {known}; and '{NOTHING}' for what is not personal.",
        )
    return said


_RENAME: Final = "Give it another name in id2label of config.json."
_EXAMPLE: Final = f"Give `--labels FILE`, YAML with a line for each label, such as `HIVE: ID` or `BREED: {NOTHING}`."


def _hint(kinds: Mapping[str, None], said: Mapping[str, str]) -> str:
    """A whole file for this model, to be corrected."""
    lines = [f"  {_quoted(kind)}: {said.get(kind, 'ID') or NOTHING}" for kind in kinds]
    return "\n".join(
        [
            f"Give `--labels FILE` with a type of entity, or '{NOTHING}', for each label. For this model, corrected:",
            *lines,
        ]
    )


def _quoted(label: str) -> str:
    """The label as YAML; one that YAML would take for a number or a truth value gets quotes."""
    return yaml.safe_dump(label, allow_unicode=True, width=1000).splitlines()[0]


def _listed(labels: Sequence[str]) -> str:
    named = ", ".join(map(shown, labels[:_MOST_LISTED]))
    return f"{named} and {len(labels) - _MOST_LISTED} more" if len(labels) > _MOST_LISTED else named
