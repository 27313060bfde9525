"""Records of models that the operator added. They are pinned from then on: one JSON file beside their files."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Final

from models.errors import WeightsError
from models.private_files import write_atomically
from models.reasons import Reason
from models.weights.registry import ALL
from models.weights.types import PinnedFile, Weights

RECORD_FILE: Final = "added.json"
NER_KIND: Final = "transformers folder"
"""Kind of the models that find personal words in texts; all others recognise speech."""
NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
"""Names of folders on every disk; none begins or ends with a dot."""


@dataclass(frozen=True, slots=True)
class AddedFile:
    """A file with its size and its SHA-256."""

    name: str
    size_bytes: int
    sha256: str

    def pinned(self) -> PinnedFile:
        """The same as a file of the cache that has no source."""
        return PinnedFile(self.name, self.size_bytes, self.sha256, ())


@dataclass(frozen=True, slots=True)
class AddedModel:
    """A model that the operator added.

    Attributes:
        name: Under which it is chosen.
        kind: What was given: ``openai-whisper checkpoint``, ``CTranslate2 folder`` or ``NER_KIND``.
        purpose: What it is for, in a few words.
        sources: The files that were given.
        files: The files in the cache, made from those.
        licence: SPDX identifier, as the operator said it; empty if nobody did.
        added_on: The day, in UTC.
    """

    name: str
    kind: str
    purpose: str
    sources: tuple[AddedFile, ...]
    files: tuple[AddedFile, ...]
    licence: str
    added_on: str

    def weights(self) -> Weights:
        """The same as pinned weights are described."""
        return Weights(
            name=self.name,
            purpose=self.purpose,
            files=tuple(file.pinned() for file in self.files),
            wheels=(),
            hub=None,
            licence=self.licence,
            attribution=f"added on {self.added_on} by the operator, from a {self.kind}",
            added=True,
        )


def check_name(name: str, cache: Path) -> None:
    """Refuse names that cannot be given to a new model.

    Raises:
        WeightsError: WEIGHTS_NAME_INVALID, WEIGHTS_NAME_TAKEN.
    """
    if not NAME.fullmatch(name):
        raise WeightsError(
            "The name is not usable.",
            reason=Reason.WEIGHTS_NAME_INVALID,
            hint="Use up to 64 small letters, digits, and . - _ in between.",
        )
    if name in ALL:
        raise WeightsError(
            f"'{name}' is the name of a model that Vestibule pins.",
            reason=Reason.WEIGHTS_NAME_TAKEN,
            hint="Choose another name.",
        )
    if added_model(name, cache):
        raise WeightsError(
            f"There is a model named '{name}' already.",
            reason=Reason.WEIGHTS_NAME_TAKEN,
            hint=f"Choose another name, or run `vestibule models remove {name}` first.",
        )


def record(model: AddedModel, cache: Path) -> None:
    """Write the record, atomically."""
    content = json.dumps(asdict(model), indent=2, ensure_ascii=False) + "\n"
    write_atomically(cache / model.name / RECORD_FILE, content.encode())


def added_model(name: str, cache: Path) -> AddedModel | None:
    """The record of that name, or None.

    Raises:
        WeightsError: WEIGHTS_INVALID, the record was changed so that it cannot be read.
    """
    path = cache / name / RECORD_FILE
    if not NAME.fullmatch(name) or not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        for part in ("sources", "files"):
            found[part] = tuple(AddedFile(**file) for file in found[part])
        model = AddedModel(**found)
        date.fromisoformat(model.added_on)
        if not all(Path(file.name).name == file.name for file in model.files) or model.name != name:
            raise ValueError("a file outside the folder")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WeightsError(
            f"The record of the model '{name}' cannot be read.",
            reason=Reason.WEIGHTS_INVALID,
            hint=f"Run `vestibule models remove {name}`, then add the model again.",
        ) from error
    return model


def added_names(cache: Path) -> list[str]:
    """Names of all models that were added."""
    return sorted(path.parent.name for path in cache.glob(f"*/{RECORD_FILE}"))
