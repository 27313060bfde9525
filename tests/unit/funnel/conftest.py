"""The ledgers that the tests of the report use."""

from tests.unit.ledger.conftest import cursor, ledger

__all__ = ["cursor", "ledger"]
