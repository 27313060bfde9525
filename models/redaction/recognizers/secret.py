"""Passwords, tokens and keys.

Must NOT match: the word password without a value, hashes of git.
"""

from __future__ import annotations

import re

from models.redaction.recognizers.base import Pattern, PatternRecognizer

SECRET = PatternRecognizer(
    entity="SECRET",
    name="secret",
    patterns=(
        Pattern(
            re.compile(
                r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\s]{0,8000}"
                r"(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
            ),
            1.0,
            name="pem",
        ),
        Pattern(re.compile(r"(?<!\w)(?:AKIA|ASIA)[0-9A-Z]{16}(?!\w)"), 1.0, name="aws"),
        Pattern(re.compile(r"(?<!\w)(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,255}"), 1.0, name="github"),
        Pattern(
            re.compile(r"(?<!\w)(?:sk|pk|rk)[-_](?:live_|test_|proj-|ant-)?[A-Za-z0-9_-]{16,200}"), 0.95, name="api-key"
        ),
        Pattern(re.compile(r"(?<!\w)xox[abprs]-[A-Za-z0-9-]{10,200}"), 1.0, name="slack"),
        Pattern(
            re.compile(r"(?<!\w)eyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,4000}(?:\.[A-Za-z0-9_-]{0,2000})?"),
            1.0,
            name="jwt",
        ),
        Pattern(re.compile(r"(?<!\w)AIza[0-9A-Za-z_-]{35}"), 1.0, name="google"),
        Pattern(
            re.compile(
                r"(?<!\w)(?:pass ?word|passwd|passcode|pwd|passphrase|api[ _-]?key|secret(?:[ _-]key)?"
                r"|access[ _-]?token"
                r"|contraseña|passwort|mot de passe)\s{0,2}(?:is|was|es|ist|est|:|=)\s{0,2}[\"']?"
                r"(?P<value>(?=[^\s]{0,60}[\d!@#$%^&*_+=~])[^\s\"',;]{3,128})",
                re.IGNORECASE,
            ),
            0.85,
            group="value",
            name="assigned",
        ),
        Pattern(
            re.compile(
                r"(?<!\w)pin(?: code| number)?\s{0,2}(?:is|was|:|=)\s{0,2}(?P<value>\d(?:[ -]?\d){3,7})(?!\w)",
                re.IGNORECASE,
            ),
            0.85,
            group="value",
            name="pin",
        ),
    ),
)
