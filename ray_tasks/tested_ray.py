"""The release of Ray that this release was tested with. Much depends on Ray's inner parts, so another one may fail."""

from __future__ import annotations

from typing import Final

TESTED: Final = "2.60.0"
"""As in requirements.lock, which a test compares."""
