"""What people say around a value that adds nothing to it: "oh wait, it's ... sorry"."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from models.redaction.commands import any_of, folded
from models.redaction.commands import phrases as command_phrases
from server.flows.extraction import TAG
from server.flows.reading.words import CORRECTION, GREETING, PLAIN_NO, PLAIN_YES, STATES, phrases

FILLERS: Final = {
    "en": "oh|ah|oops|whoops|er|erm|hang on|hold on|my bad|its actually|it should be|should be|make that|make it|"
    "apologies|excuse me|morning|afternoon|evening|mate|sir|madam|everybody|everyone|all|folks|"
    "guys|to you|again|and|but|the|instead",
    "de": "tag|morgen|abend|oh|ach|ups|hoppla|tut mir leid|pardon|halt|warte|warten sie|es sollte sein|richtig ist|und|"
    "aber|doch|stattdessen",
    "es": "ay|uy|ah|lo siento|un segundo|debería ser|y|pero",
    "fr": "oh|ah|oups|attends|excusez moi|excuse moi|je suis désolé|je suis désolée|ça devrait être|et|mais",
    "pt": "ah|ai|opa|sinto muito|um segundo|deveria ser|e|mas",
    "hi": "अरे|ओह|और|लेकिन|रुकिए|रुको|क्षमा करें",
}
"""Words of surprise and of repair, and links."""


def words_besides(text: str, code: str) -> list[str]:
    """The words of a text without its tags, polite words, words that announce a correction, and "it's".

    Args:
        text: Redacted.
        code: ISO 639-1 code without a region.
    """
    bare = re.sub(r"[^\w\s'\u2019-]", lambda mark: mark[0] if _is_sign(mark[0]) else " ", TAG.sub(" ", text))
    rest = _fillers(code).sub(" ", folded(bare))
    return re.findall(r"[^\W_]+", rest)


def tells_only_tags(text: str, code: str, kinds: Collection[str]) -> bool:
    """Whether a text has nothing but tags of these kinds and words that add nothing."""
    found = [tag[1] for tag in TAG.finditer(text)]
    return bool(found) and all(kind in kinds for kind in found) and not words_besides(text, code)


def _is_sign(char: str) -> bool:
    """Vowel signs of Devanagari belong to their words."""
    return "\u0900" <= char <= "\u097f" and char != "।"


@lru_cache(maxsize=16)
def _fillers(code: str) -> re.Pattern[str]:
    lists = (FILLERS, CORRECTION, GREETING, PLAIN_NO, PLAIN_YES, STATES)
    return any_of([*(each for one in lists for each in phrases(one, code)), *command_phrases(code, "polite")])
