"""The sentences of the fallback in its languages, and which of them asks for what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrases:
    """One language's sentences.

    Attributes:
        noted: Acknowledges something; ``{what}`` is one of the ``nouns``, or several.
        heard: Acknowledges when nothing particular was found.
        ask: What to ask for, by the name of what is missing.
        remind: Says that it is still missing, once it was asked for.
        all_there: Said when nothing is missing.
        nouns: Names of what can be found.
        conjunction: Joins the last two nouns.
    """

    noted: str
    heard: str
    ask: dict[str, str]
    remind: dict[str, str]
    all_there: str
    nouns: dict[str, str]
    conjunction: str

    def request(self, missing: Sequence[str], earlier_replies: Iterable[str]) -> str:
        """The sentence that ends a reply. A question is asked once; what was asked for and not given is only named.

        Args:
            missing: Names of what is missing, in the order of asking.
            earlier_replies: Replies so far.
        """
        if not missing:
            return self.all_there
        said = " ".join(earlier_replies)
        not_asked = [name for name in missing if self.ask[name] not in said]
        return self.ask[not_asked[0]] if not_asked else self.remind[missing[0]]


PHRASES: dict[str, Phrases] = {
    "en": Phrases(
        noted="Thank you, I have noted {what}.",
        heard="Thank you, I have noted that.",
        ask={
            "site_name": "Which site are you at?",
            "meter_reading": "What does the meter read?",
            "contact": "How can we reach you, by phone or e-mail?",
        },
        remind={
            "site_name": "I still need the site.",
            "meter_reading": "I still need the meter reading.",
            "contact": "I still need a phone number or an e-mail.",
        },
        all_there="You can now add a photograph, or check the record and approve it.",
        nouns={
            "site_name": "the site",
            "meter_reading": "the meter reading",
            "contact": "how to reach you",
            "visitor_count": "the visitors",
        },
        conjunction=" and ",
    ),
    "es": Phrases(
        noted="Gracias, he anotado {what}.",
        heard="Gracias, lo he anotado.",
        ask={
            "site_name": "¿En qué sitio se encuentra?",
            "meter_reading": "¿Qué marca el contador?",
            "contact": "¿Cómo podemos contactarle, por teléfono o por correo electrónico?",
        },
        remind={
            "site_name": "Todavía necesito el sitio.",
            "meter_reading": "Todavía necesito la lectura del contador.",
            "contact": "Todavía necesito un teléfono o un correo electrónico.",
        },
        all_there="Ya puede añadir una fotografía, o revisar el registro y aprobarlo.",
        nouns={
            "site_name": "el sitio",
            "meter_reading": "la lectura del contador",
            "contact": "cómo contactarle",
            "visitor_count": "los visitantes",
        },
        conjunction=" y ",
    ),
    "fr": Phrases(
        noted="Merci, j'ai noté {what}.",
        heard="Merci, c'est noté.",
        ask={
            "site_name": "Sur quel site êtes-vous ?",
            "meter_reading": "Qu'indique le compteur ?",
            "contact": "Comment pouvons-nous vous joindre, par téléphone ou par e-mail ?",
        },
        remind={
            "site_name": "J'ai encore besoin du site.",
            "meter_reading": "J'ai encore besoin du relevé du compteur.",
            "contact": "J'ai encore besoin d'un téléphone ou d'une adresse e-mail.",
        },
        all_there="Vous pouvez ajouter une photo, ou vérifier la fiche et l'approuver.",
        nouns={
            "site_name": "le site",
            "meter_reading": "le relevé du compteur",
            "contact": "comment vous joindre",
            "visitor_count": "les visiteurs",
        },
        conjunction=" et ",
    ),
    "de": Phrases(
        noted="Danke, notiert: {what}.",
        heard="Danke, das ist notiert.",
        ask={
            "site_name": "An welchem Standort sind Sie?",
            "meter_reading": "Was zeigt der Zähler an?",
            "contact": "Wie erreichen wir Sie, telefonisch oder per E-Mail?",
        },
        remind={
            "site_name": "Ich brauche noch den Standort.",
            "meter_reading": "Ich brauche noch den Zählerstand.",
            "contact": "Ich brauche noch eine Telefonnummer oder eine E-Mail-Adresse.",
        },
        all_there="Sie können jetzt ein Foto hinzufügen, oder den Eintrag prüfen und bestätigen.",
        nouns={
            "site_name": "der Standort",
            "meter_reading": "der Zählerstand",
            "contact": "wie wir Sie erreichen",
            "visitor_count": "die Besucher",
        },
        conjunction=" und ",
    ),
    "hi": Phrases(
        noted="धन्यवाद, दर्ज किया गया: {what}।",
        heard="धन्यवाद, मैंने दर्ज कर लिया।",
        ask={
            "site_name": "आप किस साइट पर हैं?",
            "meter_reading": "मीटर की रीडिंग क्या है?",
            "contact": "हम आपसे कैसे संपर्क करें, फ़ोन से या ई-मेल से?",
        },
        remind={
            "site_name": "मुझे अभी भी साइट चाहिए।",
            "meter_reading": "मुझे अभी भी मीटर रीडिंग चाहिए।",
            "contact": "मुझे अभी भी फ़ोन या ई-मेल चाहिए।",
        },
        all_there="अब आप फ़ोटो जोड़ सकते हैं, या रिकॉर्ड जाँचकर स्वीकृत कर सकते हैं।",
        nouns={
            "site_name": "साइट",
            "meter_reading": "मीटर रीडिंग",
            "contact": "संपर्क",
            "visitor_count": "आगंतुक",
        },
        conjunction=" और ",
    ),
    "pt": Phrases(
        noted="Obrigado, anotei {what}.",
        heard="Obrigado, está anotado.",
        ask={
            "site_name": "Em que local você está?",
            "meter_reading": "Quanto marca o medidor?",
            "contact": "Como podemos falar com você, por telefone ou por e-mail?",
        },
        remind={
            "site_name": "Ainda preciso do local.",
            "meter_reading": "Ainda preciso da leitura do medidor.",
            "contact": "Ainda preciso de um telefone ou de um e-mail.",
        },
        all_there="Agora você pode adicionar uma foto, ou conferir o registro e aprová-lo.",
        nouns={
            "site_name": "o local",
            "meter_reading": "a leitura do medidor",
            "contact": "como falar com você",
            "visitor_count": "os visitantes",
        },
        conjunction=" e ",
    ),
}


def phrases_for(language: str) -> Phrases:
    """The sentences of a language (ISO 639-1, a region is ignored); English for an unknown language."""
    return PHRASES.get(language.replace("_", "-").split("-")[0].lower(), PHRASES["en"])
