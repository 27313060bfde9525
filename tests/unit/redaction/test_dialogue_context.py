"""What the conversation knows: questions of the assistant, and answers that are nothing but the thing asked for."""

from __future__ import annotations

import pytest

from models.redaction.dialogue_context import answering, asked_for, is_reading, personal
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.unit.redaction.helpers import patterns_only

QUESTIONS = [
    ("Thanks. What is the best phone number to reach you?", ("PHONE",)),
    ("Could you spell your surname for me, please?", ("NAME",)),
    ("Who am I speaking with?", ("NAME",)),
    ("Please give me your e-mail address.", ("EMAIL",)),
    ("May I have your e-mail and your home address?", ("ADDRESS", "EMAIL")),
    ("When were you born?", ("DOB", "READING")),
    ("Please say your date of birth.", ("DOB",)),
    ("What is the postcode?", ("ADDRESS",)),
    ("I need the number of your passport.", ("ID",)),
    ("What does the meter read now?", ("READING",)),
    ("How many people are with you?", ("READING",)),
    ("What does the meter read, and what is your name?", ("NAME", "READING")),
    ("¿Me dice su número de teléfono?", ("PHONE",)),
    ("Por favor, indique su correo electrónico.", ("EMAIL",)),
    ("¿Cómo se llama usted?", ("NAME",)),
    ("¿Cuál es la lectura del contador?", ("READING",)),
    ("Quel est votre numéro de téléphone ?", ("PHONE",)),
    ("Pouvez-vous épeler votre nom ?", ("NAME",)),
    ("Veuillez donner votre adresse e-mail.", ("EMAIL",)),
    ("Wie heißen Sie?", ("NAME",)),
    ("Können Sie mir Ihre Telefonnummer nennen?", ("PHONE",)),
    ("Bitte nennen Sie den Zählerstand.", ("READING",)),
    ("Wie lautet Ihr Geburtsdatum?", ("DOB",)),
    ("आपका नाम क्या है?", ("NAME",)),
    ("कृपया अपना फ़ोन नंबर बताइए।", ("PHONE",)),
    ("मीटर की रीडिंग क्या है?", ("READING",)),
    ("Aapka naam kya hai?", ("NAME",)),
    ("Come si chiama?", ("NAME",)),
    ("Mi dia il suo numero di telefono, per favore.", ("PHONE",)),
    ("Qual è la lettura del contatore?", ("READING",)),
    ("Qual è il suo indirizzo e-mail?", ("EMAIL",)),
    ("Dove abita?", ("ADDRESS",)),
    ("Mi serve il codice fiscale.", ("ID",)),
    ("Como se chama?", ("NAME",)),
    ("Pode dizer o seu número de telemóvel?", ("PHONE",)),
    ("Qual é a leitura do medidor?", ("READING",)),
    ("Qual é a sua data de nascimento?", ("DOB",)),
    ("Informe o seu endereço, por favor.", ("ADDRESS",)),
    ("Preciso do número do seu CPF.", ("ID",)),
    # no question
    ("Thank you, I have noted the name and the phone number.", ()),
    ("[REDACTED_NAME] is expected at nine.", ()),
    ("", ()),
]

ASKED: list[tuple[tuple[str, ...], str, str, str]] = [
    # (asked for, language, answer, what is left)
    (("NAME",), "en", "zoltan quist", "[REDACTED_NAME]"),
    (("NAME",), "en", "um, it's zoltan", "um, it's [REDACTED_NAME]"),
    (("NAME",), "en", "will", "[REDACTED_NAME]"),
    (("NAME",), "es", "soy anahi", "soy [REDACTED_NAME]"),
    (("NAME",), "fr", "je m'appelle odile", "je m'appelle [REDACTED_NAME]"),
    (("NAME",), "de", "ich bin dörte", "ich bin [REDACTED_NAME]"),
    (("NAME",), "hi", "मेरा नाम तारा है", "मेरा नाम [REDACTED_NAME] है"),
    (("NAME",), "en", "the old pump below leaks a bit today", "the old pump below leaks a bit today"),
    (("PHONE",), "en", "nine nine three eight", "[REDACTED_PHONE]"),
    (("PHONE",), "en", "it's 44 17", "it's [REDACTED_PHONE]"),
    (("PHONE",), "de", "null vier eins", "[REDACTED_PHONE]"),
    (("DOB",), "en", "fourth of may seventy two", "[REDACTED_DOB]"),
    (("ADDRESS",), "en", "twelve high street", "[REDACTED_ADDRESS]"),
    (("EMAIL",), "en", "tarn quist gmail", "[REDACTED_EMAIL]"),
    (("ID",), "en", "k 4 7 7", "[REDACTED_ID]"),
    (("NAME", "READING"), "en", "48217", "48217"),
    (("PHONE", "READING"), "en", "48217", "[REDACTED_PHONE]"),
    # readings that were asked for, refusals and questions stay
    (("READING",), "en", "four eight two one seven", "four eight two one seven"),
    (("READING",), "en", "48217", "48217"),
    (("READING",), "de", "es sind 48217", "es sind 48217"),
    (("NAME",), "en", "I would rather not say", "I would rather not say"),
    (("NAME",), "en", "why do you need that?", "why do you need that?"),
    (("NAME",), "fr", "pourquoi voulez-vous le savoir ?", "pourquoi voulez-vous le savoir ?"),
    (("PHONE",), "en", "yes, of course", "yes, of course"),
    (("PHONE",), "en", "the pump is loud today", "the pump is loud today"),
    (("PHONE",), "en", "12 cubic metres", "12 cubic metres"),
]

UNASKED = [
    ("27318", "[REDACTED_ID]"),
    ("2, 7, 3, 1, 8.", "[REDACTED_ID]."),
    ("um, it's 386-9054.", "um, it's [REDACTED_ID]."),
    ("q7t 8zz", "[REDACTED_ADDRESS]"),
    # times, prices, counts, decimals and units say what they are
    ("12:30", "12:30"),
    ("7 30", "7 30"),
    ("at 10 am", "at 10 am"),
    ("1,250", "1,250"),
    ("$4004", "$4004"),
    ("286.153", "286.153"),
    ("two hundred", "two hundred"),
    ("12", "12"),
    ("48217 cubic metres", "48217 cubic metres"),
    ("3 boxes please", "3 boxes please"),
]


@pytest.mark.parametrize(("reply", "kinds"), QUESTIONS)
def test_the_kinds_that_a_reply_asks_for_are_detected(reply: str, kinds: tuple[str, ...]) -> None:
    assert asked_for(reply) == kinds


def test_only_the_end_of_a_long_reply_is_read() -> None:
    assert asked_for("What is your name? " + "The pump room is open. " * 40) == ()


@pytest.mark.parametrize(
    ("asked", "reading", "rest"),
    [
        ((), False, ()),
        (("READING",), True, ()),
        (("NAME", "READING"), True, ("NAME",)),
        (("PHONE", "READING"), False, ("PHONE",)),
    ],
)
def test_a_question_for_a_reading_asks_for_no_entity(
    asked: tuple[str, ...], reading: bool, rest: tuple[str, ...]
) -> None:
    assert is_reading(asked) == reading
    assert personal(asked) == rest


@pytest.mark.parametrize("source", [TextSource.SPEECH, TextSource.TYPED])
@pytest.mark.parametrize(("asked", "language", "answer", "left"), ASKED)
def test_a_bare_answer_is_redacted_by_the_question(
    asked: tuple[str, ...], language: str, answer: str, left: str, source: TextSource
) -> None:
    context = answering(RedactionContext(source, language), asked)
    assert patterns_only().redact(RawText(answer), context).text.value == left


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("The key is with Oswin", "The key is with [REDACTED_NAME]"),
        ("Oswin, the baker", "[REDACTED_NAME], the baker"),
        ("the oswin", "the [REDACTED_NAME]"),
        ("oswin the tarn", "[REDACTED_NAME] the [REDACTED_NAME]"),
    ],
)
def test_a_thing_beside_a_name_stays_readable(answer: str, left: str) -> None:
    context = answering(RedactionContext(), asked_for("Shall I call the host by name?"))
    assert patterns_only().redact(RawText(answer), context).text.value == left


@pytest.mark.parametrize(("answer", "left"), UNASKED)
def test_a_bare_answer_without_a_question(answer: str, left: str) -> None:
    assert patterns_only().redact(RawText(answer), RedactionContext(TextSource.SPEECH)).text.value == left


def test_typed_text_without_a_question_is_redacted_by_its_words() -> None:
    assert patterns_only().redact(RawText("27318"), RedactionContext()).text.value == "27318"
