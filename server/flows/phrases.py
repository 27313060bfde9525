"""Sentences that guide through any flow, in the languages of the fallback. Their nouns come from the flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from server.flows.texts import base_language


@dataclass(frozen=True, slots=True)
class GuidePhrases:
    """One language's sentences.

    Attributes:
        noted: Acknowledges something; ``{what}`` is a label, or several.
        heard: Acknowledges where there is no flow.
        fine: Goes on when the turn answered nothing: it skipped, went back, or was not understood.
        still: Says that something is still missing; ``{what}`` is its label.
        example: ``{example}`` is an answer that would do.
        disagree: Asks which of two values is right: ``{said}`` and ``{shown}``.
        finished: Said when nothing is missing.
        conjunction: Joins the last two labels.
        given: Stands for a personal value that was given.
        yes: Yes, and no.
        hidden: Says that nothing is left of the answer after redaction, and asks for other words.
        partly_hidden: Says that a part of what was noted is hidden.
        so_far: How many of the photographs that are needed have come: ``{count}`` and ``{least}``.
    """

    noted: str
    heard: str
    fine: str
    still: str
    example: str
    disagree: str
    finished: str
    conjunction: str
    given: str
    yes: str
    no: str
    hidden: str
    partly_hidden: str
    so_far: str

    def listed(self, labels: list[str]) -> str:
        """Labels in a sentence."""
        return self.conjunction.join([", ".join(labels[:-1]), labels[-1]] if len(labels) > 1 else labels)


GUIDE_PHRASES: Final = {
    "en": GuidePhrases(
        noted="Thank you, noted: {what}.",
        heard="Thank you, I have noted that.",
        fine="All right.",
        still="I still need this: {what}.",
        example="For example: {example}",
        disagree="You said {said}, the photograph shows {shown}. Which is right?",
        finished="That is everything. Please check the record.",
        conjunction=" and ",
        given="given",
        yes="yes",
        no="no",
        hidden="Your answer was hidden as personal data, so I cannot use it. Please say it in other words.",
        partly_hidden="A part of it was hidden as personal data.",
        so_far="{count} of {least}",
    ),
    "de": GuidePhrases(
        noted="Danke, notiert: {what}.",
        heard="Danke, das ist notiert.",
        fine="In Ordnung.",
        still="Mir fehlt noch: {what}.",
        example="Zum Beispiel: {example}",
        disagree="Sie sagten {said}, das Foto zeigt {shown}. Was stimmt?",
        finished="Das ist alles. Bitte prüfen Sie den Eintrag.",
        conjunction=" und ",
        given="angegeben",
        yes="ja",
        no="nein",
        hidden="Ihre Antwort wurde als persönliche Angabe geschwärzt, ich kann sie nicht verwenden. "
        "Bitte sagen Sie es mit anderen Worten.",
        partly_hidden="Ein Teil davon wurde als persönliche Angabe geschwärzt.",
        so_far="{count} von {least}",
    ),
    "es": GuidePhrases(
        noted="Gracias, anotado: {what}.",
        heard="Gracias, lo he anotado.",
        fine="De acuerdo.",
        still="Todavía me falta: {what}.",
        example="Por ejemplo: {example}",
        disagree="Usted dijo {said}, la fotografía muestra {shown}. ¿Cuál es correcto?",
        finished="Eso es todo. Por favor, revise el registro.",
        conjunction=" y ",
        given="indicado",
        yes="sí",
        no="no",
        hidden="Su respuesta se ocultó como dato personal, así que no puedo usarla. "
        "Por favor, dígalo con otras palabras.",
        partly_hidden="Una parte se ocultó como dato personal.",
        so_far="{count} de {least}",
    ),
    "fr": GuidePhrases(
        noted="Merci, c'est noté : {what}.",
        heard="Merci, c'est noté.",
        fine="D'accord.",
        still="Il me manque encore : {what}.",
        example="Par exemple : {example}",
        disagree="Vous avez dit {said}, la photo montre {shown}. Lequel est exact ?",
        finished="C'est tout. Veuillez vérifier le dossier.",
        conjunction=" et ",
        given="donné",
        yes="oui",
        no="non",
        hidden="Votre réponse a été masquée comme donnée personnelle, je ne peux pas l'utiliser. "
        "Veuillez le dire autrement.",
        partly_hidden="Une partie a été masquée comme donnée personnelle.",
        so_far="{count} sur {least}",
    ),
    "hi": GuidePhrases(
        noted="धन्यवाद, दर्ज किया गया: {what}।",
        heard="धन्यवाद, मैंने दर्ज कर लिया।",
        fine="ठीक है।",
        still="मुझे अभी भी यह चाहिए: {what}।",
        example="उदाहरण: {example}",
        disagree="आपने {said} कहा, फ़ोटो में {shown} है। कौन सा सही है?",
        finished="बस इतना ही। कृपया रिकॉर्ड जाँच लें।",
        conjunction=" और ",
        given="दिया गया",
        yes="हाँ",
        no="नहीं",
        hidden="आपका उत्तर निजी जानकारी मानकर छिपा दिया गया, इसलिए मैं उसका उपयोग नहीं कर सकता। कृपया दूसरे शब्दों में कहें।",
        partly_hidden="इसका एक हिस्सा निजी जानकारी मानकर छिपा दिया गया।",
        so_far="{least} में से {count}",
    ),
    "pt": GuidePhrases(
        noted="Obrigado, anotado: {what}.",
        heard="Obrigado, está anotado.",
        fine="Tudo bem.",
        still="Ainda preciso disto: {what}.",
        example="Por exemplo: {example}",
        disagree="Você disse {said}, a fotografia mostra {shown}. Qual está certo?",
        finished="É tudo. Por favor, confira o registro.",
        conjunction=" e ",
        given="informado",
        yes="sim",
        no="não",
        hidden="Sua resposta foi ocultada como dado pessoal e não posso usá-la. Por favor, diga com outras palavras.",
        partly_hidden="Uma parte foi ocultada como dado pessoal.",
        so_far="{count} de {least}",
    ),
}


def has_phrases(language: str) -> bool:
    """Whether there are sentences of a language."""
    return base_language(language) in GUIDE_PHRASES


def guide_phrases(language: str) -> GuidePhrases:
    """The sentences of a language; English for an unknown one."""
    return GUIDE_PHRASES.get(base_language(language), GUIDE_PHRASES["en"])
