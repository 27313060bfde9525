"""Words with which people answer and correct, by language. All are compared as ``folded`` text.

Those with which they skip and go back are lexicons of the redactor, ``models.redaction.commands``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from models.redaction.commands import folded, says_only

_Lists = Mapping[str, str]

YES: Final[_Lists] = {
    "en": "yes|yeah|yep|yup|sure|of course|certainly|correct|right|exactly|indeed|absolutely|i do|i have|"
    "i can|we have|we do|there is|there was|there were|it is|it was|affirmative|ok|okay",
    "de": "ja|jawohl|jep|klar|natürlich|sicher|genau|richtig|stimmt|doch|habe ich|hab ich|gibt es|selbstverständlich",
    "es": "sí|si|claro|por supuesto|correcto|exacto|así es|desde luego|lo tengo|tengo|hubo|sí hay|hay",
    "fr": "oui|ouais|bien sûr|exact|exactement|tout à fait|en effet|certainement|d'accord|j'en ai",
    "pt": "sim|claro|com certeza|certo|correto|exato|exatamente|isso mesmo|tenho|houve",
    "hi": "हाँ|हां|जी हाँ|जी हां|जी|बिल्कुल|सही|ठीक",
}
NO: Final[_Lists] = {
    "en": "no|of course not|certainly not|absolutely not|no way|nope|nah|not|none|nobody|no one|never|"
    "negative|i do not|i dont|i have not|i havent|i cannot|i cant|isnt|wasnt|werent|there isnt|"
    "there wasnt|incorrect|wrong",
    "de": "nein|natürlich nicht|sicher nicht|nee|nö|nicht|kein|keine|keinen|keiner|niemand|niemanden|nie|"
    "noch nicht|falsch",
    "es": "no|claro que no|por supuesto que no|nadie|ninguno|ninguna|ningún|nunca|negativo|todavía no|"
    "tampoco|incorrecto",
    "fr": "non|bien sûr que non|pas|personne|aucun|aucune|jamais|pas encore|faux",
    "pt": "não|nao|ninguém|nenhum|nenhuma|nunca|ainda não|errado",
    "hi": "नहीं|नही|ना|कोई नहीं|कभी नहीं|गलत",
}
NOT: Final[_Lists] = {
    "en": "not|isnt|wasnt|arent|dont|doesnt|didnt|no|never|neither|nor|without|none of",
    "de": "nicht|kein|keine|keinen|keinem|keiner|keines|nie|weder|noch|ohne",
    "es": "no|ni|nunca|sin|tampoco|ningún|ninguna",
    "fr": "pas|ni|jamais|sans|aucun|aucune|non",
    "pt": "não|nao|nem|nunca|sem|nenhum|nenhuma",
    "hi": "नहीं|नही|ना|बिना",
}
CORRECTION: Final[_Lists] = {
    "en": "no|sorry|actually|i meant|i mean|correction|i misspoke|that was wrong|thats wrong|"
    "that is wrong|not correct|let me correct|i made a mistake|my mistake|wait|scratch that|rather|"
    "change it to|change that to",
    "de": "nein|nee|entschuldigung|verzeihung|sorry|ich meinte|ich meine|korrektur|ich korrigiere|"
    "das war falsch|das stimmt nicht|falsch|moment|ich habe mich versprochen|eigentlich|vielmehr|"
    "sondern|stopp",
    "es": "no|perdón|perdona|perdone|disculpe|quise decir|quería decir|quiero decir|corrección|corrijo|"
    "me equivoqué|en realidad|mejor dicho|sino|espera|espere",
    "fr": "non|pardon|désolé|désolée|je voulais dire|je veux dire|correction|je corrige|je me suis trompé|"
    "en fait|plutôt|attendez",
    "pt": "não|desculpe|desculpa|perdão|quis dizer|queria dizer|quero dizer|correção|corrijo|me enganei|"
    "na verdade|aliás|espera",
    "hi": "नहीं|माफ़ कीजिए|माफ कीजिए|मेरा मतलब|मेरा मतलब है|गलत|दरअसल|सुधार",
}
GREETING: Final[_Lists] = {
    "en": "hello|hi|hey|good morning|good afternoon|good evening|hello there|hi there|how are you|"
    "thank you|thanks|ok|okay|please|can you hear me|one moment|just a moment|wait|um|uh",
    "de": "hallo|guten tag|guten morgen|guten abend|servus|moin|danke|vielen dank|okay|bitte|einen moment|"
    "moment|äh|ähm",
    "es": "hola|buenos días|buenas tardes|buenas noches|buenas|gracias|vale|por favor|un momento",
    "fr": "bonjour|salut|bonsoir|merci|d'accord|s'il vous plaît|un instant|un moment",
    "pt": "olá|oi|bom dia|boa tarde|boa noite|obrigado|obrigada|por favor|um momento",
    "hi": "नमस्ते|नमस्कार|हैलो|धन्यवाद|शुक्रिया|ठीक है|एक मिनट",
}
PHOTOGRAPH: Final[_Lists] = {
    "en": "photo|photograph|picture|image|camera|the second|second one|the latter",
    "de": "foto|bild|aufnahme|kamera|das zweite|zweite",
    "es": "foto|fotografía|imagen|cámara|la segunda|el segundo",
    "fr": "photo|image|la deuxième|le second|la seconde",
    "pt": "foto|fotografia|imagem|a segunda|o segundo",
    "hi": "फ़ोटो|फोटो|तस्वीर|दूसरा|दूसरी",
}
SAID: Final[_Lists] = {
    "en": "i said|what i said|mine|my number|my value|the first|first one|the former|what i told you",
    "de": "ich gesagt habe|meine|mein wert|das erste|erste|was ich gesagt habe|gesagt",
    "es": "dije|lo que dije|la mía|el mío|la primera|el primero",
    "fr": "j'ai dit|ce que j'ai dit|la mienne|la première|le premier",
    "pt": "eu disse|o que eu disse|a minha|a primeira|o primeiro",
    "hi": "मैंने कहा|मेरा|पहला|पहली",
}


def phrases(lists: _Lists, language: str) -> tuple[str, ...]:
    """The phrases of a language, folded; those of English where it is unknown."""
    return tuple(folded(each) for each in lists.get(language, lists["en"]).split("|"))


def greets(text: str, language: str) -> bool:
    """Whether a text says hello, thanks or the like, and nothing else."""
    return says_only(frozenset(phrases(GREETING, language)), text, language)
