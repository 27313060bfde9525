"""Random protobuf messages of any type, with values at the edges."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.fuzz.mutate import EDGES, TEXTS

DEEPEST = 4
_INTEGERS = {
    FieldDescriptor.TYPE_INT32: 31,
    FieldDescriptor.TYPE_SINT32: 31,
    FieldDescriptor.TYPE_UINT32: 32,
    FieldDescriptor.TYPE_INT64: 63,
    FieldDescriptor.TYPE_SINT64: 63,
    FieldDescriptor.TYPE_UINT64: 64,
}


def fill(rng: random.Random, message: Any, texts: Sequence[str], depth: int = 0) -> None:
    """Set random fields of a message. ``texts`` are values that mean something, such as ids that exist."""
    descriptor: Descriptor = message.DESCRIPTOR
    for field in descriptor.fields:
        if rng.random() < (0.75 if depth < 2 else 0.4):
            _set(rng, message, field, texts, depth)


def _set(rng: random.Random, message: Any, field: FieldDescriptor, texts: Sequence[str], depth: int) -> None:
    target = getattr(message, field.name)
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        if depth >= DEEPEST:
            return
        inner = field.message_type
        assert inner is not None
        if inner.GetOptions().map_entry:
            value = inner.fields_by_name["value"]
            if value.type == FieldDescriptor.TYPE_STRING:
                target[_text(rng, texts)] = _text(rng, texts)
        elif field.is_repeated:
            for _ in range(rng.choice((1, 2, 30))):
                fill(rng, target.add(), texts, depth + 1)
        else:
            target.SetInParent()
            fill(rng, target, texts, depth + 1)
    elif field.is_repeated:
        target.extend(_value(rng, field, texts) for _ in range(rng.choice((1, 3, 100))))
    else:
        setattr(message, field.name, _value(rng, field, texts))


def _value(rng: random.Random, field: FieldDescriptor, texts: Sequence[str]) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text(rng, texts)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return rng.randbytes(rng.choice((0, 1, 32, 3200, 70_000)))
    if field.enum_type is not None:
        return rng.choice([*(value.number for value in field.enum_type.values), 99])
    if field.type == FieldDescriptor.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type in _INTEGERS:
        return rng.choice((*EDGES, 16_000)) & ((1 << min(31, _INTEGERS[field.type])) - 1)
    return rng.choice((0.0, 1.0, -1.0, float("inf"), float("nan"), 1e308))


def _text(rng: random.Random, texts: Sequence[str]) -> str:
    return rng.choice((*texts, *texts, *TEXTS)).encode("utf-8", "ignore").decode()
