"""The pictures of several pages as one row of bytes, for the way from the checks to the workers.

No client can send it: no sniffer knows it, so an upload of it is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from models.errors import BrokenMedia

MARK: Final = b"VESTIBULE PAGES\n"
"""The first bytes of several pages."""

_LENGTH_BYTES: Final = 4


def pack(pages: Sequence[bytes]) -> bytes:
    """One page stays as it is; several are joined, each after its length."""
    if len(pages) == 1:
        return pages[0]
    return MARK + b"".join(len(page).to_bytes(_LENGTH_BYTES, "big") + page for page in pages)


def unpack(data: bytes) -> list[bytes]:
    """The pages that ``pack`` joined; other data is one page.

    Raises:
        BrokenMedia: A page is not whole.
    """
    if not data.startswith(MARK):
        return [data]
    pages, at = [], len(MARK)
    while at < len(data):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        pages.append(data[start:at])
    if at != len(data) or not pages:
        raise BrokenMedia("The pages of the document are not whole.")
    return pages
