"""Ages over 89, spoken or written, in seven languages.

Few people in a place are over 89, so the age identifies (HIPAA, safe harbour). Must NOT match: temperatures,
percentages, ages of objects, ages up to 89, years of a guarantee ("95 years of experience").
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer
from models.redaction.recognizers.filters.age_of_objects import is_age_of_object

_OLD = r"(?:9\d|1[0-2]\d)"


_RELATIVES_EN = "grandmother|grandfather|grandma|grandpa|granny|nan|mother|father|mum|mom|dad|aunt|uncle"
_RELATIVES_FR = "mère|père|grand-mère|grand-père|mamie|papi|maman|papa|tante|oncle|mari|femme|voisine?|dame|monsieur"
_RELATIVES_IT = "nonn[ao]|madre|padre|mamma|papà|zi[ao]|moglie|marito|signora|signore|vicin[ao]"
_RELATIVES_PT = "avó|avô|mãe|pai|ti[ao]|esposa|marido|senhora?|vizinh[ao]"
_RELATIVES_DE = "oma|opa|großmutter|großvater|mutter|vater|tante|onkel"

AGE = PatternRecognizer(
    entity="AGE",
    name="age",
    needs="0",
    unless=is_age_of_object,
    patterns=(
        Pattern(
            re.compile(
                rf"(?<![^\W_])(?:age[ds]?|aged about|turn(?:s|ed|ing)|edad|âge|âgée? de|alter|im alter von|उम्र|आयु)"
                rf"(?:\s?[:=]|\s(?:is|was|of|de|ist|में))?\s{{1,2}}(?P<value>{_OLD})(?![\w.,:%°]\d|[\w%°])",
                re.IGNORECASE,
            ),
            0.7,
            group="value",
            name="introduced",
        ),
        Pattern(
            re.compile(
                rf"(?<![\w.,:])(?P<value>{_OLD})(?:[ -]?(?:y/?o|yrs? old|years? of age|años de edad|ans "
                rf"d['\u2019]âge|jahre alt|jährige?[nrs]?"
                rf"|anni di età|साल (?:का|की|के)|वर्षीय|वर्ष (?:का|की|के)|साल की उम्र)(?![^\W_]))",
                re.IGNORECASE,
            ),
            0.8,
            group="value",
            name="unit",
        ),
        # tengo 94 años, j'ai 94 ans, ich bin 94 Jahre, ha 94 anni, she is 94 (years)
        Pattern(
            re.compile(
                rf"(?<![^\W_])(?:teng?o|tiene|cumpl[eíi]\w{{0,3}}|j['\u2019]ai|(?:il|elle|{_RELATIVES_FR}) a"
                rf"|(?:lui|lei|{_RELATIVES_IT}) ha|(?:ele|ela|{_RELATIVES_PT}) tem|bin|ist|she is|he is"
                rf"|she's|he's|i am|i'm)\s"
                rf"(?P<value>{_OLD}) (?:años|ans|jahre|anni|anos|years? old)(?![^\W_])(?! (?:d['\u2019]|de |di |of )?"
                rf"(?:exp|erf|esp|gar|histoire|historia|storia|história|service|servicio|servizio|serviço))",
                re.IGNORECASE,
            ),
            0.8,
            group="value",
            name="verb",
        ),
        # Without a word for years: only after a word for a person, and only if the number counts nothing: "she is 94
        # now"
        Pattern(
            re.compile(
                rf"(?<![^\W_])(?:(?:she|he|{_RELATIVES_EN})(?:['\u2019]s| is| was| just turned)"
                rf"|(?:{_RELATIVES_DE}) (?:ist|wird|war))"
                rf" (?:already |now |almost |nearly |schon |jetzt |bald |fast )?(?P<value>{_OLD})"
                rf"(?=[.,;!?]?(?:$|\s(?:and|but|now|this|next|already|so|und|aber|geworden)(?![^\W_])|[.,;!?]\s))",
                re.IGNORECASE,
            ),
            0.7,
            group="value",
            name="person",
        ),
    ),
)
