"""Words of closed classes: pronouns, auxiliaries, conjunctions, articles and greetings, which say nothing of anybody.

Not listed, although they belong there: what recognition writes for a number or a sign ("to", "for", "at"), what is a
name as well ("will", "can"), and what leads streets or surnames ("am", "auf", "rue", "de", "von").
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final


def _of(words: str) -> frozenset[str]:
    return frozenset(unicodedata.normalize("NFC", words).split())


_NONE: Final[frozenset[str]] = frozenset()

_CLOSED: Final[Mapping[str, frozenset[str]]] = {
    "en": _of(
        """hello my your our his her its it it's that that's this these those there there's here here's she she's they
        they're they've them us i i'm i've i'd i'll we we're we've we'll you you're you've you'll he he's who who's what
        what's why when where which how how's is are was were been being have has had having be do does did don't
        doesn't didn't could couldn't would wouldn't should shouldn't might must not isn't aren't wasn't weren't haven't
        hasn't hadn't won't can't the if as and so because but than then though although while until unless since
        whether with without within about after before between during against into through by of in really just only
        also already always never again maybe perhaps yeah yes no okay ok all both each every any some
        somebody someone anybody something anything nothing everything everyone nobody another many please
        thanks thank sorry let's"""
    ),
    "es": _of(
        """hola gracias perdón disculpe yo tú usted ustedes ella ellos ellas nosotros nosotras esto esta este estos
        estas eso esa esos esas aquello qué que cuándo cuando cómo como quién quien cuál cual porque pero aunque si sí
        también tampoco muy ya aquí ahí allí hay está están estoy estamos era eran fue fueron ha han hemos había tengo
        tiene tienen tenemos puede puedo pueden no sin para hasta desde nada algo alguien nadie siempre nunca nuestro
        nuestra nos mi mis su sus me se lo le es son con por el la los las buenos buenas todo todos"""
    ),
    "fr": _of(
        """bonjour bonsoir merci pardon je j'ai tu il elle on nous vous ils elles ce c'est cela ça ceci cette cet ces
        mon ma mes notre nos votre vos leur leurs sa ses qui que qu'il qu'elle quoi quand comment pourquoi parce mais
        donc et si aussi très déjà encore toujours jamais ici voici voilà est sont était étaient avez avons ont avait
        peut peux pouvez peuvent faut avec sans dans pour depuis pendant avant après rien quelque quelqu'un tout tous
        toute le la il y se"""
    ),
    "de": _of(
        """hallo danke bitte ich du er sie es wir ihr mich mir dir uns euch ihm ihn ihnen mein meine meinen meinem
        meiner dein deine unser unsere unseren ihre ihren seine der die das dieser diese dieses diesen wer was wann wo
        wie warum weil aber oder und doch dass ob wenn nicht kein keine keinen auch nur noch schon sehr immer nie hier
        da dort dann jetzt ist sind war waren hat habe haben hatte hatten wird werden wurde wurden kann können konnte
        konnten muss müssen soll sollte sollten möchte möchten nichts etwas jemand niemand alle alles mit ohne für gegen
        durch guten"""
    ),
    "hi": _of(
        """नमस्ते मैं मैंने हम हमने आप आपने तुम वह वो यह ये इस उस मेरा मेरी मेरे हमारा हमारी हमारे आपका आपकी आपके मुझे
        हमें हाँ हां नहीं क्या कब कहाँ क्यों कैसे कितना कितने है हैं हूँ था थी थे और लेकिन पर तो भी में से को का की यहाँ वहाँ अब बहुत कुछ
        mera meri mere mujhe hum hamara hamari aap aapka aapki tum yeh woh kya kab kahan kyon kaise hai hain tha thi
        namaste haan nahi nahin aur lekin yahan wahan bahut kuch"""
    ),
}

_WHOLE: Final[Mapping[str, frozenset[str]]] = {
    "en": _of("hello please thanks because unless something nothing everything wouldn't couldn't shouldn't"),
    "es": _of("gracias disculpe porque aunque siempre también"),
    "fr": _of("bonjour bonsoir pourquoi toujours quelqu'un"),
    "de": _of("hallo danke bitte dieser diese dieses möchte können"),
    "hi": _of("नमस्ते लेकिन namaste lekin"),
}


def closed_words(language: str) -> frozenset[str]:
    """Those of a language, by its ISO 639-1 code, lower case and NFC; none where it is not known."""
    return _CLOSED.get(language[:2].lower(), _NONE)


def whole_words(language: str) -> frozenset[str]:
    """Those of them with which hardly a name begins: cut short by the end of the audio, none becomes one of these."""
    return _WHOLE.get(language[:2].lower(), _NONE)
