"""Wallets of crypto currencies: Bitcoin, Ethereum, Litecoin.

Must NOT match: hashes and commit ids (hex without 0x), base64 of other things.
"""

from __future__ import annotations

import hashlib
import re

from models.redaction.recognizers.base import Pattern, PatternRecognizer, words

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def check_base58(text: str) -> bool | None:
    """Base58Check for old addresses; None for forms with another checksum."""
    if text[0] not in "13LM" or text.lower().startswith(("bc1", "ltc1", "0x")):
        return None
    value = 0
    for char in text:
        position = _ALPHABET.find(char)
        if position < 0:
            return False
        value = value * 58 + position
    if value >= 1 << 200:
        return False
    raw = value.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


WALLET = PatternRecognizer(
    entity="WALLET",
    name="wallet",
    needs="0",
    patterns=(
        Pattern(re.compile(r"(?<!\w)(?:bc1|ltc1)[a-z0-9]{25,62}(?!\w)", re.IGNORECASE), 0.9, name="bech32"),
        Pattern(re.compile(r"(?<!\w)0x[0-9a-fA-F]{40}(?!\w)"), 0.9, name="ethereum"),
        Pattern(re.compile(r"(?<!\w)[13LM][1-9A-HJ-NP-Za-km-z]{25,34}(?!\w)"), 0.5, name="base58"),
    ),
    check=check_base58,
    failed_factor=0.6,
    context=words("wallet", "bitcoin", "btc", "ethereum", "eth", "crypto", "litecoin", "address"),
)
