"""Names that the fields of a record may have: those of its flow and, where it lets a model add fields, those of the
operator and those made of declared words.

A model may put a name of a person where the name of a field belongs, in any language and spelling, and a redactor does
not find every one. So the words are declared, and a name with any other word becomes neutral.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from models.text import RedactedText
from server.flows.definition import FlowDefinition
from server.llm.record_schema import WORD, without_names
from server.llm.types import OnboardingRecord

_WORDS: Final = """
access account action address age agreed alarm allowed amount answer appliance appointment area arrival article
attached available badge battery boiler booking broken building cable category channel check checked city code color
company complaint condition confirmed connection consent contact content contract cooling cost count country
customer damage damaged date deadline defect delivery department departure description desk device digit direction
district document door duration duty electricity elevator email emergency end energy entrance entry equipment error
estimated event exit expected expiry facility failure fault fee filter first flat floor follow frequency fuel gas
given group guest handover hazard heating height hot hour house identity incident index indoor inspection
installation insurance invoice issue item kind kitchen label language last leak length letter level license lift
light line location lock locked lot machine maintenance manual material maximum measured measurement message meter
method minimum minute missing mobile mode model month motor name needed network new next noise note number object
occupied off office old on open opened operator order other outdoor outlet owner package paid panel parcel parking
part payment percent period permit person phone photo picture pipe place plan plant plate position power presence
present pressure previous priority problem product property provider purpose quantity question radiator rate reached
reading reason received recommended record reference register remark remote repair replaced replacement report
request requested required residents result return risk room route safety schedule seal second section security
sensor serial service shift signature signed site size sound source space speed stage start state station status
step stop storage street subject supplier supply switch system tank tariff task team technician temperature tenant
terms test text third ticket time title to tool total type unit urgency urgent usage use vehicle vendor version
visit visitor visitors volume waste water weather week weight width window work year yes zone
"""
WORDS: Final = frozenset(_WORDS.split())
"""Words of a visit, a meter, a building and a delivery. None of them is a usual name of a person."""

_MOST_NUMBER_DIGITS: Final = 1


class FieldNames:
    """What a deployment declares.

    Args:
        more: Further names, whole.

    Raises:
        ValueError: One of them is no name of a field.
    """

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._whole = frozenset(more)
        if bad := [name for name in self._whole if not re.fullmatch(WORD, name)]:
            raise ValueError(f"{len(bad)} of the declared field names are not in lower snake case")

    def declares(self, name: str) -> bool:
        """Whether a model may give a field this name."""
        return name in self._whole or all(_is_declared(part) for part in name.split("_"))

    def apply(self, record: OnboardingRecord, flow: FlowDefinition) -> OnboardingRecord:
        """The record with neutral names in place of those that neither its flow has nor a model may give."""
        names = {field.name for field in record.fields} - flow.fields.keys()
        return without_names(record, {name for name in names if not self.declares(name)})

    def for_prompt(self, flow: FlowDefinition) -> RedactedText:
        """What a model is told about the names of fields."""
        if not flow.record.other_fields:
            return RedactedText.literal("Add no other fields.")
        whole = f"You may also use the names {', '.join(sorted(self._whole))}. " if self._whole else ""
        words = f"Make the names of other fields of these words only, joined by underscores: {' '.join(sorted(WORDS))}."
        return RedactedText.literal(f"Add other fields if they matter. {whole}{words}")


def _is_declared(part: str) -> bool:
    return part in WORDS or (part.isascii() and part.isdigit() and len(part) <= _MOST_NUMBER_DIGITS)


DECLARED: Final = FieldNames()
"""What holds where the operator declares nothing more."""
