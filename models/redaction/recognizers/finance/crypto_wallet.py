"""Wallets of crypto currencies, with the checksum that each kind has.

Must NOT match: hashes and commit ids (hex without 0x), base64 of other things. A wallet address that fails its checksum
counts only with a context word.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from stdnum import bitcoin

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, context_words

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_RIPPLE: Final = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
_FROM_RIPPLE: Final = str.maketrans(_RIPPLE, _BASE58)
_BECH32: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_CONSTANTS: Final = (1, 0x2BC830A3)
"""Valid checksum constants: the first for version 0, the second for later versions (BIP 350)."""

_ADDRESS_BYTES: Final = 25
_CHECKSUM_BYTES: Final = 4


def check_wallet(text: str) -> bool | None:
    """Whether the checksum is right; None for wallets whose checksum is not checked here.

    The arithmetic is ``stdnum``'s. Its ``validate`` is not used: it knows Bitcoin alone, and no address of BIP 350.
    """
    lower = text.lower()
    if lower.startswith(("bc1", "tb1", "ltc1")):
        return _bech32(lower)
    if lower.startswith("0x"):
        return None  # the capitals are its checksum, and it needs a hash that Python does not have
    return _base58(text.translate(_FROM_RIPPLE) if text[0] == "r" else text)


def _base58(text: str) -> bool:
    """Whether it is 25 bytes, of which the last four are the beginning of a double SHA-256 of the others."""
    try:
        raw = bitcoin.b58decode(text)
    except ValueError:  # a character that is not in the alphabet
        return False
    payload, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    expected = hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:_CHECKSUM_BYTES]
    return len(raw) == _ADDRESS_BYTES and checksum == expected


def _bech32(text: str) -> bool:
    """Whether the polynomial code of BIP 173 over the prefix and the data is right."""
    prefix, _, data = text.rpartition("1")
    if not set(data) <= set(_BECH32):
        return False
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    return bitcoin.bech32_checksum(expanded + [_BECH32.index(c) for c in data]) in _BECH32_CONSTANTS


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
    context=context_words("wallet"),
)
