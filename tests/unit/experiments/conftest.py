"""The ledgers that the tests of the ledger use."""

from tests.unit.ledger.conftest import cursor, ledger

__all__ = ["cursor", "ledger"]
