"""Numbers and letters as people say them and as recognition writes them; tables of (language, text, what is left)."""

from __future__ import annotations

from itertools import product

import pytest

from models.redaction.detection.views import views_of
from models.redaction.itn.view import spoken_view
from models.redaction.normalize.view import original
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.unit.redaction.helpers import patterns_only

FORMS = [
    ("en", "three thousand two hundred and sixteen", "3216"),
    ("en", "eighteen hundred forty five", "1845"),
    ("en", "triple eight, one oh two", "888 102"),
    ("en", "one eight hundred five five five", "1800555"),
    ("en", "four one five won two ate nine", "4151289"),
    ("fr", "soixante-douze quatre-vingt-dix-huit", "7298"),
    ("es", "seis uno dos doble cuatro", "61244"),
    ("de", "null eins sieben zwo", "0172"),
    ("hi", "अट्ठानवे सात पाँच डबल दो", "987522"),
    ("de", "achthundertzwölf hundertdrei zwoundneunzig", "81210392"),
    ("en", "area code seven one eight, five five five", "718 555"),
    ("en", "open bracket four one five close bracket five five five", "415555"),
]

SPOKEN = [
    # digits that are dictated, with nothing around that says what they are
    ("en", "the guard wrote two seven three one eight", "the guard wrote [REDACTED_ID]"),
    ("en", "so then 2, 7, 3, 1, 8 and that is it", "so then [REDACTED_ID] and that is it"),
    ("en", "forty one, twelve, fifty three, six", "[REDACTED_ID]"),
    ("de", "er sagte zwei sieben drei eins acht und ging", "er sagte [REDACTED_ID] und ging"),
    ("fr", "elle a dit deux sept trois un huit hier", "elle a dit [REDACTED_ID] hier"),
    ("es", "me dijo dos siete tres uno ocho ayer", "me dijo [REDACTED_ID] ayer"),
    ("hi", "उसने कहा दो सात तीन एक आठ और गया", "उसने कहा [REDACTED_ID] और गया"),
    ("hi", "usne kaha do saat teen ek aath aur gaya", "usne kaha [REDACTED_ID] aur gaya"),
    # spelled, with the word itself beside it
    ("en", "Marlo, M A R L O W, yes", "[REDACTED_NAME], [REDACTED_NAME], yes"),
    ("en", "it is V as in Victor, O, double L", "it is [REDACTED_NAME]"),
    ("en", "K are A M E R", "[REDACTED_NAME]"),
    ("de", "B wie Berta, R, Ü, L", "[REDACTED_NAME]"),
    ("de", "das schreibt man Konrad Richard Otto Ludwig", "das schreibt man [REDACTED_NAME]"),
    ("fr", "B comme Bernard, O, T", "[REDACTED_NAME]"),
    ("es", "B de Barcelona, uve, hache", "[REDACTED_NAME]"),
    ("es", "se escribe ge ese be a", "se escribe [REDACTED_NAME]"),
    # names that are abbreviations or companies when they are one word in capitals
    ("en", "I spell it for you s i m s", "I spell it for you [REDACTED_NAME]"),
    ("en", "Sims, S-I-M-S", "[REDACTED_NAME], [REDACTED_NAME]"),
    ("en", "it is spelled a s o s", "it is spelled [REDACTED_NAME]"),
    ("de", "schreibt sich s i m s", "schreibt sich [REDACTED_NAME]"),
    ("de", "Nachname uber, u b e r", "Nachname [REDACTED_NAME], [REDACTED_NAME]"),
    # addresses
    ("en", "it's contact three at my shop dot org", "it's [REDACTED_EMAIL]"),
    ("en", "you can write to me at another house two at my shop dot org", "you can write to me at [REDACTED_EMAIL]"),
    ("en", "tarn at the rate gmail dot com", "[REDACTED_EMAIL]"),
    ("en", "no dash reply at tarn dot example dot org", "[REDACTED_EMAIL]"),
    ("en", "tarn plus spam at example dot io please", "[REDACTED_EMAIL] please"),
    ("en", "write to tarn at quist dot to", "write to [REDACTED_EMAIL]"),
    ("en", "it is tarn one at my company dot name", "it is [REDACTED_EMAIL]"),
    ("en", "call one, eight hundred, five five five, PUT V TUBS", "call [REDACTED_ID], [REDACTED_NAME]"),
    ("en", "so my SSN is six double four eight oh two", "so my SSN is [REDACTED_SSN]"),
    ("en", "the IP address is ten dot zero dot zero dot one", "the IP address is [REDACTED_IP]"),
    ("es", "escribe a info arroba mi guion empresa punto com", "escribe a [REDACTED_EMAIL]"),
    ("es", "ge ese guion bajo quist arroba correo punto ejemplo punto es", "[REDACTED_EMAIL]"),
    ("fr", "contact arobase l'exemple point fr", "[REDACTED_EMAIL]"),
    ("fr", "odile tiret du bas quist arobase mon site point com", "[REDACTED_EMAIL]"),
    ("de", "info klammeraffe die firma punkt de", "[REDACTED_EMAIL]"),
    ("hi", "तारा अंडरस्कोर दो एट द रेट याहू डॉट को डॉट इन", "[REDACTED_EMAIL]"),
    # recognition writes a spelled word in capitals
    ("en", "KRAVITSKY", "[REDACTED_NAME]"),
    ("en", "That is KOLB ERG, thank you", "That is [REDACTED_NAME], thank you"),
    ("en", "VOLK-N-E-R.", "[REDACTED_NAME]."),
    # what breaks off at the end
    ("en", "my number is four one", "my number is [REDACTED_ID]"),
    ("en", "you get me at four one five", "you get me at [REDACTED_ID]"),
    ("en", "my email is tarn", "my email is [REDACTED_EMAIL]"),
    ("en", "write to tarn dot", "write to [REDACTED_EMAIL]"),
    ("es", "mi número es seis uno", "mi número es [REDACTED_ID]"),
    ("fr", "mon numéro est le zéro six", "mon numéro est le [REDACTED_ID]"),
    ("de", "meine Nummer ist null eins", "meine Nummer ist [REDACTED_ID]"),
    ("hi", "मेरा नंबर है नौ आठ", "मेरा नंबर है [REDACTED_ID]"),
]

HARMLESS = [
    ("en", "the meter reads four eight two one seven"),
    ("en", "it shows 4, 8, 2, 1, 7"),
    ("en", "we are in room four one two"),
    ("en", "take bus one two four five to gate three"),
    ("en", "see you at seven thirty"),
    ("en", "a table for two, from nine to eleven thirty"),
    ("en", "it was nineteen eighty four"),
    ("en", "that is two hundred and fifty"),
    ("en", "I can pay until June 6"),
    ("en", "the date of the visit is 8/5/2021"),
    ("en", "the pump makes 300 rounds"),
    ("en", "move it from one shelf to the next one"),
    ("en", "the NASA and UNESCO posters"),
    ("en", "it came from IKEA by UPS"),
    ("en", "THE PUMP IN THE SECOND ROOM IS VERY LOUD TODAY"),
    ("en", "the web site is example dot com"),
    ("en", "plan a and b"),
    ("en", "look at the pump, it is at the rate of two"),
    ("en", "we meet at the office and go to the web site"),
    ("es", "que te de ese papel"),
    ("de", "er ist es"),
    ("de", "der Zählerstand ist vier acht zwei eins sieben"),
    ("de", "wir treffen uns um halb acht in Zimmer zwei eins vier"),
    ("fr", "le compteur indique quatre huit deux un sept"),
    ("fr", "ça coûte quatre-vingt-dix-neuf euros"),
    ("es", "la lectura del contador es cuatro ocho dos uno siete"),
    ("es", "nos vemos a las siete y media"),
    ("hi", "मीटर की रीडिंग चार आठ दो एक सात है"),
]


@pytest.mark.parametrize(("language", "text", "form"), FORMS)
def test_spoken_sequences_are_normalized(language: str, text: str, form: str) -> None:
    view = spoken_view(text, language)
    assert view is not None
    assert view.text == form


@pytest.mark.parametrize(("language", "text", "left"), SPOKEN)
def test_spoken_sequences_are_redacted(language: str, text: str, left: str) -> None:
    assert patterns_only().redact(RawText(text), RedactionContext(TextSource.SPEECH, language)).text.value == left


@pytest.mark.parametrize(("language", "text"), HARMLESS)
def test_harmless_sequences_are_kept(language: str, text: str) -> None:
    assert patterns_only().redact(RawText(text), RedactionContext(TextSource.SPEECH, language)).text.value == text


def test_no_short_utterance_breaks_the_views() -> None:
    pieces = ["+", "-", "(", "5", "five", "oh", "double", "dot", "at", "a", "hundred", "."]
    for size in (1, 2, 3):
        for words in product(pieces, repeat=size):
            for text in (" ".join(words), "".join(words)):
                views = list(views_of(original(text), RedactionContext(TextSource.SPEECH)))
                assert views[0].text == text
