"""Passwords, tokens and keys.

Must NOT match: the word password without a value, hashes of git.
"""

from __future__ import annotations

import re

from models.redaction.lexicons.loader import across, alternatives
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer

_VENDORS = tuple(
    "glpat- glrt- gldt- npm_ pypi- hf_ dop_v1_ whsec_ shpat_ shpss_ shpca_ shppa_ sg. eaac sq0 age-secret".split()
)

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
        Pattern(re.compile(r"(?<!\w)(?:AKIA|ASIA)[0-9A-Z]{16}(?!\w)"), 1.0, name="aws", hints=("akia", "asia")),
        Pattern(
            re.compile(r"(?<!\w)(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,255}"),
            1.0,
            name="github",
            hints=("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        ),
        Pattern(
            re.compile(r"(?<!\w)(?:sk|pk|rk)[-_](?:live_|test_|proj-|ant-)?[A-Za-z0-9_-]{16,200}"),
            0.95,
            name="api-key",
            hints=("sk-", "sk_", "pk-", "pk_", "rk-", "rk_"),
        ),
        Pattern(re.compile(r"(?<!\w)xox[abprs]-[A-Za-z0-9-]{10,200}"), 1.0, name="slack", hints=("xox",)),
        Pattern(
            re.compile(r"(?<!\w)eyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,4000}(?:\.[A-Za-z0-9_-]{0,2000})?"),
            1.0,
            name="jwt",
            hints=("eyj",),
        ),
        Pattern(re.compile(r"(?<!\w)AIza[0-9A-Za-z_-]{35}"), 1.0, name="google", hints=("aiza",)),
        Pattern(
            re.compile(r"(?<!\w)(?:GOCSPX-[\w-]{20,40}|ya29\.[\w-]{20,400})"),
            1.0,
            name="google-oauth",
            hints=("gocspx-", "ya29."),
        ),
        Pattern(
            re.compile(
                r"(?<!\w)(?:gl(?:pat|rt|dt)-[\w-]{20,60}|npm_[A-Za-z0-9]{36}|pypi-[\w-]{16,250}|hf_[A-Za-z0-9]{30,40}"
                r"|dop_v1_[0-9a-f]{64}|whsec_[A-Za-z0-9+/=]{24,80}|shp(?:at|ss|ca|pa)_[0-9a-fA-F]{32}"
                r"|SG\.[\w-]{16,32}\.[\w-]{16,64}|EAAC[A-Za-z0-9]{30,300}|sq0(?:atp|csp)-[\w-]{22,43}"
                r"|AGE-SECRET-KEY-1[A-Z0-9]{58})"
            ),
            1.0,
            name="vendor",
            hints=_VENDORS,
        ),
        Pattern(
            re.compile(r"(?i:AccountKey|SharedAccessKey|sig)=[A-Za-z0-9+/%]{40,100}={0,2}"),
            0.95,
            name="azure",
            hints=("key=", "sig="),
        ),
        Pattern(
            re.compile(r"(?i:bearer|basic) (?P<value>[A-Za-z0-9._~+/-]{20,500}={0,2})"),
            0.9,
            group="value",
            name="header",
            hints=("bearer", "basic"),
        ),
        # Forty characters of base64 count as a secret key only beside a word for one.
        Pattern(
            re.compile(
                r"(?i:aws|secret)[\w .-]{0,24}(?i:key"
                r"|token)[\"' ]{0,3}[:=][\"' ]{0,3}(?P<value>[A-Za-z0-9/+]{40})(?![\w/+])"
            ),
            0.95,
            group="value",
            name="aws-secret",
            hints=("aws", "secret"),
        ),
        Pattern(
            re.compile(
                rf"(?<!\w)(?:{alternatives('identifiers', 'secret')})\s{{0,2}}"
                rf"(?:{alternatives('function_words', 'copulas')}|:|=)\s{{0,2}}[\"']?"
                r"(?P<value>(?=[^\s]{0,60}[\d!@#$%^&*_+=~])[^\s\"',;]{3,128})",
                re.IGNORECASE,
            ),
            0.85,
            group="value",
            name="assigned",
            hints=across("identifiers", "secret_pieces"),
        ),
        Pattern(
            re.compile(
                r"(?<!\w)pin(?: code| number)?\s{0,2}(?:is|was|:|=)\s{0,2}(?P<value>\d(?:[ -]?\d){3,7})(?!\w)",
                re.IGNORECASE,
            ),
            0.85,
            group="value",
            name="pin",
            hints=("pin",),
        ),
    ),
)

TOKEN = PatternRecognizer(
    entity="SECRET",
    name="token",
    needs="0",
    patterns=(
        Pattern(re.compile(r"(?<!\w)(?:SK|AC)[0-9a-f]{32}(?!\w)"), 0.9, name="twilio"),
        Pattern(re.compile(r"(?<!\w)\d{8,10}:[A-Za-z0-9_-]{35}(?![\w-])"), 0.95, name="telegram"),
    ),
)
