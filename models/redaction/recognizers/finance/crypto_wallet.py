"""Wallets of crypto currencies, with the checksum that each kind has.

Must NOT match: hashes and commit ids (hex without 0x), base64 of other things. A wallet that fails its checksum is
found only when a word speaks of one.
"""

from __future__ import annotations

import hashlib
import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_RIPPLE = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_CONSTANTS = (1, 0x2BC830A3)
"""What the sum must be: the first for version 0, the second for later ones (BIP 350)."""


def check_wallet(text: str) -> bool | None:
    """Whether the checksum is right; None for kinds without one that can be told here."""
    lower = text.lower()
    if lower.startswith(("bc1", "tb1", "ltc1")):
        return _bech32(lower)
    if lower.startswith("0x"):
        return None  # its checksum is in the capitals, and needs a hash that Python does not have
    return _base58(text, _RIPPLE if text[0] == "r" else _BASE58)


def _base58(text: str, alphabet: str) -> bool:
    """Twenty-five bytes, of which the last four are the beginning of a double SHA-256 of the others."""
    value = 0
    for char in text:
        place = alphabet.find(char)
        if place < 0:
            return False
        value = value * 58 + place
    if value >= 1 << 200:
        return False
    raw = value.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


def _bech32(text: str) -> bool:
    """The polynomial code of BIP 173 over the prefix and the data."""
    prefix, _, data = text.rpartition("1")
    if any(char not in _BECH32 for char in data):
        return False
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + [_BECH32.index(c) for c in data]
    total = 1
    for value in values:
        top, total = total >> 25, (total & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATORS):
            total ^= generator if top >> place & 1 else 0
    return total in _BECH32_CONSTANTS


WALLET = PatternRecognizer(
    entity="WALLET",
    name="wallet",
    needs="0",
    patterns=(
        Pattern(re.compile(r"(?<!\w)(?:bc1|tb1|ltc1)[a-z0-9]{25,62}(?!\w)", re.IGNORECASE), 0.9, name="bech32"),
        Pattern(re.compile(r"(?<!\w)0x[0-9a-fA-F]{40}(?!\w)"), 0.9, name="ethereum"),
        # Bitcoin, Litecoin, Dogecoin, Tron; Ripple
        Pattern(re.compile(r"(?<!\w)[13LMDT][1-9A-HJ-NP-Za-km-z]{25,34}(?!\w)"), 0.5, name="base58"),
        Pattern(re.compile(r"(?<!\w)r[1-9A-HJ-NP-Za-km-z]{24,34}(?!\w)"), 0.3, name="ripple"),
        # Monero and Solana have no checksum that is this simple.
        Pattern(re.compile(r"(?<!\w)[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}(?!\w)"), 0.9, name="monero"),
    ),
    check=lambda text: None if text[0] in "48" else check_wallet(text),
    failed_factor=0.6,
    context=words(
        "wallet", "bitcoin", "btc", "ethereum", "eth", "crypto", "litecoin", "tron", "usdt", "doge", "xrp", "address"
    ),
)
