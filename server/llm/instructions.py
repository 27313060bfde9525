"""Finds sentences in the material that speak to the machine and not of the matter.

A person, or a sticker on a photographed thing, may tell the assistant to ignore its rules. Such a sentence gives no
value of a record. These are common forms, not all: what keeps an unknown form harmless is that no rule, schema or
approval depends on the material.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_SENTENCE: Final = re.compile(r"[^\n.!?।]+(?:[.!?।]+(?=\s|$)|[.!?।]+(?=\S)[^\n.!?।]*)*[.!?।]*\n?|\n")
_SPEAKS_TO_A_MACHINE: Final = re.compile(
    r"""
    (?<!\bi\s)(?<!\bwe\s)(?<!\bto\s)\b(?:ignore|disregard|forget|override|bypass|ignorier\w*|
      vergiss|vergessen\ sie|missachte\w*|ignora\w*|olvid[ae]\w*|
      omit[ae]|oublie\w*|esque[cç]\w*|desconsider\w*)\b
      .{0,40}\b(?:rules?|instructions?|prompts?|checks?|everything|above|previous|earlier|schema|
      regeln?|anweisung\w*|vorgaben?|alles|reglas?|instrucci\w*|comprobaci\w*|todo|r[eè]gles?|consignes?|tout|regras?|
      instru[cç]\w*|tudo)\b
    |\b(?:system|assistant|developer|user)\s*(?:prompt|message|override|note)?\s*[:>\]]
    |<\|?/?(?:system|im_start|im_end|assistant|user|inst)\b|\[/?INST\]|\#{2,}\s*(?:instruction|system)
    |\byou\ (?:are|must|should|will|have\ to)\ (?:now\b|an?\ (?:ai|assistant|model|language)|mark|set|write|approve|say|
      answer|output|report|treat|record\b)
    |(?:^|[,:;\-*"']|\b(?:please|and|then|just|must|bitte|und|por\ favor|y|s'il\ vous\ pla[iî]t))\s*
      (?:set|change|write|put|mark|make|setze\w*|schreib\w*|[aä]nder\w*|trag\w*|pon(?:ga)?|cambi[ae]|escrib[ae]|mets|
      mettez|defina|escreva|update|record)\b.{0,30}\b(?:to|as|auf|zu|als|a|en|como|à|para)\b.{0,20}
      (?:\d|["'\u201c]|\b(?:sure|supported|approved|verified|yes)\b)
    |\b(?:approve|auto-?approve|genehmig\w*|aprueb[ae]|aprobar|approuve\w*|aprove)\b.{0,40}\b(?:record|it|this|proposal|
      request|without|immediately|now|datensatz|vorschlag|sofort|registro|esto|inmediat\w*|maintenant|agora)\b
    |\b(?:verdicts?|confidence|source_id|additional\ ?properties|json\ schema|field\ value|record\ field)\b
    |\{\s*["'\u201c]?\w+["'\u201d]?\s*:
    """,
    re.IGNORECASE | re.VERBOSE,
)


@lru_cache(maxsize=512)
def instructions_in(text: str) -> tuple[str, ...]:
    """The sentences of a text that speak to a machine."""
    return tuple(each[0] for each in _SENTENCE.finditer(text) if _SPEAKS_TO_A_MACHINE.search(each[0]))
