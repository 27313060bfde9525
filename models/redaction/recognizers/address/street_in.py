"""Addresses as they are written in India, in English and in Hindi: house, flat and plot numbers, sectors, lanes.

Must NOT match: "room 12", "plot" of a story, a sector of the economy.
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer

_NAME = r"[^\W\d_][\w'\u2019.\u0900-\u097f-]{1,30}"
_KIND = (
    r"(?:nagar|marg|road|rd|colony|vihar|enclave|layout|street|cross|main|bagh|puram|pura|gali|chowk|society"
    r"|apartments?|bazaar|market|block|phase)"
)
_HINDI_KIND = (
    r"(?:नगर|मार्ग|रोड|सड़क|कॉलोनी|विहार|गली|मोहल्ला|चौक|बाज़ार|बाजार|बाग|पुरम|सोसाइटी|अपार्टमेंट)(?![\w\u0900-\u097f])"
)

STREET_IN = PatternRecognizer(
    entity="ADDRESS",
    name="street-in",
    needs="0",
    patterns=(
        # H.No. 12-3/4, Gandhi Nagar; Flat No 302, Lotus Apartments; Plot 45, Sector 21
        Pattern(
            re.compile(
                rf"(?<![^\W_])(?:h\.? ?no|house no|flat no|plot(?: no)?|door no|d\.? ?no|khasra no|shop no|quarter "
                rf"no)\.?\s{{0,2}}[:#-]?\s{{0,2}}"
                rf"(?=[\w/-]{{0,9}}\d)[\w/-]{{1,10}}(?:,? {{1,2}}(?:{_NAME} ){{0,3}}{_KIND}(?![^\W_])(?: \d{{1,3}})?)?",
                re.IGNORECASE,
            ),
            0.7,
            name="house",
        ),
        Pattern(
            re.compile(
                rf"(?<![\w.])\d{{1,4}}[/-]?[A-Za-z\d]{{0,4}},? {{1,2}}(?:{_NAME} ){{1,3}}(?:nagar|marg|colony|vihar"
                rf"|enclave|layout|bagh|puram|chowk)"
                r"(?![^\W_])",
                re.IGNORECASE,
            ),
            0.65,
            name="nagar",
        ),
        Pattern(
            re.compile(r"(?<![^\W_])sector[ -]{1,2}\d{1,3}[A-Z]?,? {1,2}[^\W\d_a-zß-ÿ][\w-]{2,20}"), 0.5, name="sector"
        ),
        # मकान नंबर 12, गली नंबर 4, गांधी नगर
        Pattern(
            re.compile(
                rf"(?:मकान|फ्लैट|फ़्लैट|प्लॉट|घर|गली|हाउस|दुकान)\s(?:नंबर|नं\.?|संख्या"
                rf"|क्रमांक)\s{{0,2}}[:.]?\s{{0,2}}[\d०-९]{{1,5}}[\w/-]{{0,6}}"
                rf"(?:,?\s{{1,2}}(?:{_NAME}\s){{0,3}}{_HINDI_KIND})?"
            ),
            0.75,
            name="hi",
        ),
        Pattern(
            re.compile(rf"(?<![\w.])[\d०-९]{{1,4}},?\s{{1,2}}(?:{_NAME}\s){{1,3}}{_HINDI_KIND}"), 0.65, name="hi-nagar"
        ),
    ),
)
