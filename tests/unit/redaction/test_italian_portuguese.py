"""Italian and Portuguese are redacted as Spanish is. Their words are data only."""

from __future__ import annotations

import pytest

from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.unit.redaction.helpers import patterns_only

SAID = [
    ("es", "mi fecha de nacimiento es el doce de julio de mil novecientos setenta y dos", "DOB"),
    ("it", "la mia data di nascita è il dodici luglio millenovecentosettantadue", "DOB"),
    ("pt", "a minha data de nascimento é doze de julho de mil novecentos e setenta e dois", "DOB"),
    ("es", "vivo en calle de los olmos doce", "ADDRESS"),
    ("it", "abito in via dei tigli dodici", "ADDRESS"),
    ("pt", "moro na travessa das flores doze", "ADDRESS"),
    ("es", "mi correo es ana punto rubio arroba gmail punto com", "EMAIL"),
    ("it", "la mia mail è anna punto rossi chiocciola gmail punto com", "EMAIL"),
    ("pt", "o meu email é ana ponto rocha arroba gmail ponto com", "EMAIL"),
    ("es", "llámeme al seis uno dos tres cuatro cinco seis siete ocho", "PHONE"),
    ("it", "mi chiami al tre quattro sette sei uno due tre quattro cinque", "PHONE"),
    ("pt", "ligue-me no nove um dois três quatro cinco seis sete oito", "PHONE"),
]
TYPED = [
    ("es", "Nací el 3 de mayo de 1961.", "DOB"),
    ("it", "Sono nato il 3 maggio 1961.", "DOB"),
    ("pt", "Nasci a 3 de maio de 1961.", "DOB"),
    ("es", "Me llamo Odalys Quintero.", "NAME"),
    ("it", "Mi chiamo Fiorenza Lobascio.", "NAME"),
    ("pt", "Chamo-me Joaquina Meireles.", "NAME"),
    ("es", "La señora Quintero firmó.", "NAME"),
    ("it", "La signora Lobascio ha firmato.", "NAME"),
    ("pt", "A senhora Meireles assinou.", "NAME"),
    ("es", "La contraseña es tortuga-88.", "SECRET"),
    ("it", "La password è tartaruga-88.", "SECRET"),
    ("pt", "A senha é tartaruga-88.", "SECRET"),
    ("es", "Plaza del Sol, 14", "ADDRESS"),
    ("it", "piazza del Sole, 14", "ADDRESS"),
    ("pt", "travessa do Sol, 14", "ADDRESS"),
]
HARMLESS = [
    ("es", "la presión es de dos punto cuatro bar y tardó veinticinco minutos"),
    ("it", "la pressione è di due virgola quattro bar e ci ha messo venticinque minuti"),
    ("pt", "a pressão é de dois vírgula quatro bar e demorou vinte e cinco minutos"),
    ("es", "El contador marca 48213 litros. La cita es el 3 de mayo."),
    ("it", "Il contatore segna 48213 litri. L'appuntamento è il 3 maggio."),
    ("pt", "O medidor marca 48213 litros. A marcação é a 3 de maio."),
    ("es", "La factura es de 320 euros por 3 visitas."),
    ("it", "La fattura è di 320 euro per 3 visite."),
    ("pt", "A fatura é de 320 euros por 3 visitas."),
]


@pytest.mark.parametrize(("language", "text", "kind"), SAID)
def test_what_is_said_is_hidden(language: str, text: str, kind: str) -> None:
    redaction = patterns_only().redact(RawText(text), RedactionContext(source=TextSource.SPEECH, language=language))
    assert [e.type for e in redaction.entities] == [kind]
    assert redaction.entities[0].end == len(text)


@pytest.mark.parametrize(("language", "text", "kind"), TYPED)
def test_what_is_typed_is_hidden(language: str, text: str, kind: str) -> None:
    redaction = patterns_only().redact(RawText(text), RedactionContext(source=TextSource.TYPED, language=language))
    assert [e.type for e in redaction.entities] == [kind]


@pytest.mark.parametrize("source", [TextSource.SPEECH, TextSource.TYPED])
@pytest.mark.parametrize(("language", "text"), HARMLESS)
def test_readings_and_amounts_stay(language: str, text: str, source: TextSource) -> None:
    assert patterns_only().redact(RawText(text), RedactionContext(source=source, language=language)).text.value == text
