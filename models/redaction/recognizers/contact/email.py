"""E-mail addresses, and handles on a named service.

Must NOT match: "@ 5 pm", "me@the", version pins (``pkg@1.2``), mentions (``@news``), which are public names; words
after "login" ("the login is broken").
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.lexicons.loader import across, alternatives
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, context_words

_LOCAL = r"[^\W_](?:[\w.!#$%&'*+/=?^`{|}~-]{0,62}[\w])?|[\w]"
_HOST = r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,6}[^\W\d_]{2,18}"

EMAIL = PatternRecognizer(
    entity="EMAIL",
    name="email",
    needs="@",
    patterns=(
        Pattern(re.compile(rf"(?<![\w.+-])(?:{_LOCAL})@{_HOST}(?![^\W_])"), 0.95),
        # An address in angle or square brackets instead of a name: root@[192.168.0.1].
        Pattern(re.compile(r"(?<!\w)[\w.+-]{1,64}@\[?\d{1,3}(?:\.\d{1,3}){3}\]?"), 0.9, name="literal"),
        # The dot of the host is missing: jo@gmailcom, jo@gmail com.
        Pattern(
            re.compile(
                r"(?<![\w.+-])[\w.+-]{1,64}@(?:g ?mail|hotmail|yahoo|outlook|icloud|proton(?:mail)?|aol|live|gmx|web)"
                r"(?:[ .]{0,2}(?:com|org|net|co|uk|de|fr|es|in)){0,2}(?![^\W_])",
                re.IGNORECASE,
            ),
            0.8,
            name="service",
        ),
        # The top-level domain is digits or missing. It is still an address after a word for e-mail.
        Pattern(re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{2,63}(?:\.[\w-]{1,30}){0,4}"), 0.25, name="loose"),
    ),
    context=context_words("email"),
)

SPOKEN_HANDLE = PatternRecognizer(
    entity="HANDLE",
    name="handle",
    needs="@",
    # Only handles from the spoken view ("at t a r n q u") count. Typed mentions are public names.
    patterns=(Pattern(re.compile(r"(?<![\w.])@[^\W_][\w.-]{2,63}"), 0.2),),
    context=context_words("handle"),
)

_LOGIN_WORD: Final = alternatives("identifiers", "login")
_PIECES: Final = across("identifiers", "login_pieces")
_IS: Final = alternatives("function_words", "copulas")
_OWNERS: Final = alternatives("identifiers", "owners")
_LOGIN_NAME = r"(?P<value>[^\W_](?=[^\s]{0,39}[\d_])[\w.-]{2,39}(?<![.-]))"

LOGIN = PatternRecognizer(
    entity="HANDLE",
    name="login",
    patterns=(
        Pattern(
            re.compile(
                rf"(?<![^\W_])(?:{_LOGIN_WORD})\s{{0,2}}(?:{_IS}|:|=)\s{{0,2}}{_LOGIN_NAME}",
                re.IGNORECASE,
            ),
            0.8,
            group="value",
            name="named",
            hints=_PIECES,
        ),
        Pattern(
            re.compile(
                rf"(?<![\w.-]){_LOGIN_NAME}(?=\s(?:{_IS})\s(?:{_OWNERS})\s(?:{_LOGIN_WORD})(?![^\W_]))",
                re.IGNORECASE,
            ),
            0.8,
            group="value",
            name="behind",
            hints=_PIECES,
        ),
    ),
)
