"""The words with which people open a talk instead of answering where they are, by language.

All are expressions over ``folded`` text: small letters, no accents, no apostrophes. ``@`` stands for the tag of a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_Expressions = Mapping[str, str]

INTRODUCED: Final[_Expressions] = {
    "en": r"(?:im|i am|my names?|my name is|the names|the name is|you are speaking (?:to|with)|youre speaking (?:to|"
    r"with)) "
    r"@.*",
    "de": r"(?:ich bin|ich heisse|mein name ist|mein name) (?:(?:der|die|herr|frau) )?@.*",
    "es": r"(?:yo )?(?:soy|me llamo|mi nombre es|le habla|les habla) (?:(?:el|la|don|dona|senor|senora) )*@.*",
    "fr": r"(?:je suis|je mappelle|moi cest|mon nom est|mon nom cest) (?:(?:monsieur|madame|m|mme) )?@.*",
    "pt": r"(?:eu sou|sou|meu nome e|o meu nome e|me chamo|chamo me) (?:(?:o|a|senhor|senhora) )*@.*",
    "hi": r"(?:मेरा नाम |मैं )@.*",
}
"""Names the speaker, whatever follows."""

HERE: Final[_Expressions] = {
    "en": r"(?:(?:its|it is|this is|its only|its me) )?@ (?:here|speaking|calling|again|on the (?:phone|line)|"
    r"is my name|is the name)",
    "de": r"(?:(?:hier ist|hier spricht|das ist|hier) )?(?:(?:der|die|herr|frau) )?"
    r"@ (?:hier|am apparat|am telefon|mein name|ist mein name|spricht)|(?:hier ist|hier spricht) (?:(?:der|die|herr|"
    r"frau) )?@",
    "es": r"(?:(?:es|aqui) )?@ (?:al habla|al telefono|hablando|le habla|aqui)|(?:aqui|habla) @",
    "fr": r"(?:(?:cest|ici) )?@ (?:a lappareil|au telephone|ici)|ici @",
    "pt": r"(?:(?:e|aqui) )?(?:(?:o|a) )?@ (?:falando|aqui|ao telefone)|(?:aqui e|aqui fala|aqui|"
    r"quem fala e) (?:(?:o|a) )?@",
    "hi": r"@ (?:बोल रहा|बोल रही|बोल रहे|यहाँ|यहां).*",
}
"""Says that the speaker is there: "it's NAME here"."""

GOES_ON: Final[_Expressions] = {
    "en": r"about|to|for|from|with|and|again|calling|speaking|because|regarding|concerning|on|im|i|ive|today|now|"
    r"please",
    "de": r"von|vom|aus|und|wegen|zu|zum|zur|ich|heute|bitte|bezuglich|fur",
    "es": r"de|del|por|para|y|sobre|hoy|vengo|llamo",
    "fr": r"de|du|des|pour|et|au sujet|je|jappelle|a propos",
    "pt": r"de|do|da|por|para|e|sobre|hoje|vim|eu",
    "hi": r"से|के|और",
}
"""What may follow that is no site: "it's NAME here about the boiler"."""

FROM: Final[_Expressions] = {
    "en": r"(?:(?:its|it is|this is) )?@ from .*",
    "de": r"(?:(?:hier ist|hier spricht|das ist) )?@ (?:vom|von der|von den|von) .*",
    "es": r"",
    "fr": r"",
    "pt": r"",
    "hi": r"(?:मैं )?@ .*से (?:बोल|हूँ|हूं).*",
}
"""Says where the speaker belongs: "NAME from the council". "De" may be a part of the name of a place."""

THIS: Final[_Expressions] = {
    "en": r"(?:its|it is|its only|this is) @(?: (?:about|regarding|concerning|because|im|ive)\b.*)?",
    "de": r"(?:das|es) ist (?:(?:der|die|herr|frau) )?@",
    "es": r"(?:esto |este |esta )?es @",
    "fr": r"cest (?:(?:monsieur|madame|m|mme) )?@",
    "pt": r"(?:este |esta )?e (?:(?:o|a) )?@",
    "hi": r"(?:यह|ये) @.{0,4}",
}
"""Names somebody, or a site of which nothing is readable."""

HELP: Final[_Expressions] = {
    "en": r"(?:(?:can|could|would|will) (?:you|anyone|anybody|someone|somebody|u)(?: please)? (?:help|assist|hear)|"
    r"(?:please )?help(?: me| us)?$|"
    r"(?:i|we|id|just)? ?(?:need|want|would like|like|could do with|could use) (?:some |a |a bit of |your )*(?:help|"
    r"hand|assistance|advice)|"
    r"what (?:do|should|must|can|shall) (?:i|we) (?:have to |need to |got to )?(?:do|say|tell|write|type|enter)|"
    r"what am i supposed to|how does (?:this|it|that) work|how do (?:i|we) (?:do|use|start|begin)|"
    r"what do you (?:need|want)|who am i (?:talking|speaking)|who is (?:this|that|there)|whos (?:this|that|there)|"
    r"is (?:anyone|anybody|someone|somebody|this) (?:there|here|thing)|(?:anyone|anybody) (?:there|here)|"
    r"are you (?:there|a|an)\b).*",
    "de": r"(?:(?:konnen|konnten|wurden) sie (?:mir|uns)|(?:kannst|konntest) du (?:mir|uns)|kann (?:mir|"
    r"uns) (?:jemand|einer)|"
    r"hilfe$|(?:ich|wir) (?:brauche|brauchen|benotige) (?:\w+ )?hilfe|helfen sie|was (?:muss|soll|kann|mache) ich|"
    r"was mussen wir|"
    r"wie (?:geht|funktioniert) (?:das|es|dies)|was (?:brauchen|wollen|mochten) sie|mit wem (?:spreche|rede)|"
    r"wer (?:ist|sind) (?:da|dort|sie)|"
    r"ist (?:da|hier|dort) jemand|ist jemand da).*",
    "es": r"(?:(?:me |nos )?(?:puede|puedes|pueden|podria|podrias|podrian) (?:ayudar|@|alguien)|necesito ayuda|"
    r"ayuda$|ayudeme|ayudame|"
    r"que (?:tengo que|debo|hay que|hago|necesita)|como funciona|con quien hablo|quien es|hay alguien|"
    r"alguien me puede).*",
    "fr": r"(?:(?:pouvez|pourriez) vous (?:maider|nous aider|@)|(?:peux|pourrais) tu maider|(?:jai|"
    r"nous avons) besoin d|aidez moi|a laide|"
    r"(?:que|quest ce que) (?:dois je|je dois|faut il|je fais)|comment (?:ca|cela) (?:marche|fonctionne)|"
    r"a qui (?:je )?parle|qui est (?:la|ce)|"
    r"il y a quelquun|y a t il quelquun|est ce que vous pouvez).*",
    "pt": r"(?:(?:voce )?(?:pode|poderia|podem|consegue) (?:me |nos )?(?:ajudar|@)|me ajuda|preciso de ajuda|ajuda$|"
    r"o que (?:eu )?(?:tenho que|devo|preciso|faco)|como (?:isso |isto )?funciona|com quem (?:eu )?falo|quem (?:e|"
    r"fala)|tem alguem|alguem (?:pode|ai)).*",
    "hi": r".*(?:(?:मदद|सहायता) (?:कर|चाहिए|कीजिए)|क्या करना|कैसे काम|कौन बोल|कोई है).*",
}
"""Asks the app for help, or how it is used."""

ASKS: Final[_Expressions] = {
    "en": r"(?:please )?(?:can|could|would|will|may|shall|should|do|does|did|is|are|am|was|have|has|must) "
    r"(?:you|i|we|it|this|that|there|somebody|someone|anybody|anyone)\b.*|"
    r"(?:what|how|who|why|when|which|where) (?:do|does|did|is|are|am|was|can|could|should|shall|would|will|must|"
    r"have|has|i|you|we|to)\b.*|"
    r"what (?:happens|now|next)\b.*|(?:whats|whos|hows|wheres) .*|(?:(?:sign|check|log) (?:me |us )?in|"
    r"register(?: me)?|get started|start|begin)|(?:speak|talk|speaking) (?:to|with) (?:a|an|the|"
    r"some)\b.*",
    "de": r"(?:konnen|konnten|kann|konnte|kannst|wurden|durfen|darf|durfte|muss|soll|sollen|haben|hatten|hatte|sind|"
    r"bin) "
    r"(?:sie|ich|wir|mir|uns|du|man)\b.*|"
    r"(?:was|wie|wer|warum|wieso|wann|wo|welche[rsnm]?) (?:muss|soll|kann|ist|sind|mache|bin|brauche|brauchen|darf|"
    r"konnen|sie|ich|wir)\b.*",
    "es": r"(?:me |nos )?(?:puede|puedes|pueden|podria|podrian|puedo|podemos)\b.*|"
    r"(?:que|como|quien|cuando|por que|cual|donde) (?:tengo|debo|hay|hago|puedo|es|son|se|le|me|esta|quiere)\b.*",
    "fr": r"(?:est ce que|(?:pouvez|pourriez|avez|etes|savez|voulez|puis|dois|peux) (?:vous|je|tu|nous))\b.*|"
    r"(?:que|quest ce|comment|qui|pourquoi|quand|quel|quelle|ou) (?:que|qui|dois|faut|ca|est|puis|je|faire|se|"
    r"voulez|vous|sont)\b.*",
    "pt": r"(?:voce )?(?:pode|poderia|podem|posso|podemos|consegue)\b.*|"
    r"(?:o que|que|como|quem|quando|por que|qual|onde) (?:eu|devo|tenho|e|sao|faco|preciso|posso|voce|esta)\b.*",
    "hi": r"क्या (?:आप|मैं|मुझे|हम|यह|कोई) .*|.* (?:क्या|कैसे|कब|कौन|क्यों) (?:करूँ|करूं|होगा).*",
}
"""Asks something."""

REASON: Final[_Expressions] = {
    "en": r"(?:(?:its|it is|this is|thats|im|i am|were|we are|ive|i have|we have|weve) )?(?:(?:just|only|here|come|"
    r"calling|ringing|phoning|visiting|"
    r"in touch) )*(?:about|regarding|concerning|because|to do with|on behalf)\b.*|"
    r"(?:(?:im|i am|were|we are|ive|i have|weve|we have|i|we) )?(?:(?:just|only|been|was|were) )*"
    r"(?:here|come|came|calling|ringing|phoning|supposed|sent|told|asked|trying|hoping|wanting|"
    r"looking) (?:to (?!the\b)|for|about)\b.*|"
    r"(?:its|it is|this is) for (?:the|a|an|my|our)\b.*|(?:theres|there is|there are|there has been) .*|"
    r"to (?:read|fix|repair|see|check|look|do|register|sign|report|change|install|service|inspect|clean|collect|"
    r"deliver)\b.*|"
    r".*\b(?:is|isnt|are|was|has|hasnt|wont|doesnt|keeps|needs)(?: been| not| still| completely| stopped)* "
    r"(?:broken|leaking|working|faulty|stuck|blocked|damaged|dripping|dead|stopped|due|gone|work|start|fixing|"
    r"repairing|replacing)\b.*",
    "de": r"(?:es geht um|es handelt sich um|(?:es ist |ich bin |wir sind )?(?:hier )?wegen|bezuglich|zwecks|"
    r"zum (?:ablesen|reparieren))\b.*|"
    r"um .* zu \w+en|.*\b(?:ist|sind|geht|funktioniert|lauft) (?:kaputt|defekt|nicht|undicht|verstopft)\b.*",
    "es": r"(?:es|estoy aqui|vengo|llamo) por\b.*|(?:sobre|acerca de|con respecto a)\b.*|(?:es |vengo |"
    r"estoy aqui )?para \w+r\b.*",
    "fr": r"(?:(?:cest|je viens|je suis la|jappelle) )?(?:pour (?:la|le|les|un|une|\w+er)|au sujet|a propos|"
    r"concernant)\b.*",
    "pt": r"(?:e |estou aqui |vim |ligo |estou ligando )?(?:sobre|por causa|a respeito|para \w+r)\b.*",
    "hi": r".*(?:के बारे में|के सिलसिले में|की वजह से|के लिए (?:आया|आई|आए)).*",
}
"""Says why somebody is there."""

SPEAKS: Final[_Expressions] = {
    "en": r"(?:im|ive|me|you|youre|youve|we|weve|wed|let me|lets|help us|my names?|id (?:like|love|rather|need)|"
    r"ill (?:be|need|have|do|come|call|try|tell)|i(?= [a-z]))|^were",
    "de": r"ich|wir|mich|mir|uns|sie|du",
    "es": r"yo|usted|ustedes|vengo|venimos|llamo|llamamos|necesito|necesitamos|quiero|quisiera|queria|tengo|tenemos|"
    r"busco|soy|somos",
    "fr": r"je|jai|jaimerais|jappelle|vous|nous|maider|on (?:a|est|vient|veut)",
    "pt": r"eu|voce|voces|vim|viemos|preciso|precisamos|quero|queria|gostaria|tenho|temos|ligo|sou|somos",
    "hi": r"(?!)",
}
"""Somebody speaks of themselves or to the app. Not "our depot": a site may belong to somebody."""

STANDS: Final[_Expressions] = {
    "en": r"\b(?:at|outside|near|behind|beside|opposite|inside|in front of|next to|visiting|delivery for|(?:sent|"
    r"come|came|been|got|go|going) to the|"
    r"(?:im|i am|were|we are) in)\b(?! (?:all|once|last|first|least|a hurry|trouble|charge|need|the moment)\b)",
    "de": r"\b(?:bin|sind|stehe|stehen|befinde|befinden|arbeite|arbeiten|warte|warten|lieferung)\b.*"
    r"\b(?:am|an|bei|beim|im|in|vor|neben|hinter|gegenuber|auf|fur) \w",
    "es": r"\b(?:estoy|estamos|encuentro|encontramos|trabajo|trabajamos|llegado|llegue)\b.*"
    r"\b(?:en|cerca|delante|junto|frente|fuera|dentro|lado)\b|\bentrega para\b",
    "fr": r"\b(?:suis|sommes|est|trouve|trouvons|travaille|arrive|arrives)\b.*\b(?:a|au|aux|dans|devant|chez|pres|"
    r"sur|derriere|face)\b|\blivraison pour\b",
    "pt": r"\b(?:estou|estamos|trabalho|cheguei|chegamos|encontro)\b.*\b(?:em|no|na|perto|frente|dentro|fora|"
    r"lado)\b|\bentrega para\b",
    "hi": r"(?!)",
}
"""Says where somebody stands."""

AT: Final[_Expressions] = {
    "en": r"(?<!look )(?<!looking )(?<!work )\bat (?!all\b|once\b|last\b|first\b|least\b|home\b|the moment\b|(?:\d|"
    r"@|noon))",
    "de": r"(?!)",
    "es": r"(?!)",
    "fr": r"(?!)",
    "pt": r"(?!)",
    "hi": r"(?!)",
}
"""Right before a site, after the reason: "here to read the meter at ..."."""

THINKS: Final[_Expressions] = {
    "en": r"i think|i believe|i guess|i suppose|i reckon|i'd say|i would say|i mean|i meant|i said|as i said|"
    r"i told you|you know|well|so",
    "de": r"ich glaube|ich denke|ich meine|ich meinte|ich würde sagen|ich sagte|wissen sie|also|na ja",
    "es": r"creo que|creo|pienso que|supongo que|diría que|quiero decir|quise decir|sabe|pues",
    "fr": r"je crois que|je crois|je pense que|je pense|je dirais|je veux dire|vous savez|alors",
    "pt": r"acho que|acho|creio que|penso que|diria que|quero dizer|quis dizer|sabe|entao",
    "hi": r"मुझे लगता है|मेरा मतलब",
}
"""Stands before an answer, and says nothing about it."""

ASKED: Final[_Expressions] = {
    "en": r"help|assist|me|us|you|please|this|that|it|with|out|here|there|now|today|next|to|do|say|tell|know|thing",
    "de": r"helfen|mir|uns|bitte|jetzt|hier|das|damit|machen|tun|als nachstes|weiter",
    "es": r"ayudar|ayudarme|por favor|hacer|aqui|ahora|con|esto|eso|favor",
    "fr": r"aider|maider|sil vous plait|faire|ici|maintenant|avec|ca|cela|aide",
    "pt": r"ajudar|por favor|fazer|aqui|agora|com|isso|isto",
    "hi": r"(?!)",
}
"""What a call for help has besides, if it tells nothing: "can you help me with this, please"."""
