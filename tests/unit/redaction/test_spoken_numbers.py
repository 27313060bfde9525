"""Short numbers as they are said beside other words: houses, birth dates, ages; tables of (language, text, left)."""

from __future__ import annotations

import pytest

from models.redaction.itn.cardinals import numeral_view
from models.redaction.streaming.partials import PartialRedactor, PartialState
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.unit.redaction.helpers import found, patterns_only

READ = [
    ("en", "sixty three or four hundred and nine", "63 or 409"),
    ("en", "three oh seven, double six", "307, 66"),
    ("en", "fourteen thirty six", "14 36"),
    ("en", "nineteen sixty eight and twenty oh three", "1968 and 2003"),
    ("en", "nineteen nineteen seventy one", "19 1971"),
    ("en", "the twenty third, not the eleventh", "the 23rd, not the 11th"),
    ("en", "a hundred and four", "104"),
    ("en", "two thousand and nine", "2009"),
    ("es", "mil novecientos sesenta y ocho", "1968"),
    ("es", "una casa y doscientos siete", "una casa y 207"),
    ("fr", "mille neuf cent soixante-dix-huit", "1978"),
    ("fr", "quatre-vingt-onze, vingt et un, dix-neuf", "91, 21, 19"),
    ("de", "achtundsechzig, neunzehnhundertdreiundfünfzig", "68, 1953"),
    ("de", "am siebenundzwanzigsten ersten zweitausendvier", "am 27. 1. 2004"),
    ("de", "ein Haus und zweihundertelf", "ein Haus und 211"),
    ("hi", "उन्नीस सौ बासठ", "1962"),
    ("it", "millenovecentosessantotto, ventuno, centosette", "1968, 21, 107"),
    ("pt", "mil novecentos e sessenta e oito", "1968"),
]

STREETS = [
    ("en", "i live at sixty three willow road", "i live at [REDACTED_ADDRESS]"),
    ("en", "it is sixty three willow road and please ring twice", "it is [REDACTED_ADDRESS] and please ring twice"),
    ("en", "come to nineteen c old harbour lane please", "come to [REDACTED_ADDRESS] please"),
    ("en", "thirty one larch avenue", "[REDACTED_ADDRESS]"),
    ("en", "three oh seven north juniper boulevard flat nine", "[REDACTED_ADDRESS]"),
    ("en", "we live at twelve fourth avenue", "we live at [REDACTED_ADDRESS]"),
    ("en", "my address is eleven otter drive cheers", "my address is [REDACTED_ADDRESS] cheers"),
    ("en", "flat two oh five blue lotus enclave", "[REDACTED_ADDRESS]"),
    ("en", "it's house number sixteen", "it's [REDACTED_ADDRESS]"),
    ("de", "ich wohne in der gartenstraße dreiundzwanzig", "ich wohne in der [REDACTED_ADDRESS]"),
    ("de", "gartenstraße neun b bitte", "[REDACTED_ADDRESS] bitte"),
    ("de", "ich wohne am lerchenweg sieben und bin da", "ich wohne am [REDACTED_ADDRESS] und bin da"),
    ("de", "meine adresse ist kölner platz vier", "meine adresse ist [REDACTED_ADDRESS]"),
    ("es", "vivo en la calle del sol número siete tercero derecha", "vivo en la [REDACTED_ADDRESS]"),
    ("es", "avenida del puerto ciento cuatro", "[REDACTED_ADDRESS]"),
    ("fr", "j'habite au sept ter rue des lilas", "j'habite au [REDACTED_ADDRESS]"),
    ("it", "abito in via mazzini ventisette", "abito in [REDACTED_ADDRESS]"),
    ("pt", "moro na rua do carmo trinta e três", "moro na [REDACTED_ADDRESS]"),
    ("hi", "मेरा पता मकान नंबर सात नेहरू नगर है", "मेरा पता [REDACTED_ADDRESS] है"),
]

BIRTHS = [
    ("en", "my date of birth is april nineteenth nineteen sixty eight", "my date of birth is [REDACTED_DOB]"),
    ("en", "she was born on three eleven sixty eight", "she was born on [REDACTED_DOB]"),
    ("es", "mi padre nació el tres de abril de mil novecientos cincuenta y uno en casa",
     "mi padre nació el [REDACTED_DOB] en casa"),
    ("es", "nací el nueve del once del setenta y tres", "nací el [REDACTED_DOB]"),
    ("fr", "ma mère est née le trois avril mille neuf cent cinquante et un à lyon",
     "ma mère est née le [REDACTED_DOB] à lyon"),
    ("de", "ich wurde am vierten elften neunzehnhundertzweiundsechzig geboren und bin hier",
     "ich wurde am [REDACTED_DOB] geboren und bin hier"),
    ("de", "ich bin am dritten April neunzehnhunderteinundfünfzig geboren worden",
     "ich bin am [REDACTED_DOB] geboren worden"),
    ("hi", "उनकी जन्म तारीख तीन मार्च उन्नीस सौ बासठ है और वे यहाँ हैं", "उनकी जन्म तारीख [REDACTED_DOB] है और वे यहाँ हैं"),
    ("it", "sono nato il tre aprile millenovecentosessantotto a como vicino al lago",
     "sono nato il [REDACTED_DOB] a como vicino al lago"),
    ("pt", "minha mãe nasceu em três de maio de mil novecentos e sessenta e oito perto de faro",
     "minha mãe nasceu em [REDACTED_DOB] perto de faro"),
]  # fmt: skip

AGES = [
    ("en", "our neighbour is ninety three years old", "our neighbour is [REDACTED_AGE] years old"),
    ("en", "my grandfather just turned a hundred and one", "my grandfather just turned [REDACTED_AGE]"),
    ("en", "his mother is ninety seven now", "his mother is [REDACTED_AGE] now"),
    ("es", "su padre tiene noventa y ocho años", "su padre tiene [REDACTED_AGE] años"),
    ("fr", "mon oncle a quatre-vingt-douze ans", "mon oncle a [REDACTED_AGE] ans"),
    ("de", "der opa ist hundertdrei jahre alt", "der opa ist [REDACTED_AGE] jahre alt"),
    ("it", "mio nonno ha novantasei anni", "mio nonno ha [REDACTED_AGE] anni"),
    ("pt", "meu avô tem noventa e um anos", "meu avô tem [REDACTED_AGE] anos"),
    ("hi", "दादा पंचानबे साल के हैं", "दादा [REDACTED_AGE] साल के हैं"),
]

HARMLESS = [
    ("en", "the site is a twenty minute drive away"),
    ("en", "we found three cars in the road"),
    ("en", "that was a one way street"),
    ("en", "there are four broken street lights"),
    ("en", "turn left after eighty metres on the highway"),
    ("en", "at six the court closes"),
    ("en", "there are thirty empty flats in the street"),
    ("en", "one good place is left"),
    ("en", "my aunt is eighty nine years old"),
    ("en", "he is ninety percent sure and she is one hundred metres away"),
    ("en", "we have ninety five years of experience"),
    ("en", "the visit is on the fourth of june twenty twenty six"),
    ("en", "that is sixty three dollars"),
    ("de", "das auto steht auf dem parkplatz sieben"),
    ("de", "in der gartenstraße sieben stunden gewartet"),
    ("de", "auf dem weg zwei schrauben verloren"),
    ("de", "um acht am kölner platz"),
    ("de", "der termin ist am vierten juni zweitausendsechsundzwanzig"),
    ("es", "la calle está cortada desde las siete"),
    ("es", "mi hija tiene catorce años"),
    ("fr", "il y a trois rues et deux places"),
    ("fr", "l'usine a quatre-vingt-quinze ans"),
    ("fr", "le rendez-vous est le quatre juin"),
    ("it", "mancano due giorni"),
    ("hi", "मीटर की रीडिंग बारह है"),
]

TYPED = [
    ("Anna, geb. 14.11.1962, wohnt hier", [("DOB", "14.11.1962")]),
    ("geb. am 14.11.62", [("DOB", "14.11.62")]),
    ("Otto Muster, * 14.11.1962", [("DOB", "14.11.1962")]),
    ("* 14.11.1962 in Ulm", [("DOB", "14.11.1962")]),
    ("luogo e data di nascita: Como, 14/11/1962", [("DOB", "14/11/1962")]),
    ("fecha de nacimiento 14-11-1962", [("DOB", "14-11-1962")]),
    ("née le 14.11.1962", [("DOB", "14.11.1962")]),
    ("data de nascimento: 14/11/1962", [("DOB", "14/11/1962")]),
    ("जन्मतिथि 14/11/1962", [("DOB", "14/11/1962")]),
    ("* 14.11.2025 Besprechung", []),
    ("Geb. 3, Raum 12, Termin 14.11.2025", []),
    ("2 * 14.11 ist zu viel", []),
    ("la réunion du 14/11/2025", []),
    ("NATO 14/11/1962", []),
]


@pytest.mark.parametrize(("language", "text", "read"), READ)
def test_each_spoken_number_is_read_separately(language: str, text: str, read: str) -> None:
    view = numeral_view(text, language)
    assert view is not None
    assert view.text == read


@pytest.mark.parametrize(("language", "text", "left"), STREETS + BIRTHS + AGES)
def test_spoken_values_are_redacted(language: str, text: str, left: str) -> None:
    assert patterns_only().redact(RawText(text), RedactionContext(TextSource.SPEECH, language)).text.value == left


@pytest.mark.parametrize(("language", "text", "_left"), STREETS)
def test_later_words_do_not_uncover_a_value(language: str, text: str, _left: str) -> None:
    for more in (" thank you very much", " and that is all I can say about it for now", " yes"):
        said = RedactionContext(TextSource.SPEECH, language)
        alone = patterns_only().redact(RawText(text), said).entities
        longer = patterns_only().redact(RawText(text + more), said).entities
        assert {i for e in alone for i in range(e.start, e.end)} <= {i for e in longer for i in range(e.start, e.end)}


@pytest.mark.parametrize(("language", "text"), HARMLESS)
def test_harmless_numbers_are_kept(language: str, text: str) -> None:
    assert patterns_only().redact(RawText(text), RedactionContext(TextSource.SPEECH, language)).text.value == text


@pytest.mark.parametrize(("text", "entities"), TYPED)
def test_typed_birth_dates(text: str, entities: list[tuple[str, str]]) -> None:
    assert found(text) == entities


@pytest.mark.parametrize(
    ("language", "text", "shown"),
    [
        ("en", "bring it to one hundred and six saint marys wood road please now", "bring it to"),
        ("es", "mi padre nació el tres de abril de mil novecientos cincuenta y uno", "mi padre nació el"),
        ("de", "ich wurde am vierten elften neunzehnhundertzweiundsechzig geboren", "ich wurde am"),
        (
            "en",
            "two pumps are loud and one is not running since the storm came over the hills last night",
            "two pumps are loud and one is not running since the storm came over the",
        ),
    ],
)
def test_partials_hold_numbers_until_their_unit_is_known(language: str, text: str, shown: str) -> None:
    partials, state, words = PartialRedactor(patterns_only()), PartialState(), text.split()
    context = RedactionContext(TextSource.SPEECH, language)
    for end in range(1, len(words) + 1):
        redacted, state = partials.step(state, RawText(" ".join(words[:end])), context)
    assert redacted.value == shown


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "please come at eleven"),
        ("en", "drop it off at nine forty five thanks"),
        ("en", "take them at sixteen thirty"),
        ("en", "she lives in four rooms"),
        ("en", "they live on thirty dollars a week"),
        ("en", "we are staying at two hotels"),
        ("es", "vivo en tres casas"),
        ("fr", "j'habite à vingt kilomètres"),
    ],
)
def test_times_and_amounts_at_the_end_are_not_streets(language: str, text: str) -> None:
    assert found(text, TextSource.SPEECH, language) == []
