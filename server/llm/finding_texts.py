"""The sentences of findings, in the languages of the fallback. None of them holds a value."""

from __future__ import annotations

from typing import Final

from server.flows.texts import base_language
from server.llm.types import FindingKind

_TEXTS: Final[dict[str, dict[FindingKind, str]]] = {
    "en": {
        FindingKind.RULE: "The value {problem}.",
        FindingKind.UNSUPPORTED: "No source that counts for this field has this value.",
        FindingKind.INSTRUCTION: "Only a sentence has this value that tells the assistant what to do.",
        FindingKind.CONTRADICTED: "Another source gives another value.",
        FindingKind.SOURCE_MOVED: "The source that was named does not have this value; another one has it.",
        FindingKind.NOT_CONFIRMED: "The check of the record did not confirm this value.",
        FindingKind.UNCHECKED: "The record was not checked, because the LLM for it did not answer.",
        FindingKind.REDACTED: "Redaction changed what the reviewer wrote; this value was stored.",
        FindingKind.REVIEWED: "A reviewer gave this value.",
    },
    "de": {
        FindingKind.RULE: "Der Wert passt nicht zu den Regeln des Feldes.",
        FindingKind.UNSUPPORTED: "In keiner Quelle, die für dieses Feld zählt, steht dieser Wert.",
        FindingKind.INSTRUCTION: "Nur ein Satz, der dem Assistenten etwas befiehlt, enthält diesen Wert.",
        FindingKind.CONTRADICTED: "Eine andere Quelle nennt einen anderen Wert.",
        FindingKind.SOURCE_MOVED: "In der genannten Quelle steht dieser Wert nicht; er steht in einer anderen.",
        FindingKind.NOT_CONFIRMED: "Die Prüfung hat diesen Wert nicht bestätigt.",
        FindingKind.UNCHECKED: "Der Datensatz wurde nicht geprüft, weil das LLM dafür nicht antwortete.",
        FindingKind.REDACTED: "Die Schwärzung hat die Eingabe bei der Prüfung geändert; gespeichert ist dieser Wert.",
        FindingKind.REVIEWED: "Dieser Wert wurde bei einer früheren Durchsicht eingetragen.",
    },
    "es": {
        FindingKind.RULE: "El valor no cumple las reglas del campo.",
        FindingKind.UNSUPPORTED: "Ninguna fuente que cuenta para este campo contiene este valor.",
        FindingKind.INSTRUCTION: "Este valor solo está en una frase que da órdenes al asistente.",
        FindingKind.CONTRADICTED: "Otra fuente da otro valor.",
        FindingKind.SOURCE_MOVED: "La fuente indicada no contiene este valor; otra sí.",
        FindingKind.NOT_CONFIRMED: "La comprobación no confirmó este valor.",
        FindingKind.UNCHECKED: "El registro no se comprobó, porque el LLM para ello no respondió.",
        FindingKind.REDACTED: "La censura cambió lo que se escribió en la revisión; se guardó este valor.",
        FindingKind.REVIEWED: "Este valor se indicó en una revisión anterior.",
    },
    "fr": {
        FindingKind.RULE: "La valeur ne respecte pas les règles du champ.",
        FindingKind.UNSUPPORTED: "Aucune source qui compte pour ce champ ne contient cette valeur.",
        FindingKind.INSTRUCTION: "Cette valeur n'est que dans une phrase qui donne des ordres à l'assistant.",
        FindingKind.CONTRADICTED: "Une autre source donne une autre valeur.",
        FindingKind.SOURCE_MOVED: "La source indiquée ne contient pas cette valeur ; une autre la contient.",
        FindingKind.NOT_CONFIRMED: "Le contrôle n'a pas confirmé cette valeur.",
        FindingKind.UNCHECKED: "Le dossier n'a pas été contrôlé, car le LLM prévu n'a pas répondu.",
        FindingKind.REDACTED: "Le masquage a changé ce qui a été écrit ; cette valeur a été enregistrée.",
        FindingKind.REVIEWED: "Cette valeur a été donnée lors d'une relecture.",
    },
    "hi": {
        FindingKind.RULE: "मान इस फ़ील्ड के नियमों से मेल नहीं खाता।",
        FindingKind.UNSUPPORTED: "इस फ़ील्ड के लिए मान्य किसी स्रोत में यह मान नहीं है।",
        FindingKind.INSTRUCTION: "यह मान केवल एक ऐसे वाक्य में है जो सहायक को आदेश देता है।",
        FindingKind.CONTRADICTED: "दूसरा स्रोत दूसरा मान देता है।",
        FindingKind.SOURCE_MOVED: "बताए गए स्रोत में यह मान नहीं है; दूसरे में है।",
        FindingKind.NOT_CONFIRMED: "जाँच ने इस मान की पुष्टि नहीं की।",
        FindingKind.UNCHECKED: "रिकॉर्ड की जाँच नहीं हुई, क्योंकि इसके LLM ने उत्तर नहीं दिया।",
        FindingKind.REDACTED: "निजी जानकारी छिपाने से समीक्षक का लिखा हुआ बदल गया; यह मान सहेजा गया।",
        FindingKind.REVIEWED: "यह मान समीक्षक ने दिया है।",
    },
    "pt": {
        FindingKind.RULE: "O valor não segue as regras do campo.",
        FindingKind.UNSUPPORTED: "Nenhuma fonte que conta para este campo contém este valor.",
        FindingKind.INSTRUCTION: "Este valor só está numa frase que dá ordens ao assistente.",
        FindingKind.CONTRADICTED: "Outra fonte dá outro valor.",
        FindingKind.SOURCE_MOVED: "A fonte indicada não contém este valor; outra contém.",
        FindingKind.NOT_CONFIRMED: "A verificação não confirmou este valor.",
        FindingKind.UNCHECKED: "O registro não foi verificado, porque o LLM para isso não respondeu.",
        FindingKind.REDACTED: "A ocultação alterou o que foi escrito na revisão; este valor foi guardado.",
        FindingKind.REVIEWED: "Este valor foi dado numa revisão anterior.",
    },
}


_PARTLY_HIDDEN: Final = {
    "en": "A part of this value was hidden as personal data.",
    "de": "Ein Teil dieses Werts wurde als persönliche Angabe geschwärzt.",
    "es": "Una parte de este valor se ocultó como dato personal.",
    "fr": "Une partie de cette valeur a été masquée comme donnée personnelle.",
    "hi": "इस मान का एक हिस्सा निजी जानकारी मानकर छिपा दिया गया।",
    "pt": "Uma parte deste valor foi ocultada como dado pessoal.",
}


def partly_hidden_text(language: str) -> str:
    """The sentence of a finding that redaction hid a part of what a person said; in English for a language without."""
    return _PARTLY_HIDDEN.get(base_language(language), _PARTLY_HIDDEN["en"])


def finding_text(kind: FindingKind, language: str, problem: str = "") -> str:
    """The sentence of a finding; in English for a language without one.

    Args:
        kind: Any but ``CHECK``, whose sentence stands in the flow.
        language: ISO 639-1 code of the session.
        problem: For ``RULE``, what is wrong, as ``FieldDefinition.problem`` gives it.
    """
    texts = _TEXTS.get(base_language(language), _TEXTS["en"])
    return texts[kind].format(problem=problem)
