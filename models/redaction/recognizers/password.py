"""Passwords that are words, said or typed: "the wifi password is blue horse seven".

Up to four words behind the keyword and its verb are taken. Must NOT match: what is said about a password ("is wrong",
"ist abgelaufen", "is stored on the server", "must have eight characters"), requests ("forgot my password please help").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.redaction.recognizers.base import has_digit
from models.redaction.types import RedactionContext
from models.redaction.views import View
from models.text import Entity

_KEYWORD = (
    r"(?:pass ?words?|passwd|pass ?phrase|pwd|(?:wi-?fi|wlan|network|router) key"
    r"|(?:wlan-?|wifi-?)?(?:passwort|kennwort)|(?:wlan|wifi)-?schlüssel|losungswort"
    r"|contraseñas?|(?:mi|tu|su|nuestra) clave(?: secreta| personal)?"
    r"|clave (?:del?(?: la)? (?:wifi|wi-fi|red|acceso)|secreta|personal)|mot de passe|mdp|palavra-passe"
    r"|(?:minha|sua|a) senha|पासवर्ड|paasword)"
)
_OF = (
    r"(?: (?:for|to|of|on|del?|du|des|fürs?|vom|zum|para)(?: (?:the|my|our|this|el|le|la|das|dem|mein))?"
    r"(?: [\w-]{2,15}){1,2}?)?"
)
"""What it opens."""
_VERB = r"(?:(?:'s| is| was| are| es| era| est| était| ist| war| lautet| heißt| é| hai| है)(?= )|\s?[:=])"
_TOLD = re.compile(
    rf"(?<![^\W_]){_KEYWORD}(?![^\W_]){_OF}{_VERB}"
    r"(?: (?:now|just|actually|simply|jetzt|einfach|ahora|maintenant|ab|अब)(?= ))?"
    rf"|(?<![^\W_])(?:chang|set|updat|reset)\w{{0,4}} (?:my|the|your|our) (?:[\w-]{{2,10}} )?password to(?= )",
    re.IGNORECASE,
)
_BEFORE_VERB = re.compile(
    r"(?<![^\W_])(?:pass ?word|पासवर्ड)(?P<value>(?: [^\s,;!?।]{1,64}){1,4}?) (?:hai|है)(?![^\W_])", re.IGNORECASE
)
"""In Hindi the verb comes last."""
_DIRECTLY = re.compile(
    r"(?<![^\W_])(?:pass ?word|passwd|pwd|passwort|kennwort|contraseña|mot de passe|पासवर्ड)\s{1,2}"
    r"(?P<value>(?=[^\s\d]{0,40}\d)(?=[^\s]{0,40}[^\W\d_])[^\s,;!?\"']{5,64})",
    re.IGNORECASE,
)
"""A word with letters and digits needs no verb."""

_WORD = re.compile(r"\s{0,3}[\"'“„«(]?(?P<word>[^\s\"“”„«»,;!?।()]{1,128})(?P<stop>[\"”“»,;!?।)])?")
_MOST_WORDS = 4

_ENDS = frozenset(
    """and but so because please that for it it's its thanks thank which when where if or then i i'm we you he she
    they can could will would do does did y pero porque por gracias que cuando si o und aber weil danke bitte dass
    wenn oder ich et mais parce merci svp quand ou je aur lekin hai है और लेकिन कृपया hoon ok okay with without by
    from to on in at of as here there mit ohne auf im am mi""".split()
)
"""Words that no longer belong to it, or say where it is."""

_STATES = frozenset(
    """not no wrong incorrect invalid correct right broken too very so same empty blank lost gone unknown case strong
    weak secure safe unsafe stolen hacked known shown hidden visible fine good bad old new short long longer
    shorter what why how who always never already still also only really something anything nothing some any this
    these my your his her our their easy hard difficult simple complicated different unique private secret
    confidential important mandatory optional sensitive mine yours set sent kept written up down out off over
    under being been going about ready available due incorrecta incorrecto errónea inválida correcta muy demasiado
    misma mismo necesaria obligatoria vacía segura débil fuerte fácil difícil corta larga otra otro qué cuál mala
    pas faux erroné invalide trop requis obligatoire bon mauvais vide perdu même très faible fort quoi quel falsch
    nicht ungültig richtig weg zu sehr noch schon immer leider korrekt unbekannt erforderlich dasselbe gleich leer
    schwach geheim sicher unsicher zurück was wie kein keine galat nahi nahin kya sahi bhool bhul yaad kaise wahi
    karna karni kar karo ho gaya gayi raha rahi chahiye bhejna dena गलत ग़लत नहीं क्या सही भूल याद कैसे वही करना
    बदलना रीसेट hota hona reset change""".split()
)
"""What is said about a password instead of telling it."""

_ARTICLES = frozenset("the a an el la los las un una le les une der die das ein eine".split())
_OF_NO_PASSWORD = frozenset(
    """same one name problem issue first last default old new only wrong right correct following other way number
    word thing key question reason misma mismo nombre problema otra única même nom problème seul selbe gleiche
    einzige""".split()
)
_PARTICIPLE = re.compile(
    r"[^\W\d_]{2,20}(?:ed|ing|able)|[^\W\d_]{2,20}(?:ad|id)[oa]s?|[^\W\d_]{3,20}ée?s?"
    r"|(?:zurück|ab|an|auf|ein|hinter|hinzu)?ge[^\W\d_]{2,20}(?:t|en)|(?:ver|be|hinter)[^\W\d_]{3,20}(?:t|en)"
)
_LENGTHS = re.compile(
    r"(?<![^\W_])(?:characters?|letters?|digits?|symbols?|zeichen|caracteres|caractères|lettres)(?![^\W_])"
)


class PasswordRecognizer:
    """A keyword, its verb, and the words behind it."""

    name = "password"

    def find(self, view: View, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        for told in _TOLD.finditer(view.text):
            yield from self._behind(view, told.end())
        for pattern in (_BEFORE_VERB, _DIRECTLY):
            for match in pattern.finditer(view.text):
                yield from self._behind(view, match.start("value"), match.end("value"))

    def _behind(self, view: View, start: int, limit: int | None = None) -> Iterator[Entity]:
        words = list(_words_from(view.text, start, len(view.text) if limit is None else limit))
        said = [view.lower[low:high] for low, high in words]
        if not said or _is_about(said):
            return
        yield Entity("SECRET", words[0][0], words[-1][1], 0.85, self.name)


def _words_from(text: str, start: int, limit: int) -> Iterator[tuple[int, int]]:
    """Spans of up to four words, to the end of the clause."""
    for _ in range(_MOST_WORDS):
        match = _WORD.match(text, start, limit)
        if match is None:
            return
        low, high = match.span("word")
        ended = match["word"].endswith((".", ":", "…"))
        high -= len(match["word"]) - len(match["word"].rstrip(".:…"))
        if high <= low or text[low:high].lower() in _ENDS:
            return
        yield low, high
        if ended or match["stop"]:
            return
        start = match.end("word")


def _is_about(said: list[str]) -> bool:
    """Whether the words speak of a password instead of telling it."""
    if said[0] in _STATES or _LENGTHS.search(" ".join(said)):
        return True
    if said[0] in _ARTICLES and (len(said) == 1 or said[1] in _OF_NO_PASSWORD or said[1] in _STATES):
        return True
    if any(has_digit(word) for word in said):
        return False
    return _PARTICIPLE.fullmatch(said[0]) is not None or any(word in _STATES for word in said[1:2])


PASSWORD = PasswordRecognizer()
