"""Words that stand for letters when a name is spelled: telephone alphabets, and what recognition makes of letters."""

from __future__ import annotations

import unicodedata


def _initials(words: str) -> dict[str, str]:
    """Word to its first letter."""
    return {word: word[0] for word in unicodedata.normalize("NFC", words).split()}


PHONETIC = _initials(
    """alpha alfa adam andrew able bravo bertie ben charlie delta david echo edward foxtrot freddie golf hotel harry
    india isaac juliet juliett kilo lima lucy mike november oscar oliver oboe papa peter quebec romeo robert roger
    sierra tango tommy uniform victor whiskey whisky william xray x-ray yankee yoke zulu zebra zed zee"""
)
"""Understood in every language; they count only in a run of such words, or after "as in" and "for"."""

PHONETIC_BY_LANGUAGE = {
    "de": _initials(
        """anton ärger berta cäsar caesar charlotte dora emil friedrich gustav heinrich ida julius kaufmann konrad
        ludwig martha nordpol otto ökonom paula quelle richard samuel siegfried schule theodor ulrich übermut viktor
        wilhelm xanthippe xaver ypsilon zacharias zürich zeppelin aachen berlin chemnitz düsseldorf essen frankfurt
        goslar hamburg ingelheim jena köln leipzig münchen nürnberg offenbach potsdam quickborn rostock salzwedel
        tübingen unna völklingen wuppertal xanten zwickau"""
    ),
    "es": _initials(
        """antonio barcelona burgos carmen cáceres dolores dinamarca enrique españa francia francisco gerona granada
        historia huelva inés italia josé jaén kilo lorenzo lugo madrid navarra navidad oviedo parís portugal queso
        ramón roma sábado sevilla toledo tarragona ulises uruguay valencia washington xilófono yegua yolanda zaragoza
        zamora"""
    ),
    "fr": _initials(
        """anatole berthe bernard célestin camille désiré daniel eugène émile françois gaston henri irma isidore joseph
        jean kléber louis léon marcel marie nicolas noémie oscar olga pierre paul quintal raoul robert suzanne simone
        thérèse ursule victor william xavier yvonne zoé"""
    ),
    "it": _initials(
        """ancona bologna bari como domodossola empoli firenze genova imola jolly livorno milano napoli otranto palermo
        padova quarto roma savona torino udine venezia washington york zara"""
    ),
}

LETTER_NAMES = {
    "de": {"ypsilon": "y", "zett": "z", "eszett": "s", "vau": "v", "jot": "j", "ix": "x", "ä": "a", "ö": "o", "ü": "u"},
    "fr": {"hache": "h", "igrec": "y", "zède": "z", "ixe": "x", "ji": "j", "gé": "g", "cé": "c", "bé": "b", "té": "t",
           "pé": "p", "dé": "d", "vé": "v", "emme": "m", "enne": "n", "erre": "r", "esse": "s", "effe": "f"},
    "es": {"uve": "v", "hache": "h", "jota": "j", "equis": "x", "zeta": "z", "eñe": "n", "efe": "f", "ele": "l",
           "eme": "m", "ene": "n", "erre": "r", "ere": "r", "ka": "k"},
}  # fmt: skip
"""Names of letters that are no other words."""

LETTER_WORDS = {
    "es": {"be": "b", "ce": "c", "de": "d", "ge": "g", "pe": "p", "te": "t", "ve": "v", "ese": "s", "cu": "q"},
    "fr": {"elle": "l", "haine": "n", "aime": "m", "aire": "r", "et": "e"},
    "de": {"be": "b", "ce": "c", "de": "d", "ge": "g", "pe": "p", "te": "t", "ha": "h", "ka": "k", "er": "r", "es": "s",
           "ef": "f", "el": "l", "em": "m", "en": "n", "we": "w", "kuh": "q"},
}  # fmt: skip
"""Names of letters that are common words too."""

LETTER_SOUNDS = {
    "are": "r", "why": "y", "you": "u", "eye": "i", "see": "c", "sea": "c", "be": "b", "bee": "b", "tea": "t",
    "tee": "t", "pea": "p", "pee": "p", "gee": "g", "jay": "j", "kay": "k", "cue": "q", "queue": "q", "el": "l",
    "ell": "l", "em": "m", "en": "n", "ex": "x", "ess": "s", "es": "s", "ef": "f", "eff": "f", "aitch": "h",
    "ache": "h", "age": "h", "hey": "a", "ay": "a", "oh": "o", "owe": "o", "dee": "d", "vee": "v", "we": "v",
    "zee": "z", "zed": "z", "he": "e", "ar": "r", "double": "", "and": "n", "end": "n", "is": "s", "as": "s",
    "hedge": "h", "yes": "s", "tv": "tv", "te": "t", "ce": "c", "de": "d", "ge": "g", "pe": "p", "ve": "v",
    "ha": "h", "ka": "k", "ah": "a", "i'm": "m", "in": "n", "on": "n", "at": "a", "if": "f", "ok": "k", "okay": "k",
}  # fmt: skip
"""What recognition writes for a letter. They count only behind letters that are sure, and before more of them."""
