"""Makers of meters, pumps and boilers, whose names are surnames too: Elster, Siemens, Bosch."""

from __future__ import annotations

import re

from models.redaction.views import View

_MAKERS = frozenset(
    """bosch siemens grundfos wilo itron sensus kamstrup zenner elster honeywell danfoss vaillant viessmann buderus ksb
    lowara xylem ebara pedrollo flygt techem qundis apator actaris sontex calpeda salmson aquametro""".split()
)

_LABEL_REACH = 32
_LABELLED = re.compile(
    r"(?<![^\W_])(?:visit(?:or|eur|euse|ante|atore|atrice)|visitantes?|guest|host(?:ess)?|tenant|occupant|attendee"
    r"|attn|attention|signed|signature|ask(?:ing)? for|asked for|speak (?:to|with)|spoke (?:to|with)|looking for"
    r"|(?:last|sur|first|full|family)[ -]?name|contact (?:person|name)|contact(?=\s?[:=|])|in charge|escort"
    r"|besucher(?:in)?|gast(?:geber(?:in)?)?|ansprechpartner(?:in)?|ansprechperson|kontakt(?:person|(?=\s?[:=|]))"
    r"|unterschrift|gezeichnet|gez|z\.\s?hd|mieter(?:in)?|bewohner(?:in)?|fragen sie nach|zu händen"
    r"|invitée?|hôte|interlocut(?:eur|rice)|personne à contacter|demandez|signée?|à l['\u2019]attention de"
    r"|nom|locataire"
    r"|contacto(?=\s?[:=|])|persona de contacto|hu[eé]sped|invitad[oa]|anfitri[oó]na?|inquilin[oa]|firmad[oa]"
    r"|pregunt[ae] por|apellidos?|nombre|contato(?=\s?[:=|])|h[oó]spede|convidad[oa]|nome|sobrenome"
    r"|मेहमान|आगंतुक|संपर्क|नाम)"
    r"(?: name| no\.? \d{1,3})?(?: (?:is|was|by|ist|war|von|es|est|par|por|é))?[\s:=|.#*_-]{1,6}$"
)
"""What a person stands behind: a maker there is somebody who is called like it."""

_BESIDE = re.compile(r"\s?,\s?")
"""Between a surname and its first name in a list."""


def is_maker(view: View, start: int, end: int) -> bool:
    """Whether the word at [start, end) is the name of a maker."""
    return view.lower[start:end] in _MAKERS


def stands_for_a_person(view: View, start: int) -> bool:
    """Whether what stands before ``start`` says that a person comes next: "Visitor: Elster"."""
    return _LABELLED.search(view.lower, max(0, start - _LABEL_REACH), start) is not None


def listed_beside(view: View, end: int, start: int) -> bool:
    """Whether nothing but a comma stands between one name's end and the next one's start: "Siemens, Anna"."""
    return _BESIDE.fullmatch(view.text, end, start) is not None
