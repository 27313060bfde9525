"""Settings of values that are sealed for other systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from models.errors import InvalidInput
from models.reasons import Reason

if TYPE_CHECKING:
    from server.sealed.keys import SealKeys
    from server.sealed.requests import Seals


class SealedSettings(BaseModel):
    """Values that are sealed for other systems, see docs/operating/sealed-values.md."""

    keys: dict[str, str] = Field(
        {}, description='Public keys by id, such as {"crm_2026": "BASE64"}; `vestibule sealed keygen` makes them.'
    )
    key: str = Field("", description="Id of the key that is meant where none is named; empty takes the only one.")
    fields: dict[str, str] = Field(
        {},
        description="Entity types that are sealed in every session whose flow does not say it, by field, such as "
        '{"contact_phone": "PHONE", "visitor": "NAME"}; several with spaces between them.',
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if not self.keys and not self.fields and not self.key:
            return self
        from models.redaction.entities import LABELS  # commands that seal nothing need not wait for them

        kinds = [kind for named in self.fields.values() for kind in named.split()]
        if unknown := [kind for kind in kinds if kind not in LABELS]:
            raise PydanticCustomError(Reason.INVALID_ARGUMENT, f"{len(unknown)} of the entity types are not known.")
        if len(set(kinds)) != len(kinds):
            raise PydanticCustomError(Reason.INVALID_ARGUMENT, "An entity type can be sealed for one field.")
        try:
            _ = self.seals
        except InvalidInput as error:
            raise PydanticCustomError(error.reason, error.message) from None
        return self

    @property
    def public_keys(self) -> SealKeys:
        """The keys, read."""
        from server.sealed.keys import SealKeys

        return SealKeys(self.keys, self.key)

    @property
    def seals(self) -> Seals:
        """What ``fields`` says."""
        from server.sealed.requests import seals_of_fields

        return seals_of_fields(self.fields, self.public_keys)
