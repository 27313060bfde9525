"""Particles after a title, which begin a surname: "frau von der leyen", "Monsieur de la Fontaine", "mr van dyke".

Must NOT match: descriptions ("die frau von der kasse", "la señora de la limpieza"), which have an article before the
title and, where nouns have small letters, no capital after the particle; offices ("madame la directrice").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.redaction.normalize.view import TextView
from models.redaction.recognizers.person.introduced_name import NOT_NAMES
from models.redaction.types import RedactionContext
from models.text import Entity

_DUTCH = r"(?:van|von)(?:\s(?:der|den|dem|de|het|t))?"
_ROMANCE = r"de(?:l|lla|gli|i)?(?:\s(?:la|los|las|le))?|di|da|dal|dos|das|du|des"
_ARABIC = r"al|el|bin|ibn|ben"
_SURNAME = r"(?P<name>[^\W\d_][\w'\u2019-]{2,30})"

_PARTICLED = re.compile(
    r"(?<![\w-])(?:"
    rf"(?:mr|mrs|ms|dr|prof|professor)(?:\s?\.)?\s(?P<english>{_DUTCH}|{_ROMANCE}|{_ARABIC}|la|le|st|ter|ten)"
    rf"|(?:herrn?|frau|familie)\s(?:(?:dr|prof)(?:\s?\.)?\s){{0,2}}(?P<german>{_DUTCH}|{_ROMANCE}|{_ARABIC}|zu)"
    rf"|(?:monsieur|madame|mademoiselle|mme|mlle|maître)(?:\s?\.)?\s(?P<french>{_ROMANCE}|{_ARABIC}|le|la|van|von)"
    rf"|(?:señor(?:a|ita)?|don|doña|sra?|srta|dña)(?:\s?\.)?\s(?P<spanish>{_ROMANCE}|van|von)"
    rf"|(?:signor[aei]?|senhora?|dona)\s(?P<others>{_ROMANCE}|do|lo|la|li)"
    rf")\s{_SURNAME}",
    re.IGNORECASE,
)
"""A title, particles as its language has them, and one word."""
_LANGUAGES = ("english", "german", "french", "spanish", "others")

_DETERMINER = re.compile(
    r"(?<![^\W_])(?:d(?:er|ie|as|en|em|es)|(?:k?ein|mein|dein|sein|ihr|unser|euer|dies|jen|jed)(?:e[rsnm]?)?|the|that|this"
    r"|l[ae]s?|une?|ce(?:tte)?|cet|m(?:on|a)|s(?:on|a)|el|una?|los|esa|ese|esta|este|mi|su|o|os|um|uma|il|una)\s{1,2}$",
    re.IGNORECASE,
)
"""An article or a pronoun right before a title."""
_DETERMINER_REACH = 10
_WORDS_TOO = ("don ", "maître ")
"""Titles that are other words before "de": "faire don de sang", "maître de cérémonie"."""

_OFFICES = frozenset(
    """président présidente directeur directrice maire ministre juge professeur professeure commissaire procureur
    procureure docteur docteure curé député députée sénateur sénatrice consul ambassadeur ambassadrice proviseur doyen
    doyenne préfet préfète greffier greffière rapporteur chef cheffe responsable gardien gardienne concierge
    propriétaire comte comtesse marquis marquise baron baronne conseiller conseillère secrétaire principal
    principale""".split()
)
"""Nouns after "monsieur le" and "madame la" that are no names."""


_PLAIN = frozenset(
    """spät früh viel wenig hause fuß zweit dritt ende besuch recht schnell langsam groß klein hoch tief laut leise
    teuer alt jung lang kurz gut schlecht müde krank nah weit mir dir uns ihm ihr ihnen beginn anfang zeit mittag abend
    morgen heute gestern hier dort oben unten drüben nebenan außerhalb tür kasse post arbeit reinigung technik
    verwaltung
    bonne bon bons bonnes belle mauvaise mauvais grande grand petit petite humeur ménage service garde retour passage
    compagnie confiance nuit jour nouveau nouvelle plus moins tout tous toute bonheur famille accueil entretien santé
    ville quartier étage maison bureau courrier ici là près loin même cette ces son ses notre votre leur chambre
    buena bueno malo mala aquí allí al lado turno guardia limpieza mantenimiento servicio noche día siempre nuevo nueva
    verdad visita mal acuerdo repente casa oficina bem boa bom novo nova limpeza serviço sempre noite buono buona nuovo
    nuova sempre pulizie servizio notte
    good great late early night course here there""".split()
)
"""Common words: in small letters they are no surname after a particle."""
_INFINITIVE = re.compile(r"[^\W\d_]{3,20}(?<!haus)(?<!ing)(?<!ung)(?<!stett)(?<!hof)(?<!leb)(?<!kirch)(?<!stein)en")
"""Infinitives after "zu". Names of towns end in -hausen, -ingen, -hofen."""


class ParticledNameRecognizer:
    """Titles with particles after them."""

    name = "particled-name"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        for match in _PARTICLED.finditer(view.text):
            word = match["name"].lower()
            if word in NOT_NAMES or word in _OFFICES or _is_plain(match) or _is_described(view, match):
                continue
            start = max(match.start(language) for language in _LANGUAGES)  # the others did not match: -1
            yield Entity("NAME", start, match.end(), 0.7, self.name)


def _is_plain(match: re.Match[str]) -> bool:
    """Whether the word after the particle is a common word: "herr zu spät", "monsieur de ménage"."""
    word, french = match["name"], match["french"]
    if word[0].isupper() or (french is not None and french.lower() in ("le", "la")):
        return False  # "madame le grand" is a name
    to_do = match["german"] is not None and match["german"].lower() == "zu" and _INFINITIVE.fullmatch(word) is not None
    return to_do or word in _PLAIN


def _is_described(view: TextView, match: re.Match[str]) -> bool:
    """Whether a person is described by a job or a place: "die Frau von der Post"."""
    if not match["name"][0].isupper() and match.group().lower().startswith(_WORDS_TOO):
        return True
    if not _DETERMINER.search(view.text, max(0, match.start() - _DETERMINER_REACH), match.start()):
        return False
    return match["german"] is not None or not match["name"][0].isupper()


PARTICLED_NAME = ParticledNameRecognizer()
