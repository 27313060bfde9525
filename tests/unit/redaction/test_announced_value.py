"""Values after and before the words that announce them, as recognition garbles them, and what must stay."""

from __future__ import annotations

import pytest

from models.redaction.dialogue_context import READING, answering
from models.redaction.itn.tokens import tokens_of
from models.redaction.normalize.view import original
from models.redaction.slots.filling import unsettled_from
from models.redaction.slots.spoken_words import SpokenWords
from models.redaction.streaming.partials import PartialRedactor, PartialState
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.unit.redaction.helpers import patterns_only

HIDDEN = [
    ("en", "call me on 555 0132 personal", "call me on [REDACTED_PHONE]"),
    ("en", "You can call me on for 1555-a-132.", "You can call me on [REDACTED_PHONE]."),
    ("en", "You can call me on for 1555-a-132, thanks.", "You can call me on [REDACTED_PHONE], thanks."),
    ("en", "362316 is the verification code.", "[REDACTED_SECRET] is the verification code."),
    ("en", "6.09.30.896.5. That is my social security number.", "[REDACTED_SSN]. That is my social security number."),
    ("en", "license plate ML40, JJP.", "license plate [REDACTED_PLATE]."),
    ("en", "bs 8 5 jh is my zip code", "[REDACTED_ADDRESS] is my zip code"),
    ("en", "My verification code in 795. 744. Thanks.", "My verification code in [REDACTED_SECRET]. Thanks."),
    ("en", "My pin is 299. A 216. Is there more?", "My pin is [REDACTED_SECRET]. Is there more?"),
    (
        "en",
        "reach me at four one five, no wait, four one six tree",
        "reach me at [REDACTED_PHONE], no wait, [REDACTED_PHONE]",
    ),
    ("en", "Send it to mundersporthargreetsatexample.com Please.", "Send it to [REDACTED_EMAIL] Please."),
    ("es", "llámame al cuatro uno cinco, perdón, seis cinco", "llámame al [REDACTED_PHONE]"),
    ("es", "mi número es el cuatro uno árbol cinco", "mi número es el [REDACTED_PHONE]"),
    ("fr", "vous pouvez m'appeler au 06 12 truc 34", "vous pouvez m'appeler au [REDACTED_PHONE]"),
    ("fr", "mon code de vérification est 40, 17.", "mon code de vérification est [REDACTED_SECRET]."),
    ("de", "Sie erreichen mich unter null eins Sieb 76", "Sie erreichen mich unter [REDACTED_PHONE]"),
    ("de", "meine Kundennummer ist 55 Baum 31", "meine Kundennummer ist [REDACTED_ID]"),
    ("hi", "मेरा फ़ोन नंबर नौ आठ पेड़ सात चार है", "मेरा फ़ोन नंबर [REDACTED_PHONE] है"),
    ("it", "il mio numero è tre quattro albero due", "il mio numero è [REDACTED_PHONE]"),
    ("pt", "meu número é nove um árvore dois", "meu número é [REDACTED_PHONE]"),
    ("en", "Give me a call on 1555 something 132.", "Give me a call on [REDACTED_PHONE]."),
    ("en", "Reach out to me at 1555 a 132.", "Reach out to me at [REDACTED_PHONE]."),
    ("en", "You can reach me any time on 1555 a 132.", "You can reach me any time on [REDACTED_PHONE]."),
    ("en", "Call my mobile on 1555 a 132.", "Call my mobile on [REDACTED_PHONE]."),
    ("en", "The phone number I use is 1555 something 132.", "The phone number I use is [REDACTED_PHONE]."),
    ("en", "My cell phone number it is 1555 something 132.", "My cell phone number it is [REDACTED_PHONE]."),
    (
        "en",
        "My phone number is, let me look, 1555 something 132.",
        "My phone number is, let me look, [REDACTED_PHONE].",
    ),
    ("en", "My phone number? It's 1555 something 132.", "My phone number? It's [REDACTED_PHONE]."),
    (
        "en",
        "362316 is what they sent me as the verification code",
        "[REDACTED_SECRET] is what they sent me as the verification code",
    ),
    ("en", "My customer number ends in 4 4 1 7 a b", "My customer number ends in [REDACTED_ID]"),
    (
        "es",
        "Me puedes llamar al número que es seis uno dos y luego tres cuatro cinco seis siete ocho",
        "Me puedes llamar al número que es [REDACTED_PHONE] y luego [REDACTED_PHONE]",
    ),
    ("hi", "मुझे 98765 और 43210 पर कॉल करें", "मुझे [REDACTED_PHONE] पर कॉल करें"),
    ("hi", "मेरा नंबर नौ आठ सात और फिर छह पाँच चार", "मेरा नंबर [REDACTED_PHONE] और फिर [REDACTED_PHONE]"),
    ("de", "Rufen Sie mich gerne an unter 0171 Baum 55.", "Rufen Sie mich gerne an unter [REDACTED_PHONE]."),
    (
        "de",
        "Sie können mich jederzeit unter 0171 Baum 55 erreichen.",
        "Sie können mich jederzeit unter [REDACTED_PHONE] erreichen.",
    ),
    ("de", "Meine Handynummer, die ist 0171 Baum 55.", "Meine Handynummer, die ist [REDACTED_PHONE]."),
    ("de", "Meine Telefonnummer? Das ist die 0171 Baum 55.", "Meine Telefonnummer? Das ist die [REDACTED_PHONE]."),
    (
        "de",
        "Die Nummer, unter der Sie mich erreichen, ist 0171 Baum 55.",
        "Die Nummer, unter der Sie mich erreichen, ist [REDACTED_PHONE].",
    ),
    (
        "de",
        "Meine Telefonnummer ist, lassen Sie mich schauen, 0171 Baum 55.",
        "Meine Telefonnummer ist, lassen Sie mich schauen, [REDACTED_PHONE].",
    ),
    ("de", "Melden Sie sich bei mir unter 0171 Baum 55.", "Melden Sie sich bei mir unter [REDACTED_PHONE]."),
    ("de", "Meine Kundennummer endet auf 4 4 1 7 a b", "Meine Kundennummer endet auf [REDACTED_ID]"),
    (
        "de",
        "362316 ist das, was Sie mir als Bestätigungscode geschickt haben.",
        "[REDACTED_SECRET] ist das, was Sie mir als Bestätigungscode geschickt haben.",
    ),
    ("fr", "Passez-moi un coup de fil au 06 12 truc 34.", "Passez-moi un coup de fil au [REDACTED_PHONE]."),
    (
        "fr",
        "Vous pouvez me joindre à tout moment au 06 12 truc 34.",
        "Vous pouvez me joindre à tout moment au [REDACTED_PHONE].",
    ),
    ("fr", "Appelez mon portable au 06 12 truc 34.", "Appelez mon portable au [REDACTED_PHONE]."),
    ("fr", "Le numéro que j'utilise est le 06 12 truc 34.", "Le numéro que j'utilise est le [REDACTED_PHONE]."),
    ("fr", "Mon numéro de téléphone, c'est le 06 12 truc 34.", "Mon numéro de téléphone, c'est le [REDACTED_PHONE]."),
    ("fr", "Mon numéro de téléphone ? C'est le 06 12 truc 34.", "Mon numéro de téléphone ? C'est le [REDACTED_PHONE]."),
    (
        "fr",
        "Mon numéro est, laissez-moi regarder, 06 12 truc 34.",
        "Mon numéro est, laissez-moi regarder, [REDACTED_PHONE].",
    ),
    ("fr", "Mon numéro de client se termine par 4 4 1 7 a b", "Mon numéro de client se termine par [REDACTED_ID]"),
    (
        "fr",
        "362316 est ce qu'on m'a envoyé comme code de vérification",
        "[REDACTED_SECRET] est ce qu'on m'a envoyé comme code de vérification",
    ),
    (
        "es",
        "Puedes llamarme a mi móvil al seis uno dos árbol tres cuatro.",
        "Puedes llamarme a mi móvil al [REDACTED_PHONE].",
    ),
    (
        "es",
        "Mi número de teléfono, que es el seis uno dos árbol tres cuatro.",
        "Mi número de teléfono, que es el [REDACTED_PHONE].",
    ),
    ("en", "Call 1555 a 132 and ask for me", "Call [REDACTED_PHONE] and ask for me"),
    ("en", "My phone is broken, my new number is 1555 a 132", "My phone is broken, my new number is [REDACTED_PHONE]"),
]

HARMLESS = [
    ("en", "my number is up"),
    ("en", "call me back later"),
    ("en", "call me at half past ten"),
    ("en", "call me at 12 30 on Tuesday"),
    ("en", "call me on the 14th of March"),
    ("en", "call me on Monday at 10 30"),
    ("en", "reach me at the site"),
    ("en", "you can write to me at the office"),
    ("en", "my email is broken, sorry"),
    ("en", "my e-mail is not working and the pump is loud"),
    ("en", "my pin has four digits"),
    ("en", "my number is 4 in the queue"),
    ("en", "The phone in 2019 was better"),
    ("en", "my account number is on page 12"),
    ("es", "llámame a las 9 y media"),
    ("es", "mi número es muy largo"),
    ("fr", "appelez-moi demain à 9 heures"),
    ("de", "rufen Sie mich am Dienstag um 10 Uhr an"),
    ("de", "meine E-Mail ist kaputt, leider"),
    ("hi", "मुझे शाम 5 बजे कॉल करें"),
    ("en", "My account is overdrawn by 1200 dollars."),
    ("en", "My phone is 5 years old and has 1200 photos."),
    ("en", "My code is 2500 lines long."),
    ("en", "The login code has 4 bugs in 1200 lines."),
    ("en", "My plate was 250 millimetres long."),
    ("en", "My card was charged 89 50 twice."),
    ("en", "My card was declined for 450 euros yesterday evening."),
    ("en", "My phone was 350 euros in the sale."),
    ("en", "My number is 300 on the list."),
    ("en", "You can contact me on site, at 10 30."),
    ("en", "My mobile is broken, reading 4821."),
    ("en", "call me at 10 15 or 10 45 tomorrow if that suits"),
    ("es", "Mi teléfono tiene 5 años y 1200 fotos."),
    ("es", "Mi código es de 2500 líneas."),
    ("es", "Mi número es el 300 en la lista."),
    ("de", "Mein Handy ist 5 Jahre alt und hat 1200 Fotos."),
    ("de", "Mein Code ist 2500 Zeilen lang."),
    ("de", "Mein Kennzeichen war 250 Millimeter lang."),
    ("de", "Meine Nummer ist 300 auf der Liste."),
    ("de", "Rufen Sie mich an um 10 Uhr 15 oder 10 Uhr 45."),
    ("fr", "Mon code est long de 2500 lignes."),
    ("fr", "Mon compte est débiteur de 1200 euros."),
    ("fr", "Mon numéro est 300 sur la liste."),
    ("en", "My phone, it's from 2019 and works."),
    ("en", "I like my phone, it's 1200 pixels wide."),
    ("en", "We call 1200 customers a week."),
    ("en", "My account was charged 1200 twice."),
    ("en", "Give me a call at 10 30 on Monday."),
    ("en", "12345 is what the meter says."),
    ("es", "Me puedes llamar a las 10 30 mañana."),
    ("de", "Sie können mich jederzeit ab 10 Uhr 30 anrufen."),
    ("fr", "Passez-moi un coup de fil à 10 heures 30."),
    ("fr", "Mon portable, c'est un modèle de 2019."),
    ("hi", "शाम 5 बजे 30 मिनट पर कॉल करें"),
    ("hi", "मुझे 10 30 पर कॉल करें"),
    ("hi", "मेरा फ़ोन 5 साल पुराना है और 1200 फ़ोटो हैं।"),
]


@pytest.mark.parametrize("asked", [(), (READING,)])
@pytest.mark.parametrize(("language", "text", "written"), HIDDEN)
def test_an_announced_value_is_redacted_after_any_question(
    language: str, text: str, written: str, asked: tuple[str, ...]
) -> None:
    context = answering(RedactionContext(TextSource.SPEECH, language), asked)
    assert patterns_only().redact(RawText(text), context).text.value == written


@pytest.mark.parametrize("source", list(TextSource))
@pytest.mark.parametrize(("language", "text"), HARMLESS)
def test_text_that_only_resembles_an_announcement_is_kept(language: str, text: str, source: TextSource) -> None:
    assert patterns_only().redact(RawText(text), RedactionContext(source, language)).text.value == text


@pytest.mark.parametrize(("language", "text", "written"), HIDDEN)
def test_partials_show_no_part_of_an_announced_value(language: str, text: str, written: str) -> None:
    context = RedactionContext(TextSource.SPEECH, language)
    partials, state = PartialRedactor(patterns_only()), PartialState()
    words = f"{text} and so on and on until it is over now".split()
    final = patterns_only().redact(RawText(" ".join(words)), context).text.value
    readable = {token.text for token in tokens_of(final)}
    for size in range(1, len(words) + 1):
        shown, state = partials.step(state, RawText(" ".join(words[:size])), context)
        assert {token.text for token in tokens_of(shown.value)} <= readable


def test_an_announcement_ending_one_utterance_applies_to_the_next() -> None:
    partials, state = PartialRedactor(patterns_only()), PartialState(tail=RawText("you can call me on"))
    for text in ("Benny", "Benny 1555", "Benny 1555 a", "Benny 1555 a 132", "Benny 1555 a 132 and"):
        shown, state = partials.step(state, RawText(text), RedactionContext(TextSource.SPEECH))
        assert shown.value in ("", "[REDACTED_PHONE]")


def test_partials_continue_after_the_end_of_an_announced_value() -> None:
    text = "call me on for 1555-a-132, thanks, and the pump in the cellar is very loud today again"
    partials, state = PartialRedactor(patterns_only()), PartialState()
    words = text.split()
    for size in range(1, len(words) + 1):
        shown, state = partials.step(state, RawText(" ".join(words[:size])), RedactionContext(TextSource.SPEECH))
    assert shown.value.startswith("call me on [REDACTED_PHONE], thanks, and the pump")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("you can call me on", 18),
        ("you can call me on for 1555", 18),
        ("you can call me on for 1555 thanks and that is all that I have to say for today", None),
        ("you can reach me at roof and that delgado at example dot", 19),
        ("my email is roof in the delgado at example dot", 11),
        ("you can reach me at the office. the pump is very loud today again", None),
        ("362316 is the", 0),
        ("6.09.30.896.5. Math is my", 0),
        ("the pump is loud", None),
    ],
)
def test_the_start_of_an_unsettled_value_is_found(text: str, start: int | None) -> None:
    assert unsettled_from(SpokenWords(original(text), "en")) == start
