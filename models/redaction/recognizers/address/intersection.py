"""Two streets that meet: "the corner of Elm Street and 5th Avenue".

The names need not be in any list of streets. Must NOT match: "the corner of the room and the door", "round the corner",
a corner of one street alone.
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer

_CAPITAL = r"(?:[^\W\d_a-zß-ÿ][\w.'\u2019-]{0,30}|\d{1,5}[a-z]{0,2}|(?:ul|al|pl|st)\.)"
_SMALL = (
    r"(?:(?:de|del|della|delle|dello|dei|degli|di|da|do|dos|das|la|le|les|los|las|du|des|van|von|der|den|of|the)\s)"
)
_STREET = rf"(?:{_SMALL}{{0,2}}{_CAPITAL})(?:\s{_SMALL}{{0,2}}{_CAPITAL}){{0,5}}"

INTERSECTION = PatternRecognizer(
    entity="ADDRESS",
    name="corner",
    patterns=(
        Pattern(
            re.compile(
                rf"(?<!\w)(?:[Tt]he )?(?:[Cc]orner|[Ii]ntersection|[Jj]unction|[Cc]rossing) (?:of|between) {_STREET} "
                rf"(?:and|&) {_STREET}"
            ),
            0.75,
            name="en",
        ),
        Pattern(
            re.compile(
                rf"(?<!\w)(?:(?:[Ll]a )?[Ee]squina de|(?:[Aa]u |[Ll]e )?[Cc]oin de|(?:[Aa]n der )?Ecke"
                rf"|(?:[Ll]'\s?)?angolo tra)"
                rf" {_STREET} (?:y|con|et|und|e) {_STREET}"
            ),
            0.75,
            name="other",
        ),
    ),
)
