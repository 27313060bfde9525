"""Early release: words of a running utterance that are shown before two more words follow.

Two words are held back from a partial, because "john" is a word until "dot carter" follows. A pronoun, an auxiliary or
a greeting means the same whatever follows. So it is shown once the next word is there, unless that word is a sign, a
number, a street type, a name after an article, or a letter after a letter. The first text of an utterance is then shown
while its second or third word is still a hypothesis.

Only words right after the stable ones are released, and only if the last stable word is no tag (a street may continue
with "do"), nothing personal was asked for, and the utterance before has no open tail.

The next word must be there because a word that is cut off by the end of the audio may look complete: "And" of "Andrea".
A few words cannot be the start of a name and need not wait, see ``function_words.complete_words``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.redaction.itn.lexicon import lexicon_for
from models.redaction.itn.number_words import ORDINALS, compound, ordinal_compound
from models.redaction.itn.spelling_alphabets import LETTER_SOUNDS, PHONETIC
from models.redaction.itn.tokens import Token
from models.redaction.lexicons.loader import across, alternatives
from models.redaction.streaming.function_words import complete_words, function_words
from models.redaction.types import Redaction

_MARKS = frozenset(",.?!…¿¡।")
_SENTENCE_ENDS = frozenset(".?!…।")
_STREET_ENDING = "|".join(alternatives("streets", name) for name in ("name_kind_number", "capital_ending_number"))
_STREET_KIND = re.compile(
    rf"(?:{alternatives('streets', 'number_name_kind')}|[^\W\d_]{{0,20}}(?:{_STREET_ENDING}))[a-z]?"
)
"""After one of these, the word before is the name of a street: "most street eleven"."""
_ARTICLES = frozenset(across("function_words", "articles"))
"""They may lead a name: "La Torre", "The Beeches"."""


@dataclass(frozen=True, slots=True)
class AgreedHypothesis:
    """The newest hypothesis, and how much of it is confirmed.

    Attributes:
        tokens: All of it.
        agreed: Tokens from the start that the last two hypotheses have in common.
        language: ISO 639-1 code.
    """

    tokens: Sequence[Token]
    agreed: int
    language: str


def release_early(hypothesis: AgreedHypothesis, stable: int, redaction: Redaction) -> int:
    """How many tokens may be shown.

    Args:
        hypothesis: The newest one.
        stable: Tokens that the general rules allow to be shown.
        redaction: Of the newest hypothesis.
    """
    personal = [(e.start, e.end) for e in redaction.entities]
    return _released(hypothesis, stable, [*personal, *((s.start, s.end) for s in redaction.suspects)])


def may_release_more(hypothesis: AgreedHypothesis, shown: int) -> bool:
    """Whether ``release_early`` may release more than was shown. It is fast, and saves a redaction that shows nothing
    new.
    """
    return any(_released(hypothesis, at, []) > at for at in range(shown, hypothesis.agreed))


def _released(hypothesis: AgreedHypothesis, stable: int, taken: Sequence[tuple[int, int]]) -> int:
    released = stable
    for at in range(stable, hypothesis.agreed):
        if hypothesis.tokens[at].text in _MARKS:
            continue  # it is released together with the word after it
        if not _is_harmless(hypothesis, at, taken):
            break
        released = at + 1
    return released


def _is_harmless(hypothesis: AgreedHypothesis, at: int, taken: Sequence[tuple[int, int]]) -> bool:
    """Whether the word is a function word, and the next word does not make it part of anything personal."""
    tokens, word = hypothesis.tokens, hypothesis.tokens[at].text
    if word not in function_words(hypothesis.language) or _may_be_name(tokens, at, taken):
        return False
    if at and _is_taken(tokens[at - 1], taken):
        return False
    next_word = next((i for i in range(at + 1, len(tokens)) if tokens[i].text not in _MARKS), None)
    if next_word is None:
        return word in complete_words(hypothesis.language)
    following = tokens[next_word].text
    if _is_sign_or_number(following, hypothesis.language) or _STREET_KIND.fullmatch(following):
        return False
    if word in _ARTICLES and _may_be_name(tokens, next_word, taken):
        return False
    return not (_is_letter(word, hypothesis.language) and _is_letter(following, hypothesis.language))


def _may_be_name(tokens: Sequence[Token], at: int, taken: Sequence[tuple[int, int]]) -> bool:
    """Whether a name was found or suspected there, or a capital in the middle of a sentence makes one possible."""
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
    """Whether the word may be a spelled letter: the letter itself, its name, or a homophone."""
    lexicon = lexicon_for(language)
    if len(word) == 1 or word in LETTER_SOUNDS or word in PHONETIC or word in lexicon.phonetic:
        return True
    return word in lexicon.letters or word in lexicon.letter_words
