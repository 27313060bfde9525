"""Words of closed classes are shown sooner than others, and nothing personal with them, in five languages."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.redaction.itn.lexicon import lexicon_for
from models.redaction.itn.number_words import ORDINALS
from models.redaction.itn.spelling_alphabets import PHONETIC
from models.redaction.itn.tokens import tokens_of
from models.redaction.redactor import LocalRedactor
from models.redaction.streaming.function_words import complete_words, function_words
from models.redaction.streaming.partials import PartialRedactor, PartialState
from models.redaction.types import RedactionContext, Redactor
from models.text import RawText, TextSource
from tests.fakes.classifier import WordListClassifier

LANGUAGES = ("en", "es", "fr", "de", "hi")
PLAIN = LocalRedactor(WordListClassifier({"john": "GIVEN_NAME", "carter": "SURNAME"}))


def shown_for(
    hypotheses: list[str], context: RedactionContext, redactor: Redactor = PLAIN, tail: str = ""
) -> list[str]:
    """What is to be seen after each."""
    partials, state, shown = PartialRedactor(redactor), PartialState(tail=RawText(tail)), []
    for hypothesis in hypotheses:
        text, state = partials.step(state, RawText(hypothesis), context)
        shown.append(text.value)
    return shown


def spoken(language: str, *asked_for: str) -> RedactionContext:
    return RedactionContext(TextSource.SPEECH, language, asked_for)


def growing(said: str) -> list[str]:
    """Every hypothesis twice, so that two always agree: nothing is held for want of agreement."""
    words = said.split()
    return [" ".join(words[:n]) for n in range(1, len(words) + 1) for _ in range(2)]


def hidden_words(said: str, redactor: Redactor, context: RedactionContext) -> set[str]:
    """What the final hides. A greeting is the same in an address that begins with it; nobody is known by it."""
    entities = redactor.redact(RawText(said), context).entities
    return {word for e in entities for word in seen(said[e.start : e.end])} - function_words(context.language)


def seen(text: str) -> list[str]:
    return [token.text for token in tokens_of(text)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_function_words_are_not_numbers_signs_or_letters(language: str) -> None:
    lexicon, words = lexicon_for(language), function_words(language)
    for table in (lexicon.numbers, lexicon.scales, lexicon.repeats, lexicon.signs, lexicon.letters, lexicon.phonetic):
        assert words.isdisjoint(table)
    assert words.isdisjoint(PHONETIC)
    assert words.isdisjoint(ORDINALS.get(language, {}))
    assert complete_words(language) <= words


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "without street eleven in leeds"),
        ("de", "gegen straße vier in köln"),
        ("de", "durch gartenweg zwölf bitte"),
        ("hi", "kuch nagar ghar number baarah"),
    ],
)
def test_a_word_before_a_street_type_is_held_back(language: str, said: str) -> None:
    first = said.split(maxsplit=1)[0]
    assert not any(first in text for text in shown_for(growing(" ".join(said.split()[:2])), spoken(language)))


def test_in_other_languages_two_words_are_held_back() -> None:
    assert not function_words("nl")
    assert shown_for(["the pump is"] * 2, spoken("nl"))[-1] == "the"


@pytest.mark.parametrize(
    ("language", "hypotheses", "last"),
    [
        ("en", ["Hello", "Hello"], "Hello"),
        ("en", ["Hello", "Hello, we"], "Hello"),
        ("en", ["He", "He was"], "He"),
        ("en", ["And so", "and so my"], "and so"),
        ("en", ["The child", "The child almost"], "The"),
        ("en", ["it was the pump"] * 2, "it was the"),
        ("en", ["the pump was old"] * 2, "the pump was"),
        ("es", ["hola no hay agua"] * 2, "hola no hay"),
        ("fr", ["bonjour il y avait une fuite"] * 2, "bonjour il y avait"),
        ("de", ["ich habe das nicht gesehen"] * 2, "ich habe das nicht"),
        ("hi", ["मेरा मीटर"] * 2, "मेरा"),
        ("hi", ["namaste"] * 2, "namaste"),
    ],
)
def test_function_words_are_shown_at_once(language: str, hypotheses: list[str], last: str) -> None:
    assert shown_for(hypotheses, spoken(language))[-1] == last


@pytest.mark.parametrize(
    ("language", "hypotheses"),
    [
        ("en", ["He"]),  # one look
        ("en", ["And"] * 2),  # the beginning of "Andrea", perhaps
        ("en", ["hello dot"] * 2),  # of an address
        ("en", ["hello at"] * 2),
        ("en", ["the fifth"] * 2),  # of a date
        ("en", ["the Beeches"] * 2),  # of an address
        ("en", ["The twelve"] * 2),
        ("en", ["are i"] * 2),  # of a spelling
        ("en", ["I see"] * 2),
        ("en", ["double you"] * 2),
        ("en", ["four this was"] * 2),  # behind a number that may go on
        ("en", ["k this was"] * 2),  # behind a letter
        ("es", ["La Torre"] * 2),
        ("es", ["el cinco"] * 2),
        ("fr", ["le premier"] * 2),
        ("fr", ["la rue"] * 1),
        ("de", ["die fünfte"] * 2),
        ("de", ["das einundzwanzigste"] * 2),
        ("de", ["ich punkt"] * 2),
        ("hi", ["मेरा डॉट"] * 2),
        ("hi", ["मेरा पाँच"] * 2),
    ],
)
def test_words_that_may_belong_to_a_value_are_held_back(language: str, hypotheses: list[str]) -> None:
    assert shown_for(hypotheses, spoken(language))[-1] == ""


@pytest.mark.parametrize("asked_for", ["NAME", "EMAIL", "PHONE", "ADDRESS"])
def test_an_answer_is_held_back(asked_for: str) -> None:
    assert shown_for(["he was"] * 2, spoken("en", asked_for))[-1] == ""
    assert shown_for(["he was"] * 2, spoken("en", "READING"))[-1] == "he"


def test_words_that_may_continue_the_previous_utterance_are_held_back() -> None:
    assert shown_for(["and then"] * 2, spoken("en"), tail="my number is four one five")[-1] == ""


def test_the_word_after_a_tag_is_held_back() -> None:
    assert shown_for(["so john was not"] * 2, spoken("en"))[-1] == "so [REDACTED_NAME]"
    assert shown_for(["so john was not here"] * 2, spoken("en"))[-1] == "so [REDACTED_NAME] was not"


def test_everything_after_an_introduction_is_held_back() -> None:
    assert shown_for(["this is hello there"] * 2, spoken("en"))[-1] == "this is"


SAID = {
    "en": (
        "hello this is maria lopez and i have the key",
        "and he was with andrea weston in the house",
        "so you can call me on four one five five five five oh one three two please",
        "we have it and it is m a r i a so please write that",
        "yes it was john dot carter at example dot com that i have",
        "hello dot carter at example dot com is what we have",
        "because we are in twelve oak street where there was water",
        "my password is hunter seven two and that was all",
        "she was born on the fifth of may nineteen eighty and he was not",
    ),
    "es": (
        "hola soy maría lópez y no hay agua",
        "mi número es seis uno dos tres cuatro cinco seis siete ocho gracias",
        "porque mi correo es maría punto lópez arroba ejemplo punto com",
        "no está en la calle mayor doce porque no hay nadie",
        "se escribe l o p e z y nada más",
    ),
    "fr": (
        "bonjour je suis marie dupont et il y a une fuite",
        "vous pouvez appeler le zéro six douze trente quatre cinquante six soixante dix huit",
        "c'est marie point dupont arobase exemple point com",
        "nous avons une fuite au douze rue de la paix depuis hier",
        "ça se dit d u p o n t et rien avant",
    ),
    "de": (
        "hallo hier ist maria müller und ich habe den schlüssel",
        "sie können mich unter null eins sieben sechs fünf vier drei zwei eins null anrufen",
        "das ist maria punkt müller at beispiel punkt de",
        "wir haben das in der hauptstraße fünf gesehen",
        "ich bin am fünften mai neunzehnhundertachtzig geboren und er nicht",
    ),
    "hi": (
        "मेरा नाम राकेश यादव है और मैं यहाँ हूँ",
        "मेरा नंबर नौ आठ सात छह पाँच चार तीन दो एक शून्य है",
        "mera naam rakesh yadav hai aur main yahan hoon",
        "मेरा ईमेल राकेश डॉट यादव एट जीमेल डॉट कॉम है",
    ),
}  # fmt: skip


@pytest.mark.models
@pytest.mark.parametrize(("language", "said"), [(language, said) for language, all_ in SAID.items() for said in all_])
def test_partials_never_show_what_the_final_redacts(real_redactor: LocalRedactor, language: str, said: str) -> None:
    context = spoken(language)
    hidden = hidden_words(said, real_redactor, context)
    assert hidden
    assert all(hidden.isdisjoint(seen(text)) for text in shown_for(growing(said), context, real_redactor))


PERSONAL = (
    "john carter", "john dot carter at example dot com", "four one five five five five oh one three two",
    "j o h n", "twelve oak street", "the twelfth of may nineteen eighty",
)  # fmt: skip
PLANTED = frozenset(
    ("john", "carter", "example", "four", "five", "three", "twelve", "oak", "nineteen", "j", "o", "h", "n")
)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(sorted(function_words("en"))), max_size=6),
    st.sampled_from(PERSONAL),
    st.lists(st.sampled_from(sorted(function_words("en"))), max_size=6),
)
def test_function_words_around_a_value_never_reveal_it(before: list[str], personal: str, behind: list[str]) -> None:
    said = " ".join([*before, personal, *behind])
    shown = shown_for(growing(said), spoken("en"))
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))
    hidden = hidden_words(said, PLAIN, spoken("en"))
    assert all(hidden.isdisjoint(seen(text)) for text in shown)
    broken_off = shown[: len(growing(" ".join([*before, personal])))]  # as if the speaker had stopped behind the value
    assert all(PLANTED.isdisjoint(seen(text)) for text in broken_off)
