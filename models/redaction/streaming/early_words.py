"""Words of a running utterance that need not wait for two more behind them.

Two words are held back from a partial, because "john" is a word until "dot carter" follows. A pronoun, an auxiliary or
a greeting stays what it is, whatever follows, so it is shown once the next word is heard and turns out to be no sign
and no number, no kind of street, nor a name behind an article, nor one letter behind another: the first text of an
utterance comes while its second or third word is spoken. That holds for words right behind what has settled, unless
that is a tag (a street may go on with "do"), and only while nobody knows better: not where something personal was asked
for, nor behind an utterance that left something open.

Why the next word: recognition makes a whole word of one that breaks off with the audio, "And" of "Andrea". Few words
are too long for that and do not wait, see ``closed_words.whole_words``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.redaction.itn.lexicon import lexicon_for
from models.redaction.itn.number_words import ORDINALS, compound, ordinal_compound
from models.redaction.itn.spelling_alphabets import LETTER_SOUNDS, PHONETIC
from models.redaction.itn.tokens import Token
from models.redaction.streaming.function_words import closed_words, whole_words
from models.redaction.types import Redaction

_MARKS = frozenset(",.?!…¿¡।")
_SENTENCE_ENDS = frozenset(".?!…।")
_STREET_KIND = re.compile(
    r"(?:street|avenue|ave|road|lane|boulevard|crescent|mews|parkway|highway|alley|drive|court|close|place|square|terrace"
    r"|[^\W\d_]{0,20}(?:stra(?:ß|ss)e|gasse|allee|weg|ufer|platz|ring|damm)|gali|marg|nagar|road|chowk|vihar"
    r"|गली|मार्ग|नगर|रोड|चौक|विहार)[a-z]?"
)
"""Behind a word, it makes it the name of a street: "most street eleven"."""
_ARTICLES = frozenset("the el la los las lo le der die das".split())
"""They may lead a name: "La Torre", "The Beeches"."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """The newest hypothesis.

    Attributes:
        tokens: All of it.
        agreed: So many of the tokens have the last two hypotheses in common.
        language: ISO 639-1 code.
    """

    tokens: Sequence[Token]
    agreed: int
    language: str


def at_once(spoken: Spoken, settled: int, redaction: Redaction) -> int:
    """How many tokens may be shown.

    Args:
        spoken: What was heard.
        settled: So many may be shown by the rules for every word.
        redaction: Of the newest hypothesis.
    """
    personal = [(e.start, e.end) for e in redaction.entities]
    return _reach(spoken, settled, [*personal, *((s.start, s.end) for s in redaction.suspects)])


def may_show_more(spoken: Spoken, shown: int) -> bool:
    """Whether ``at_once`` may get beyond what was shown; cheap, so that a redaction without use is spared."""
    return any(_reach(spoken, at, []) > at for at in range(shown, spoken.agreed))


def _reach(spoken: Spoken, settled: int, taken: Sequence[tuple[int, int]]) -> int:
    reach = settled
    for at in range(settled, spoken.agreed):
        if spoken.tokens[at].text in _MARKS:
            continue  # it is shown with the word behind it
        if not _is_harmless(spoken, at, taken):
            break
        reach = at + 1
    return reach


def _is_harmless(spoken: Spoken, at: int, taken: Sequence[tuple[int, int]]) -> bool:
    """Whether the word is of a closed class, and what follows makes nothing else of it."""
    tokens, word = spoken.tokens, spoken.tokens[at].text
    if word not in closed_words(spoken.language) or _may_be_name(tokens, at, taken):
        return False
    if at and _is_taken(tokens[at - 1], taken):
        return False
    behind = next((i for i in range(at + 1, len(tokens)) if tokens[i].text not in _MARKS), None)
    if behind is None:
        return word in whole_words(spoken.language)
    following = tokens[behind].text
    if _is_sign_or_number(following, spoken.language) or _STREET_KIND.fullmatch(following):
        return False
    if word in _ARTICLES and _may_be_name(tokens, behind, taken):
        return False
    return not (_is_letter(word, spoken.language) and _is_letter(following, spoken.language))


def _may_be_name(tokens: Sequence[Token], at: int, taken: Sequence[tuple[int, int]]) -> bool:
    """Whether something was found there, or may be, or a capital in the middle of a sentence makes it possible."""
    token = tokens[at]
    if _is_taken(token, taken):
        return True
    starts = at == 0 or tokens[at - 1].text in _SENTENCE_ENDS
    return not starts and token.shape[0].isupper() and token.text != "i" and not token.text.startswith("i'")


def _is_taken(token: Token, taken: Sequence[tuple[int, int]]) -> bool:
    return any(start < token.end and token.start < end for start, end in taken)


def _is_sign_or_number(word: str, language: str) -> bool:
    lexicon = lexicon_for(language)
    if not word[0].isalpha() or any(c.isdigit() for c in word):
        return True
    if any(word in table for table in (lexicon.signs, lexicon.repeats, lexicon.numbers, lexicon.scales)):
        return True
    ordinals = ORDINALS["en"].keys() | ORDINALS.get(language, {}).keys()
    return word in ordinals or compound(word, language) is not None or ordinal_compound(word) is not None


def _is_letter(word: str, language: str) -> bool:
    """Whether the word may be a letter that is spelled, in letters, by its name, or by what recognition makes of it."""
    lexicon = lexicon_for(language)
    if len(word) == 1 or word in LETTER_SOUNDS or word in PHONETIC or word in lexicon.phonetic:
        return True
    return word in lexicon.letters or word in lexicon.letter_words
