"""Adds a token classifier to the cache."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

from models.redaction.adding.errors import invalid
from models.redaction.adding.labels import kinds_of, types_of
from models.redaction.adding.network import architecture_of, labels_of, sizes_of
from models.redaction.adding.source import CONFIG_FILE, files_of, read_object
from models.redaction.adding.tensors import copy_tensors
from models.redaction.adding.vocabulary import read_vocabulary
from models.redaction.own_model.specification import ARCHITECTURES, TENSORS_FILE, TOKENIZER_FILE, Specification
from models.redaction.own_model.tagger import OwnTagger
from models.weights.added import NER_KIND, AddedModel, check_name
from models.weights.adding import Made, add_model

_TRIAL: Final = "The hives of Mrs. Okafor stand at 12 Elm Road since 2019. Наступного разу, यह पाठ, 这是."
_MOST_NAMED: Final = 12


def add_ner(name: str, folder: Path, labels: Path | None, cache: Path, licence: str, today: date) -> AddedModel:
    """Check a local token classifier as if it were hostile, and keep it in the form that the redactor takes.

    Nothing is kept of what was given but the numbers in its tensors, its sizes, and its list of tokens.

    Args:
        name: Under which it will be chosen.
        folder: As ``save_pretrained`` of transformers writes it.
        labels: YAML file with the entity type of each label; None takes labels that are known.
        cache: Root of the weights cache; exists.
        licence: SPDX identifier, for the record; may be empty.
        today: The day, for the record.

    Raises:
        WeightsError: WEIGHTS_INVALID, WEIGHTS_NAME_INVALID, WEIGHTS_NAME_TAKEN, WEIGHTS_NO_ROOM, CACHE_UNUSABLE.
    """
    check_name(name, cache)
    return add_model(name, files_of(folder), partial(_convert, labels), cache, licence, today)


def _convert(labels: Path | None, source: Path, made: Path) -> Made:
    """Check the copies, and write the model."""
    config = read_object(source / CONFIG_FILE)
    architecture = architecture_of(config)
    known = ARCHITECTURES[architecture]
    sizes = sizes_of(config, known)
    named = labels_of(config)
    types = types_of(named, labels)
    vocabulary = read_vocabulary(source, known.vocabulary, int(sizes["vocab_size"]))
    of_labels = tuple(types[kind] for kind in kinds_of(named))
    specification = Specification(architecture, sizes, of_labels, vocabulary.first, vocabulary.last)
    copy_tensors(source / TENSORS_FILE, specification.shapes(), made / TENSORS_FILE)
    vocabulary.tokenizer.save(str(made / TOKENIZER_FILE))
    specification.write(made)
    _try(made)
    return Made(NER_KIND, _purpose(types))


def _try(folder: Path) -> None:
    """Run the model once: numbers that are finite may still give others that are not."""
    try:
        OwnTagger("trial", folder).personal_words([_TRIAL], lambda: None)
    except ArithmeticError:
        raise invalid("The model gives values that are no numbers.", "Train or convert the model again.") from None


def _purpose(types: Mapping[str, str]) -> str:
    hidden = sorted(f"{kind} as {kept}" for kind, kept in types.items() if kept)
    more = f" and {len(hidden) - _MOST_NAMED} more" if len(hidden) > _MOST_NAMED else ""
    return f"personal words in text: {', '.join(hidden[:_MOST_NAMED])}{more}"
