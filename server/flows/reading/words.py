"""Words with which people answer and correct, by language. All are compared as ``folded`` text.

Those with which they skip and go back are lexicons of the redactor, ``models.redaction.commands``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from models.redaction.commands import any_of, folded, says_only

_Lists = Mapping[str, str]

PLAIN_YES: Final[_Lists] = {
    "en": "yes|yeah|yep|yup|affirmative",
    "de": "ja|jawohl|jep",
    "es": "sí|si",
    "fr": "oui|ouais",
    "pt": "sim",
    "hi": "हाँ|हां",
}
WEAK_YES: Final[_Lists] = {
    "en": "sure|of course|certainly|correct|right|exactly|indeed|absolutely|i do|i have|i can|we have|we do|ok|okay",
    "de": "klar|natürlich|sicher|genau|richtig|stimmt|doch|habe ich|hab ich|selbstverständlich",
    "es": "claro|por supuesto|correcto|exacto|así es|desde luego|lo tengo|tengo",
    "fr": "bien sûr|exact|exactement|tout à fait|en effet|certainement|d'accord|j'en ai",
    "pt": "claro|com certeza|certo|correto|exato|exatamente|isso mesmo|tenho",
    "hi": "जी|बिल्कुल|सही|ठीक",
}
"""A yes where the text denies nothing: "of course nobody" is a no."""

ECHO: Final[_Lists] = {
    "en": "there is|there are|there was|there were|it is|it was",
    "de": "gibt es|gab es",
    "es": "hay|hubo",
    "fr": "il y en a|il y en avait",
    "pt": "há|houve",
    "hi": "है",
}
"""The verb of a question, which is a yes only where nothing else is said."""

STATES: Final[_Lists] = {
    "en": "it is|its|it was|that is|thats|is|are|exactly",
    "de": "es sind|es ist|das sind|das ist|es waren|sind|ist|genau",
    "es": "son|es|está|están|eran|exactamente",
    "fr": "c'est|ce sont|il y a|est|exactement",
    "pt": "são|é|eram|exatamente",
    "hi": "यह|ये|है|हैं|ठीक",
}
"""Words that state an amount and nothing about it."""

PLAIN_NO: Final[_Lists] = {
    "en": "no|nope|nah",
    "de": "nein|nee|nö",
    "es": "no",
    "fr": "non",
    "pt": "não|nao",
    "hi": "नहीं|नही",
}
NO: Final[_Lists] = {
    "en": "no|of course not|certainly not|absolutely not|no way|nope|nah|not|none|nobody|no one|nothing|never|"
    "negative|i do not|i dont|i have not|i havent|i cannot|i cant|isnt|arent|wasnt|werent|there isnt|"
    "there wasnt|incorrect|wrong",
    "de": "nein|natürlich nicht|sicher nicht|nee|nö|nicht|nichts|kein|keine|keinen|keinem|keiner|keines|keins|"
    "niemand|niemanden|niemandem|nie|noch nicht|falsch",
    "es": "no|claro que no|por supuesto que no|nada|nadie|ninguno|ninguna|ningún|nunca|negativo|todavía no|"
    "tampoco|incorrecto",
    "fr": "non|bien sûr que non|pas|rien|personne|aucun|aucune|jamais|pas encore|faux",
    "pt": "não|nao|nada|ninguém|nenhum|nenhuma|nunca|ainda não|errado",
    "hi": "नहीं|नही|ना|कोई नहीं|कुछ नहीं|कभी नहीं|गलत",
}
AFTER_ALL: Final[_Lists] = {"en": "", "de": "doch", "es": "", "fr": "si", "pt": "", "hi": ""}
"""A yes that takes back the no before it."""

COURTESY: Final[_Lists] = {
    "en": "no problem|not a problem|no worries|i dont mind|i do not mind|never mind|why not|no doubt",
    "de": "kein problem|keine ursache|keine sorge|macht nichts|warum nicht|kein zweifel",
    "es": "no hay problema|ningún problema|sin problema|no pasa nada|de nada|por qué no",
    "fr": "pas de problème|aucun problème|pas de souci|de rien|pourquoi pas",
    "pt": "sem problema|não tem problema|não há problema|de nada|por que não",
    "hi": "कोई बात नहीं|कोई समस्या नहीं",
}
"""Clauses that deny nothing."""

UNSURE: Final[_Lists] = {
    "en": "sure|certain|say|tell|know|remember|idea|clue|judge|excluded|rule|necessarily",
    "de": "sicher|sagen|weiß|wissen|beurteilen|einschätzen|erkennen|ahnung|ausgeschlossen|ausschließen|auszuschließen|"
    "unbedingt",
    "es": "seguro|segura|sé|sabría|saber|decir|decirle|decirlo|acuerdo|idea|descartar|descarto|necesariamente",
    "fr": "sûr|sûre|sais|saurais|savoir|dire|souviens|idée|exclu|exclure|forcément",
    "pt": "certeza|sei|saberia|saber|dizer|lembro|ideia|descartar|descarto|necessariamente",
    "hi": "पता|पक्का|याद|यकीन",
}
"""What people say that they cannot do, or are not, where they know no answer: "I can't say", "nicht sicher"."""

UNCLEAR: Final[_Lists] = {
    "en": "yes and no|not sure|nothing wrong|nothing is wrong|nothing was wrong|not wrong|not incorrect",
    "de": "jein|ja und nein|nicht sicher|nichts falsch|nicht falsch",
    "es": "sí y no|no estoy seguro|no estoy segura|nada incorrecto",
    "fr": "oui et non|pas sûr|pas sûre|une personne|la personne|cette personne",
    "pt": "sim e não|não tenho certeza|não estou certo|nada errado",
    "hi": "पक्का नहीं",
}
"""Words that are neither yes nor no, though they hold one."""

NOT: Final[_Lists] = {
    "en": "not|isnt|wasnt|arent|werent|dont|doesnt|didnt|hasnt|havent|hadnt|cant|cannot|couldnt|wont|wouldnt|no|never|"
    "neither|nor|without|none of|nothing|nobody|rather than|instead of",
    "de": "nicht|kein|keine|keinen|keinem|keiner|keines|nie|weder|weder noch|ohne|nichts|niemand|statt|anstatt",
    "es": "no|ni|nunca|sin|tampoco|ningún|ninguna|nada|nadie|en vez de|en lugar de",
    "fr": "pas|ni|jamais|sans|aucun|aucune|non",
    "pt": "não|nao|nem|nunca|sem|nenhum|nenhuma",
    "hi": "नहीं|नही|ना|बिना",
}
NOTHING_MORE: Final[_Lists] = {
    "en": "thats all|that is all|thats it|that was all|nothing else|nothing more|nothing to add|not that i know|"
    "not that i know of|not that im aware of|not as far as i know|i dont think so|i do not think so|dont think so|"
    "not really",
    "de": "das wars|das war es|das war alles|das ist alles|nichts weiter|nichts mehr|sonst nichts|weiter nichts|"
    "nicht dass ich wüsste|nicht das ich wüsste|soweit ich weiß nicht|ich glaube nicht|ich denke nicht|"
    "eigentlich nicht|nicht wirklich",
    "es": "eso es todo|es todo|nada más|más nada|que yo sepa|que yo sepa no|no que yo sepa|creo que no|no creo",
    "fr": "c'est tout|rien d'autre|rien de plus|rien à ajouter|pas que je sache|je ne crois pas|je crois pas|"
    "je ne pense pas|je pense pas|pas vraiment",
    "pt": "é só isso|só isso|é tudo|mais nada|nada mais|que eu saiba|que eu saiba não|não que eu saiba|acho que não|"
    "creio que não",
    "hi": "बस|बस इतना ही|और कुछ नहीं|कुछ और नहीं|जहाँ तक मुझे पता है नहीं|मुझे नहीं लगता|मेरी जानकारी में नहीं",
}
"""What people say where there is nothing to tell, beside a plain no."""

FINE: Final[_Lists] = {
    "en": "all fine|all good|everything is fine|everythings fine|its fine|its all fine|its all good",
    "de": "alles gut|alles in ordnung|alles okay|alles bestens|passt|passt so",
    "es": "todo bien|está bien|está todo bien|todo en orden",
    "fr": "tout va bien|ça va|tout est en ordre",
    "pt": "tudo bem|está tudo bem|tá tudo bem|tudo certo",
    "hi": "सब ठीक है|सब ठीक|सब कुछ ठीक है",
}
"""What goes with a no and adds nothing to it. Alone it may be an answer."""

PUZZLED: Final[_Lists] = {
    "en": "i dont understand|i do not understand|i didnt understand|i dont get it|the question|your question|"
    "what do you mean|what does that mean|what is that|why do you ask|why do you want to know|"
    "can you repeat that|could you repeat that|say that again|come again|sorry what|pardon",
    "de": "ich verstehe nicht|verstehe ich nicht|das verstehe ich nicht|ich habe nicht verstanden|nicht verstanden|"
    "die frage|wie meinen sie das|was meinen sie|was heißt das|warum fragen sie|wieso fragen sie|wozu|wie bitte|"
    "können sie das wiederholen|noch einmal|nochmal",
    "es": "no entiendo|no he entendido|no entendí|la pregunta|qué quiere decir|qué significa|por qué lo pregunta|"
    "por qué pregunta|puede repetirlo|puede repetir|otra vez|cómo dice",
    "fr": "je ne comprends pas|je comprends pas|je n'ai pas compris|j'ai pas compris|la question|que voulez vous dire|"
    "qu'est ce que ça veut dire|pourquoi demandez vous ça|pourquoi cette question|pouvez vous répéter|comment",
    "pt": "não entendi|não entendo|a pergunta|o que quer dizer|o que significa|por que pergunta|por que quer saber|"
    "pode repetir|de novo|como assim",
    "hi": "समझ नहीं आया|मुझे समझ नहीं आया|मैं नहीं समझा|मैं नहीं समझी|सवाल|क्या मतलब|आप क्यों पूछ रहे हैं|"
    "क्यों पूछ रहे हैं|"
    "फिर से बोलिए|दोबारा बोलिए|क्या आप दोहरा सकते हैं",
}
"""A question back, also where speech recognition writes no question mark."""

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
NOW: Final[_Lists] = {
    "en": "now|currently|at the moment",
    "de": "jetzt|nun|aktuell|derzeit|inzwischen|mittlerweile",
    "es": "ahora|actualmente",
    "fr": "maintenant|actuellement",
    "pt": "agora|atualmente",
    "hi": "अब|अभी",
}
GREETING: Final[_Lists] = {
    "en": "hello|hi|hey|hiya|heya|howdy|good day|hello again|good morning|good afternoon|good evening|hello there|"
    "hi there|hey there|how are you|"
    "thank you|thanks|ok|okay|please|can you hear me|one moment|just a moment|wait|um|uh",
    "de": "hallo|hi|hey|grüß gott|schönen guten tag|hallo zusammen|guten tag|guten morgen|guten abend|servus|moin|"
    "danke|vielen dank|okay|bitte|einen moment|"
    "moment|äh|ähm",
    "es": "hola|hola buenas|muy buenas|qué tal|oiga|buenos días|buenas tardes|buenas noches|buenas|gracias|vale|"
    "por favor|un momento",
    "fr": "bonjour|rebonjour|coucou|allô|salut|bonsoir|merci|d'accord|s'il vous plaît|un instant|un moment",
    "pt": "olá|oi|alô|tudo bem|bom dia|boa tarde|boa noite|obrigado|obrigada|por favor|um momento",
    "hi": "नमस्ते|नमस्कार|हैलो|हेलो|प्रणाम|सुनिए|धन्यवाद|शुक्रिया|ठीक है|एक मिनट",
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


@lru_cache
def plain_yes() -> frozenset[str]:
    """The plain words for yes in every language, folded."""
    return frozenset(word for language in PLAIN_YES for word in phrases(PLAIN_YES, language))


@lru_cache
def plain_no() -> frozenset[str]:
    """The plain words for no in every language, folded."""
    return frozenset(word for language in PLAIN_NO for word in phrases(PLAIN_NO, language))


def denies_all(text: str, language: str) -> bool:
    """Whether a text is a no, or says that there is nothing to tell, and nothing else."""
    fine = phrases(FINE, language)
    nothing = (*phrases(NO, language), *phrases(NOT, language), *phrases(NOTHING_MORE, language))
    return says_only(frozenset((*nothing, *fine)), text, language) and not says_only(frozenset(fine), text, language)


def agrees_only(text: str, language: str) -> bool:
    """Whether a text is a yes and nothing else."""
    return says_only(frozenset(phrases(PLAIN_YES, language)), text, language)


def is_puzzled(text: str, language: str) -> bool:
    """Whether a text asks back what is meant or why, and nothing else."""
    return says_only(frozenset(phrases(PUZZLED, language)), text, language)


def greets(text: str, language: str) -> bool:
    """Whether a text says hello, thanks or the like, and nothing else."""
    return says_only(frozenset(phrases(GREETING, language)), text, language)


@lru_cache(maxsize=16)
def correction_markers(code: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What announces a correction: single words, and phrases of several."""
    known = phrases(CORRECTION, code)
    return any_of(each for each in known if " " not in each), any_of(each for each in known if " " in each)


@lru_cache(maxsize=16)
def folded_no(code: str) -> frozenset[str]:
    """Markers of a correction that also answer a question with no."""
    return frozenset({phrases(CORRECTION, code)[0], "no", "nein", "nee", "non", "nao", "नहीं"})


@lru_cache(maxsize=16)
def denials(code: str) -> frozenset[str]:
    """Words that deny something."""
    return frozenset({*phrases(NO, code), *phrases(NOT, code)})


def after_marker(text: str, code: str) -> str:
    """What follows the words that announce a correction, as it stands in a text."""
    words = "|".join(
        sorted(
            (re.escape(each) for each in CORRECTION.get(code, CORRECTION["en"]).split("|")),
            key=len,
            reverse=True,
        )
    )
    return re.sub(rf"^\W*(?:(?:{words})\b\W*)+", "", text, flags=re.IGNORECASE).strip(" .,!")


def starts_with_marker(text: str, code: str) -> bool:
    """Whether a text begins with words that announce a correction."""
    return after_marker(text, code) != text.strip(" .,!")
