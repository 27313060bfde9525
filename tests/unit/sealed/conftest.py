from __future__ import annotations

from tests.unit.ledger.conftest import cursor

__all__ = ["cursor"]
