"""Sentences with values of kinds that no set of the rule ablation holds, made of frames and values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

_PARTICLED: Final = (
    "vander Berg;van der Heyden;de la Cruz;von Bülow;du Pont;del Rosario;di Stefano;van den Broek;zu Solms;ten Brink;"
    "da Costa;de los Santos;von der Heide;le Goff"
)
_SHORT: Final = "4821;90713;7365"

PROBES: Final = (
    ("en", "could you tell mr {} that i called", _PARTICLED),
    ("en", "Dr. {} signed it", _PARTICLED),
    ("de", "Guten Tag, Frau {} ruft an", _PARTICLED),
    ("de", "ich hätte gern herrn {} gesprochen", _PARTICLED),
    ("fr", "bonjour, madame {} à l'appareil", _PARTICLED),
    ("es", "soy la asistente del señor {}", _PARTICLED),
    ("en", "my extension is {}", _SHORT),
    ("en", "ask reception for extension {}", _SHORT),
    ("en", "Mobile: {}", _SHORT),
    ("de", "Durchwahl {}", _SHORT),
    ("es", "mi extensión es {}", _SHORT),
    ("fr", "poste téléphonique {}", _SHORT),
    ("en", "i am at {} willow street", "twelve;forty two;one hundred and six;three;twelve forty four;eighty one b"),
    ("en", "we live at {} fennel chase", "twelve;forty two;one hundred and six;fifty six"),
    ("en", "send it to {} Willow Rise please", "twelve;forty two;one hundred and six;fifty six"),
    ("en", "the parcel is for {} castle keep in Leeds", "twelve;forty two;one hundred and six;fifty six"),
    ("en", "{} elm avenue is where we live", "twelve;forty two;one hundred and six;three;twelve forty four"),
    ("de", "ich wohne in der lindenstraße {}", "zwölf;zweiundvierzig;hundertsechs;drei;achtzehn b;nummer neun"),
    ("es", "vivo en la calle cervantes {}", "doce;cuarenta y dos;ciento seis;tres;número ocho;noventa"),
    ("fr", "j'habite au {} rue des lilas", "douze;quarante-deux;cent six;trois;huit bis;quatre-vingt-dix"),
    ("it", "abito in via dante {}", "dodici;quarantadue;centosei;tre;otto;novanta"),
    ("pt", "moro na rua das flores {}", "doze;quarenta e dois;cento e seis;três;oito;noventa"),
)
"""Language, frame and values."""


class Probe(NamedTuple):
    """A sentence and its value."""

    language: str
    text: str
    start: int
    end: int


def probes() -> Iterator[Probe]:
    """All sentences."""
    for language, frame, values in PROBES:
        for value in values.split(";"):
            start = frame.index("{}")
            yield Probe(language, frame.format(value), start, start + len(value))
